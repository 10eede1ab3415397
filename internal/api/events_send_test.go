package api

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livygateway/livygateway/internal/access"
	"github.com/livygateway/livygateway/internal/events"
	"github.com/livygateway/livygateway/internal/gateway"
)

// stuck is a client that takes nothing until it is released.
type stuck struct {
	*httptest.ResponseRecorder
	released chan struct{}
}

func (w stuck) Write(b []byte) (int, error) {
	<-w.released
	return w.ResponseRecorder.Write(b)
}

// sending sends a hub's events to w until stop is called.
func sending(t *testing.T, h *events.Hub, w http.ResponseWriter) (stop func()) {
	s, err := h.Follow("", false)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	c := &call{rights: access.Unlimited(access.Principal{})}
	go func() {
		defer close(done)
		c.send(ctx, s, &eventWriter{w: w, control: http.NewResponseController(w)})
	}()
	return func() { cancel(); <-done; s.Close() }
}

func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := httptest.NewRecorder()
		stop := sending(t, events.New(rand.Reader), w)
		time.Sleep(46 * time.Second)
		stop()
		text := w.Body.String()
		if strings.Count(text, ": still there\n\n") != 3 || !strings.HasPrefix(text, "retry: 2000\nid: ") || strings.Contains(text, "data") {
			t.Errorf("in 46 seconds without events: %q", text)
		}
	})
}

// A client that takes nothing keeps nobody else waiting, and gets a reset when it goes
// on.
func TestAClientThatTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := events.New(rand.Reader)
		slow, fast := stuck{httptest.NewRecorder(), make(chan struct{})}, httptest.NewRecorder()
		stopSlow, stopFast := sending(t, h, slow), sending(t, h, fast)
		for i := range 3 * events.Kept {
			h.Gateway(&gateway.Gateway{ID: "lc-1", Workspace: "w", Revision: int64(i)}, false)
			synctest.Wait()
		}
		close(slow.released)
		synctest.Wait()
		h.Tokens(&gateway.Gateway{ID: "lc-1", Workspace: "w"})
		synctest.Wait()
		stopSlow()
		stopFast()
		if n := strings.Count(fast.Body.String(), "event: gateway\n"); n != 3*events.Kept {
			t.Errorf("the other client got %d events", n)
		}
		text := slow.Body.String()
		if strings.Contains(text, "event: gateway") || strings.Count(text, "event: reset\ndata: {}\n") != 1 || strings.Count(text, "event: tokens\n") != 1 {
			t.Errorf("it got %q", text)
		}
	})
}

// TestWhoGetsNotices checks that notices, which tell of tokens and users, go to those who may see
// everything that they are about.
func TestWhoGetsNotices(t *testing.T) {
	policy, err := access.New([]access.Grant{
		{Workspace: access.Everywhere, Role: access.Viewer, Users: []string{"all"}},
		{Workspace: "w", Role: access.Operator, Users: []string{"operator"}},
		{Workspace: "w", Role: access.Viewer, Users: []string{"viewer"}},
		{Workspace: "w", Role: access.Member, Users: []string{"member"}},
		{Workspace: "lab", Role: access.Admin, Users: []string{"elsewhere"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for user, want := range map[string]string{"all": "w,none", "operator": "w", "viewer": "w", "member": "", "elsewhere": ""} {
		c := &call{rights: policy.Of(access.Principal{User: user}), action: viewer}
		var got []string
		for name, workspace := range map[string]string{"w": "w", "none": ""} {
			if c.seesEvent(&events.Event{Name: events.NameNotice, Workspace: workspace}) {
				got = append(got, name)
			}
		}
		slices.SortFunc(got, func(a, b string) int { return strings.Compare(b, a) })
		if text := strings.Join(got, ","); text != want {
			t.Errorf("%s gets notices of %q, want %q", user, text, want)
		}
		if c.seesEvent(&events.Event{Name: events.NameRecords, Workspace: "w"}) != (user != "elsewhere") {
			t.Errorf("%s: changes of records", user)
		}
	}
}
