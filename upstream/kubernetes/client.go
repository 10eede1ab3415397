package kubernetes

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
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
	scheme     = runtime.NewScheme()
	codecs     = serializer.NewCodecFactory(scheme)
	parameters = runtime.NewParameterCodec(scheme)
)

func init() {
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, networkingv1.AddToScheme, authorizationv1.AddToScheme} {
		utilruntime.Must(add(scheme))
	}
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
}

// callTimeout bounds calls of the API other than watches and streams.
const callTimeout = 15 * time.Second

// api is a client of the cluster's API, for one namespace.
type api struct {
	config    *rest.Config
	namespace string
	inCluster bool
	own       string // the namespace of this process's pod

	core, networking, authorization rest.Interface
}

// connector reads the configuration at first use: a kubeconfig, or a service account.
type connector struct {
	mu  sync.Mutex
	api *api
}

func (c *connector) get(o *Options) (*api, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.api != nil {
		return c.api, nil
	}
	a, err := connect(o)
	if err != nil {
		return nil, err
	}
	c.api = a
	return a, nil
}

const namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

func connect(o *Options) (*api, error) {
	a := &api{namespace: o.Namespace}
	var err error
	if o.Kubeconfig == "" && o.Context == "" {
		a.config, err = rest.InClusterConfig()
		a.inCluster = err == nil
		if text, readErr := os.ReadFile(namespaceFile); a.inCluster && readErr == nil {
			a.own = strings.TrimSpace(string(text))
			a.namespace = cmp.Or(a.namespace, a.own)
		}
	}
	if a.config == nil {
		rules := clientcmd.NewDefaultClientConfigLoadingRules()
		rules.ExplicitPath = o.Kubeconfig
		loaded := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: o.Context})
		if a.config, err = loaded.ClientConfig(); err != nil {
			return nil, gateway.Wrap(gateway.KindUnavailable, "reading the kubeconfig of runtime kubernetes", err)
		}
		if a.namespace == "" {
			a.namespace, _, _ = loaded.Namespace()
		}
	}
	if a.namespace == "" {
		a.namespace = "default"
	}
	a.config.QPS = -1 // the number of calls is bounded by that of gateways that change
	a.config.UserAgent = "livygateway"
	a.config.NegotiatedSerializer = codecs.WithoutConversion()
	client, err := rest.HTTPClientFor(a.config)
	if err != nil {
		return nil, gateway.Wrap(gateway.KindInvalid, "reading the configuration of the Kubernetes API", err)
	}
	for _, g := range []struct {
		version schema.GroupVersion
		client  *rest.Interface
	}{{corev1.SchemeGroupVersion, &a.core}, {networkingv1.SchemeGroupVersion, &a.networking}, {authorizationv1.SchemeGroupVersion, &a.authorization}} {
		if *g.client, err = a.client(g.version, client); err != nil {
			return nil, gateway.Wrap(gateway.KindInvalid, "reading the configuration of the Kubernetes API", err)
		}
	}
	return a, nil
}

func (a *api) client(version schema.GroupVersion, client *http.Client) (rest.Interface, error) {
	config := rest.CopyConfig(a.config)
	config.GroupVersion, config.APIPath = &version, "/apis"
	if version.Group == "" {
		config.APIPath = "/api"
	}
	return rest.RESTClientForConfigAndClient(config, client)
}

func (a *api) get(ctx context.Context, resource, name string, into runtime.Object) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return a.core.Get().Namespace(a.namespace).Resource(resource).Name(name).Do(ctx).Into(into)
}

// create creates an object and fills it in.
func (a *api) create(ctx context.Context, client rest.Interface, resource string, object runtime.Object) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return client.Post().Namespace(a.namespace).Resource(resource).Body(object).Do(ctx).Into(object)
}

// remove deletes an object, if it exists.
func (a *api) remove(ctx context.Context, client rest.Interface, resource, name string, options *metav1.DeleteOptions) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	options.TypeMeta = metav1.TypeMeta{Kind: "DeleteOptions", APIVersion: "v1"}
	err := client.Delete().Namespace(a.namespace).Resource(resource).Name(name).Body(options).Do(ctx).Error()
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// away reports whether an error means that the API does not answer.
func away(err error) bool {
	_, network := errors.AsType[net.Error](err)
	_, connection := errors.AsType[*url.Error](err)
	return network || connection || apierrors.IsServerTimeout(err) || apierrors.IsServiceUnavailable(err) || apierrors.IsInternalError(err)
}

// callError returns the error of a failed call.
func callError(doing string, err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case away(err):
		return gateway.Wrap(gateway.KindUnavailable, "the Kubernetes API does not answer", err)
	case apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err):
		return gateway.Wrap(gateway.KindUnavailable, doing+" is not allowed in Kubernetes; see caddy livy doctor", err)
	default:
		return gateway.Wrap(gateway.KindUnavailable, doing, err)
	}
}
