package cli

import (
	"bytes"
	"context"
	"io"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestEvents(t *testing.T) {
	w := newWorld(t, time.Hour)
	token(w)
	var out string
	for range 500 { // until the instance has heard of all of it
		var code int
		if out, _, code = w.run("events"); code != 0 {
			t.Fatalf("exit code %d", code)
		}
		if strings.Contains(out, "tokens") {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	want := regexp.MustCompile(`^(reset\n)*gateway  default/lc-\w{16} etl Created\n((reset|tokens   default/lc-\w{16})\n)+$`)
	if !want.MatchString(out) {
		t.Errorf("events:\n%s", out)
	}
	out, _, _ = w.run("events --json")
	if want := `{"event":"tokens","data":{"workspace":"default","gateway":"lc-`; !strings.Contains(out, want) {
		t.Errorf("events --json:\n%s", out)
	}
	if _, errs, code := w.run("events --address 127.0.0.1:1"); code != 5 || !strings.Contains(errs, "Is Caddy running there?") {
		t.Errorf("without Caddy: exit code %d, %s", code, errs)
	}
}

// awaited is output that ends the command once it has a text.
type awaited struct {
	mu   sync.Mutex
	text bytes.Buffer
	want string
	end  func()
}

func (a *awaited) Write(b []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.text.Write(b)
	if strings.Contains(a.text.String(), a.want) {
		a.end()
	}
	return len(b), nil
}

func TestEventsFollow(t *testing.T) {
	w := newWorld(t, time.Hour)
	etl(w)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	out := &awaited{want: " etl Starting\n", end: cancel}
	done := make(chan error)
	root := w.command()
	root.SetOut(out)
	root.SetErr(io.Discard)
	root.SetArgs([]string{"livy", "events", "--follow"})
	go func() { done <- root.ExecuteContext(ctx) }()
	w.must("gateway start etl", nil)
	if err := <-done; err != nil {
		t.Error(err)
	}
	out.mu.Lock()
	defer out.mu.Unlock()
	if !strings.Contains(out.text.String(), out.want) {
		t.Errorf("followed:\n%s", &out.text)
	}
}
