// Package kubeapi connects to the API of a Kubernetes cluster and follows pods there, for the
// runtime and for the pods of Spark jobs.
package kubeapi

import (
	"cmp"
	"context"
	"net/http"
	"os"
	"strings"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/livygateway/livygateway/internal/gateway"
)

// The client knows the few kinds that are used here. The clientset of client-go would link all
// kinds of all API groups.
var (
	scheme = runtime.NewScheme()
	codecs = serializer.NewCodecFactory(scheme)
	// Parameters encodes options of calls.
	Parameters = runtime.NewParameterCodec(scheme)
)

func init() {
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, networkingv1.AddToScheme, authorizationv1.AddToScheme} {
		utilruntime.Must(add(scheme))
	}
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
}

// CallTimeout bounds calls other than watches and streams.
const CallTimeout = 15 * time.Second

// Access tells which cluster to connect to, and as whom.
type Access struct {
	// Kubeconfig is the path of a kubeconfig; default: the service account of the pod that this
	// process runs in, or else KUBECONFIG or ~/.kube/config.
	Kubeconfig string
	// Context is a context of the kubeconfig; default: its current one.
	Context string
	// Namespace replaces that of the service account or of the context.
	Namespace string
}

// Client is a client of a cluster's API.
type Client struct {
	Config *rest.Config
	// Namespace is the namespace of calls that name no other.
	Namespace string
	// InCluster reports whether this process is a pod of the cluster.
	InCluster bool
	// Own is the namespace of this process's pod.
	Own string

	Core, Networking, Authorization rest.Interface
}

const namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// Open reads the access. It does not connect.
func Open(access Access) (*Client, error) {
	c := &Client{Namespace: access.Namespace}
	if err := c.configure(access); err != nil {
		return nil, gateway.Wrap(gateway.KindUnavailable, "reading the kubeconfig for Kubernetes", err)
	}
	c.Config.QPS = -1 // the number of calls is bounded by that of gateways that change
	c.Config.UserAgent = "livygateway"
	c.Config.NegotiatedSerializer = codecs.WithoutConversion()
	client, err := rest.HTTPClientFor(c.Config)
	if err != nil {
		return nil, gateway.Wrap(gateway.KindUnavailable, "reading the kubeconfig for Kubernetes", err)
	}
	for _, g := range []struct {
		version schema.GroupVersion
		client  *rest.Interface
	}{{corev1.SchemeGroupVersion, &c.Core}, {networkingv1.SchemeGroupVersion, &c.Networking}, {authorizationv1.SchemeGroupVersion, &c.Authorization}} {
		if *g.client, err = c.group(g.version, client); err != nil {
			return nil, gateway.Wrap(gateway.KindUnavailable, "reading the kubeconfig for Kubernetes", err)
		}
	}
	return c, nil
}

func (c *Client) configure(access Access) (err error) {
	if access.Kubeconfig == "" && access.Context == "" {
		if c.Config, err = rest.InClusterConfig(); err == nil {
			c.InCluster = true
			if text, err := os.ReadFile(namespaceFile); err == nil {
				c.Own = strings.TrimSpace(string(text))
				c.Namespace = cmp.Or(c.Namespace, c.Own)
			}
		}
	}
	if !c.InCluster {
		loaded := loader(access)
		if c.Config, err = loaded.ClientConfig(); err != nil {
			return err
		}
		if c.Namespace == "" {
			c.Namespace, _, _ = loaded.Namespace()
		}
	}
	if c.Namespace == "" {
		c.Namespace = "default"
	}
	return nil
}

func loader(access Access) clientcmd.ClientConfig {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = access.Kubeconfig
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: access.Context})
}

func (c *Client) group(version schema.GroupVersion, client *http.Client) (rest.Interface, error) {
	config := rest.CopyConfig(c.Config)
	config.GroupVersion, config.APIPath = &version, "/apis"
	if version.Group == "" {
		config.APIPath = "/api"
	}
	return rest.RESTClientForConfigAndClient(config, client)
}

// Get reads an object of the client's namespace.
func (c *Client) Get(ctx context.Context, resource, name string, into runtime.Object) error {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	return c.Core.Get().Namespace(c.Namespace).Resource(resource).Name(name).Do(ctx).Into(into)
}

// Create creates an object and fills it in.
func (c *Client) Create(ctx context.Context, client rest.Interface, resource string, object runtime.Object) error {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	return client.Post().Namespace(c.Namespace).Resource(resource).Body(object).Do(ctx).Into(object)
}

// Remove deletes an object of a namespace, if it exists.
func (c *Client) Remove(ctx context.Context, client rest.Interface, namespace, resource, name string, options *metav1.DeleteOptions) error {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	options.TypeMeta = metav1.TypeMeta{Kind: "DeleteOptions", APIVersion: "v1"}
	err := client.Delete().Namespace(namespace).Resource(resource).Name(name).Body(options).Do(ctx).Error()
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
