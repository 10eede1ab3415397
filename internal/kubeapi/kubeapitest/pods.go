package kubeapitest

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func (s *Server) servePods(w http.ResponseWriter, r *http.Request, namespace, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	pod := s.pods[namespace+"/"+name]
	if name != "" && pod == nil {
		fail(w, http.StatusNotFound, metav1.StatusReasonNotFound, "pods "+name+" not found")
		return
	}
	switch {
	case r.Method == http.MethodPost:
		s.create(w, r, namespace)
	case r.Method == http.MethodPatch: // the one patch that there is takes the gate away
		pod = pod.DeepCopy()
		pod.Spec.SchedulingGates = nil
		if s.Place != nil {
			s.Place(pod)
		}
		s.record("MODIFIED", pod)
		reply(w, http.StatusOK, s.pods[key(pod)])
	case r.Method == http.MethodDelete:
		s.remove(w, r, pod)
	case name != "":
		reply(w, http.StatusOK, pod)
	default:
		list := corev1.PodList{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"}, ListMeta: metav1.ListMeta{ResourceVersion: strconv.Itoa(s.version)},
		}
		for _, p := range s.pods {
			if matches(r, namespace, p) {
				list.Items = append(list.Items, *p)
			}
		}
		reply(w, http.StatusOK, list)
	}
}

func (s *Server) create(w http.ResponseWriter, r *http.Request, namespace string) {
	if why := s.refusal("pods"); why != "" {
		fail(w, http.StatusForbidden, metav1.StatusReasonForbidden, why)
		return
	}
	pod := &corev1.Pod{}
	if err := json.NewDecoder(r.Body).Decode(pod); err != nil {
		fail(w, http.StatusBadRequest, metav1.StatusReasonBadRequest, err.Error())
		return
	}
	pod.Namespace, pod.CreationTimestamp = namespace, metav1.Now()
	if s.pods[key(pod)] != nil {
		fail(w, http.StatusConflict, metav1.StatusReasonAlreadyExists, "pods "+pod.Name+" already exists")
		return
	}
	s.record("ADDED", pod)
	reply(w, http.StatusCreated, s.pods[key(pod)])
}

func (s *Server) remove(w http.ResponseWriter, r *http.Request, pod *corev1.Pod) {
	var options metav1.DeleteOptions
	_ = json.NewDecoder(r.Body).Decode(&options)
	if p := options.Preconditions; p != nil && p.UID != nil && *p.UID != pod.UID {
		fail(w, http.StatusConflict, metav1.StatusReasonConflict, "it has another uid")
		return
	}
	if s.NodeGone && options.GracePeriodSeconds != nil && *options.GracePeriodSeconds > 0 {
		pod = pod.DeepCopy()
		pod.DeletionTimestamp = &metav1.Time{Time: time.Now()}
		s.record("MODIFIED", pod)
	} else {
		s.record("DELETED", pod)
	}
	reply(w, http.StatusOK, pod)
}

func (s *Server) watch(w http.ResponseWriter, r *http.Request, namespace string) {
	from, _ := strconv.Atoi(r.URL.Query().Get("resourceVersion"))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	out := json.NewEncoder(w)
	for {
		s.mu.Lock()
		var news []event
		for _, e := range s.history {
			if e.version > from && matches(r, namespace, e.pod) {
				news = append(news, e)
			}
		}
		from = s.version
		more := s.more
		s.mu.Unlock()
		for _, e := range news {
			if err := out.Encode(map[string]any{"type": e.kind, "object": e.pod}); err != nil {
				return
			}
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-more:
		}
	}
}
