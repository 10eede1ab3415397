package livytest

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/livy"
)

func TestDoubleKeepsTheContract(t *testing.T) {
	server := httptest.NewServer(New())
	defer server.Close()
	Contract(t, server.URL, Options{Interactive: true})
}

func TestManualSteps(t *testing.T) {
	s := New()
	s.Manual = true
	server := httptest.NewServer(s)
	defer server.Close()
	c := &contract{base: server.URL, options: Options{Patience: 5e9}, client: &livy.Client{Base: server.URL}}
	id := c.create(t, "/batches", `{"file":"/job.py"}`)
	for _, want := range []string{"starting", "running", "success"} {
		list, err := c.client.Batches(t.Context())
		if err != nil || len(list) != 1 || list[0].State != want {
			t.Fatalf("%+v, %v, want %s", list, err, want)
		}
		s.Step()
	}
	if !s.SetState("batches", id, "killed") || s.SetState("batches", id+1, "killed") {
		t.Error("SetState")
	}
	s.Restart()
	if again := c.create(t, "/batches", `{"file":"/job.py"}`); again != id {
		t.Errorf("after a restart ids begin at %d, want %d", again, id)
	}
}

func TestMutationsReachBothSides(t *testing.T) {
	good, bad := 0, 0
	for _, l := range Mutations(1, 4000) {
		path, query, _ := strings.Cut(l.Target, "?")
		if _, err := livy.Match(l.Method, path, query); err == nil {
			good++
		} else {
			bad++
		}
	}
	if good < 400 || bad < 400 {
		t.Errorf("%d pass and %d are refused: too few of one", good, bad)
	}
}
