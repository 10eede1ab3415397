package events

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
)

func newHub(instance byte) *Hub { return New(strings.NewReader(strings.Repeat(string(instance), 6))) }

func etl(revision int64) *gateway.Gateway {
	return &gateway.Gateway{
		ID: "lc-1", Workspace: "w", Spec: gateway.Spec{Name: "etl"},
		Status: gateway.Status{State: gateway.StateRunning}, Revision: revision,
	}
}

func follow(t *testing.T, h *Hub, id string, kept bool) *Stream {
	t.Helper()
	s, err := h.Follow(id, kept)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func next(t *testing.T, s *Stream) []Event {
	t.Helper()
	got, err := s.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func names(all []Event) string {
	var words []string
	for _, e := range all {
		words = append(words, e.Name)
	}
	return strings.Join(words, " ")
}

func TestEvents(t *testing.T) {
	h := newHub('a')
	h.Tokens(etl(1)) // before anybody follows
	s := follow(t, h, "", false)
	h.Gateway(etl(7), false)
	h.Tokens(etl(7))
	h.Reset()
	h.Gateway(etl(7), true)
	got := next(t, s)
	if names(got) != "gateway tokens reset gateway" {
		t.Fatalf("got %s", names(got))
	}
	if want := `{"workspace":"w","gateway":"lc-1","name":"etl","state":"Running","revision":7,"deleted":false}`; string(got[0].Data) != want {
		t.Errorf("data %s, want %s", got[0].Data, want)
	}
	if string(got[1].Data) != `{"workspace":"w","gateway":"lc-1"}` || string(got[2].Data) != "{}" || got[1].Workspace != "w" || got[2].Workspace != "" {
		t.Errorf("got %+v", got)
	}
	if s.Ready() || !follow(t, h, "", true).Ready() {
		t.Error("only a stream from the oldest event on has something to tell")
	}
}

func TestResume(t *testing.T) {
	h := newHub('a')
	s := follow(t, h, "", false)
	place := s.Place()
	for i := range 3 {
		h.Gateway(etl(int64(i)), false)
	}
	got := next(t, s)
	for _, tt := range []struct{ id, want string }{
		{place, "gateway gateway gateway"},
		{got[0].ID, "gateway gateway"},
		{got[2].ID, ""},
		{newHub('b').id(1), "reset"},
		{h.id(99), "reset"},
		{"nonsense", "reset"},
	} {
		again := follow(t, h, tt.id, false)
		if tt.want == "" {
			if again.Ready() {
				t.Errorf("behind the last event there is something")
			}
			continue
		}
		if got := names(next(t, again)); got != tt.want {
			t.Errorf("behind %s: %s, want %s", tt.id, got, tt.want)
		}
	}
	for i := range Kept {
		h.Gateway(etl(int64(i)), false)
	}
	if got := names(next(t, follow(t, h, got[0].ID, false))); got != "reset" {
		t.Errorf("behind an event of long ago: %s", got)
	}
	if got := next(t, follow(t, h, "", true)); len(got) > Kept || len(got) < Kept-1 || got[len(got)-1].number != h.next-1 {
		t.Errorf("%d events are kept", len(got))
	}
}

// A reader that does not keep up gets a reset, and goes on from there.
func TestSlowReader(t *testing.T) {
	h := newHub('a')
	s := follow(t, h, "", false)
	for i := range 3 * Kept {
		h.Gateway(etl(int64(i)), false)
	}
	got := next(t, s)
	if names(got) != "reset" || got[0].ID != h.id(h.next-1) {
		t.Fatalf("got %d events: %s", len(got), names(got[:1]))
	}
	h.Tokens(etl(1))
	if got := next(t, s); names(got) != "tokens" {
		t.Errorf("after the reset: %s", names(got))
	}
}

// A thousand changes of records are an event at once and one a second.
func TestRecordsComeOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub('a')
		defer h.Close()
		s := follow(t, h, "", false)
		other := etl(1)
		other.ID = "lc-2"
		h.Records(etl(1))
		h.Records(other)
		if got := names(next(t, s)); got != "records records" {
			t.Fatalf("at first: %s", got)
		}
		start := time.Now()
		for range 1000 {
			h.Records(etl(1))
			time.Sleep(2 * time.Millisecond)
		}
		time.Sleep(5 * time.Second)
		got := next(t, s)
		if names(got) != "records records" || !strings.Contains(string(got[0].Data), "lc-1") {
			t.Fatalf("in 2 seconds of changes: %s", names(got))
		}
		h.Records(etl(1))
		if got := names(next(t, s)); got != "records" {
			t.Errorf("after a pause: %s, %s", got, time.Since(start))
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		if len(h.bursts) != 1 {
			t.Errorf("%d gateways are remembered", len(h.bursts))
		}
	})
}

func TestStreamsAreBounded(t *testing.T) {
	h := newHub('a')
	var all []*Stream
	for range MaxStreams {
		all = append(all, follow(t, h, "", false))
	}
	_, err := h.Follow("", false)
	if gateway.KindOf(err) != gateway.KindUnavailable {
		t.Fatalf("one more: %v", err)
	}
	all[0].Close()
	all[0].Close()
	follow(t, h, "", false)
	if _, err := h.Follow("", false); err == nil {
		t.Error("closed twice, a stream left two places")
	}
	h.Close()
	if _, err := all[1].Next(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
	if _, err := h.Follow("", false); err == nil {
		t.Error("a stream began after the end")
	}
	h.Records(etl(1)) // nobody is told
}

func TestManyReadersAtOnce(t *testing.T) {
	h := newHub('a')
	var wg sync.WaitGroup
	const last = 5000
	for range 50 {
		s := follow(t, h, "", false)
		wg.Go(func() {
			seen := uint64(0)
			for {
				got, err := s.Next(context.Background())
				if err != nil {
					t.Error(err)
					return
				}
				for _, e := range got {
					if e.Name != NameReset && seen != 0 && e.number != seen+1 {
						t.Errorf("%d came after %d", e.number, seen)
						return
					}
					if seen = e.number; e.Name == NameReset {
						seen = 0
						_, _ = fmt.Sscanf(e.ID[strings.Index(e.ID, "-")+1:], "%d", &seen)
					}
				}
				if seen == last {
					return
				}
			}
		})
	}
	for i := range last {
		h.Gateway(etl(int64(i)), false)
	}
	wg.Wait()
}
