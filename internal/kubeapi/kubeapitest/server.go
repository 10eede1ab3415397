// Package kubeapitest is a test double of the API of a Kubernetes cluster: pods and what belongs
// to them, in memory, with lists and watches.
package kubeapitest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
)

// Server is an API server.
type Server struct {
	URL string
	// Kubeconfig is the path of a kubeconfig for it, with the namespace "livy".
	Kubeconfig string
	// Place sets the status of a pod that may be scheduled, as scheduler and kubelet do. Nil: it
	// stays pending.
	Place func(*corev1.Pod)
	// Refuse returns the reason why an object must not be created, or "": an admission plugin.
	Refuse func(resource string) string
	// NodeGone keeps deleted pods until they are deleted without grace.
	NodeGone bool
	// Logs are the logs of pods, by name.
	Logs map[string]string
	// Events are the warnings about all pods.
	Events []corev1.Event

	mu      sync.Mutex
	version int
	pods    map[string]*corev1.Pod // by namespace/name
	others  map[string][]byte      // by path
	history []event
	more    chan struct{} // closed with the next event
	calls   []string
	forbid  string
}

type event struct {
	version int
	kind    string
	pod     *corev1.Pod
}

// New starts a server that ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{pods: map[string]*corev1.Pod{}, others: map[string][]byte{}, more: make(chan struct{})}
	server := httptest.NewTLSServer(s)
	t.Cleanup(func() {
		server.CloseClientConnections() // watches
		server.Close()
	})
	s.URL, s.Kubeconfig = server.URL, filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`{"apiVersion": "v1", "kind": "Config", "current-context": "c",
		"clusters": [{"name": "k", "cluster": {"server": %q, "insecure-skip-tls-verify": true}}], "users": [{"name": "u", "user": {"token": "x"}}],
		"contexts": [{"name": "c", "context": {"cluster": "k", "user": "u", "namespace": "livy"}}]}`, server.URL)
	if err := os.WriteFile(s.Kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// Put adds or replaces a pod.
func (s *Server) Put(pod *corev1.Pod) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kind := "MODIFIED"
	if s.pods[key(pod)] == nil {
		kind = "ADDED"
	}
	s.record(kind, pod)
}

// Forbid makes a verb one that nobody may use.
func (s *Server) Forbid(verb string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forbid = verb
}

// Pod returns a pod, or nil.
func (s *Server) Pod(namespace, name string) *corev1.Pod {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pods[namespace+"/"+name].DeepCopy()
}

// Objects returns the paths of objects other than pods.
func (s *Server) Objects() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []string
	for path := range s.others {
		list = append(list, path)
	}
	slices.Sort(list)
	return list
}

// Object reads an object other than a pod.
func (s *Server) Object(t testing.TB, path string, into any) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := json.Unmarshal(s.others[path], into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// Calls counts the calls that began with a verb and a resource, e.g. "watch pods".
func (s *Server) Calls(prefix string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, call := range s.calls {
		if strings.HasPrefix(call, prefix) {
			n++
		}
	}
	return n
}

func key(pod *corev1.Pod) string { return pod.Namespace + "/" + pod.Name }

// record stores a pod's new version. The caller holds the lock.
func (s *Server) record(kind string, pod *corev1.Pod) {
	pod = pod.DeepCopy()
	s.version++
	pod.ResourceVersion = strconv.Itoa(s.version)
	pod.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}
	if pod.UID == "" {
		pod.UID = types.UID(fmt.Sprintf("uid-%d", s.version))
	}
	if kind == "DELETED" {
		delete(s.pods, key(pod))
	} else {
		s.pods[key(pod)] = pod
	}
	s.history = append(s.history, event{s.version, kind, pod})
	close(s.more)
	s.more = make(chan struct{})
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	i := slices.Index(parts, "namespaces")
	if i < 0 || len(parts) < i+3 {
		reply(w, http.StatusOK, map[string]string{"gitVersion": "v1.34.0"})
		return
	}
	namespace, resource, name, sub := parts[i+1], parts[i+2], "", ""
	if len(parts) > i+3 {
		name = parts[i+3]
	}
	if len(parts) > i+4 {
		sub = parts[i+4]
	}
	verb := strings.ToLower(r.Method)
	if r.Method == http.MethodGet && name == "" {
		verb = "list"
	}
	if r.URL.Query().Get("watch") != "" {
		verb = "watch"
	}
	s.mu.Lock()
	s.calls = append(s.calls, strings.TrimSpace(verb+" "+resource+" "+sub))
	forbidden := s.forbid == verb
	s.mu.Unlock()
	switch {
	case forbidden:
		fail(w, http.StatusForbidden, metav1.StatusReasonForbidden, "nobody may "+verb)
	case verb == "watch":
		s.watch(w, r, namespace)
	case sub == "log":
		fmt.Fprint(w, s.Logs[name])
	case resource == "events":
		reply(w, http.StatusOK, corev1.EventList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "EventList"}, Items: s.Events})
	case resource == "pods":
		s.servePods(w, r, namespace, name)
	default:
		s.serveOthers(w, r, resource, name)
	}
}

func (s *Server) serveOthers(w http.ResponseWriter, r *http.Request, resource, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch r.Method {
	case http.MethodPost:
		if why := s.refusal(resource); why != "" {
			fail(w, http.StatusForbidden, metav1.StatusReasonForbidden, why)
			return
		}
		var object map[string]any
		if err := json.NewDecoder(r.Body).Decode(&object); err != nil {
			fail(w, http.StatusBadRequest, metav1.StatusReasonBadRequest, err.Error())
			return
		}
		meta, _ := object["metadata"].(map[string]any)
		s.version++
		meta["uid"] = fmt.Sprintf("uid-%d", s.version)
		body, _ := json.Marshal(object)
		s.others[r.URL.Path+"/"+fmt.Sprint(meta["name"])] = body
		reply(w, http.StatusCreated, object)
	case http.MethodDelete:
		delete(s.others, r.URL.Path)
		reply(w, http.StatusOK, metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusSuccess})
	default:
		body, ok := s.others[r.URL.Path]
		if !ok {
			fail(w, http.StatusNotFound, metav1.StatusReasonNotFound, name+" not found")
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	}
}

func (s *Server) refusal(resource string) string {
	if s.Refuse == nil {
		return ""
	}
	return s.Refuse(resource)
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func fail(w http.ResponseWriter, code int, reason metav1.StatusReason, message string) {
	reply(w, code, metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure,
		Code: int32(code), Reason: reason, Message: message,
	})
}

func matches(r *http.Request, namespace string, pod *corev1.Pod) bool {
	selector, err := labels.Parse(r.URL.Query().Get("labelSelector"))
	return err == nil && pod.Namespace == namespace && selector.Matches(labels.Set(pod.Labels))
}
