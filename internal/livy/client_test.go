package livy_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/livy/livytest"
)

// fakeLivy starts a double and puts n batches into it.
func fakeLivy(t *testing.T, n int) (*livytest.Server, *livy.Client) {
	t.Helper()
	double := livytest.New()
	double.Manual = true
	server := httptest.NewServer(double)
	t.Cleanup(server.Close)
	for range n {
		resp, err := http.Post(server.URL+"/batches", "application/json", strings.NewReader(`{"file":"/x"}`))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	return double, &livy.Client{Base: server.URL + "/"}
}

func TestClientListsPageByPage(t *testing.T) {
	for _, n := range []int{0, 1, 200, 201, 450} {
		double, client := fakeLivy(t, n)
		pages := 0
		double.Before = func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("X-Requested-By") == "" {
				t.Error("no X-Requested-By")
			}
			pages++
			return false
		}
		got, err := client.Batches(t.Context())
		if err != nil || len(got) != n || pages != n/200+1 {
			t.Errorf("%d batches: got %d in %d pages, %v", n, len(got), pages, err)
		}
		for i, b := range got {
			if b.ID != int64(i) || b.State != "starting" {
				t.Fatalf("batch %d is %+v", i, b)
			}
		}
	}
}

// What ends between two pages must not hide what goes on: it would be taken for gone.
func TestClientListsWhatStaysWhileOthersEnd(t *testing.T) {
	for _, ended := range []int64{1, 30, 230} {
		double, client := fakeLivy(t, 450)
		asked := 0
		double.Before = func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodGet {
				return false
			}
			if asked++; asked == 2 {
				for id := range ended {
					if err := client.Delete(t.Context(), livy.KindBatch, id); err != nil {
						t.Error(err)
					}
				}
			}
			return false
		}
		got, err := client.Batches(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		listed := make(map[int64]bool)
		for _, b := range got {
			if listed[b.ID] {
				t.Errorf("%d ended: batch %d is listed twice", ended, b.ID)
			}
			listed[b.ID] = true
		}
		for id := ended; id < 450; id++ {
			if !listed[id] {
				t.Errorf("%d ended: batch %d is not listed", ended, id)
			}
		}
	}
}

func TestClientErrors(t *testing.T) {
	double, client := fakeLivy(t, 1)
	if err := client.Delete(t.Context(), livy.KindBatch, 99); err != nil {
		t.Errorf("deleting what is not there: %v", err)
	}
	if _, err := client.Log(t.Context(), livy.KindSession, 7, -1); !livy.IsNotFound(err) || !strings.Contains(err.Error(), "Session '7' not found.") {
		t.Errorf("%v", err)
	}
	for body, want := range map[string]string{`"bare"`: "livy answered 500: bare", `{"msg":"m"}`: "livy answered 500: m", "<html>": "livy answered 500: <html>"} {
		double.Before = func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(500)
			_, _ = w.Write([]byte(body))
			return true
		}
		if _, err := client.Sessions(t.Context()); err == nil || err.Error() != want || livy.IsNotFound(err) {
			t.Errorf("%s: %v", body, err)
		}
	}
	double.Before = func(w http.ResponseWriter, _ *http.Request) bool { _, _ = w.Write([]byte("{")); return true }
	if _, err := client.Version(t.Context()); err == nil || !strings.Contains(err.Error(), "reading livy's reply to GET /version") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client.Version(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestFinished(t *testing.T) {
	for _, state := range []string{"error", "dead", "killed", "success"} {
		if !livy.Finished(state) {
			t.Error(state)
		}
	}
	for _, state := range []string{"not_started", "starting", "recovering", "idle", "running", "busy", "shutting_down", ""} {
		if livy.Finished(state) {
			t.Error(state)
		}
	}
}
