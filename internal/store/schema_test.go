package store_test

import (
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

func TestSchema(t *testing.T) {
	t.Parallel()
	s, mini := storetest.Mini(t) // has checked it once
	if got, _ := mini.Get("livygw:schema"); got != "1" {
		t.Errorf("an empty database is marked %q, want 1", got)
	}
	if err := s.CheckSchema(t.Context()); err != nil {
		t.Errorf("our own schema: %v", err)
	}
	for mark, want := range map[string]string{"2": "written by a newer version", "cache": "in use by something else"} {
		_ = mini.Set("livygw:schema", mark)
		err := s.CheckSchema(t.Context())
		if gateway.KindOf(err) != gateway.KindConflict || !strings.Contains(err.Error(), want) {
			t.Errorf("mark %q: %v, want a conflict that says %q", mark, err, want)
		}
	}
}

// TestEmptiedRedis checks that a Redis that lost its data is taken for an
// outage: its "no such token" must not make clients throw their tokens away.
func TestEmptiedRedis(t *testing.T) {
	t.Parallel()
	s, mini := storetest.Mini(t)
	read := func() error {
		_, err := s.Token(t.Context(), "lctk-aaaaaaaaaaaaaaaa")
		return err
	}
	lookUp := func() error {
		_, err := s.TokenBySecret(t.Context(), strings.Repeat("0", 64))
		return err
	}
	for name, ask := range map[string]func() error{"Token": read, "TokenBySecret": lookUp} {
		if err := ask(); gateway.KindOf(err) != gateway.KindNotFound {
			t.Errorf("%s: %v, want not found", name, err)
		}
		mini.FlushAll()
		if err := ask(); gateway.KindOf(err) != gateway.KindUnavailable {
			t.Errorf("%s in an emptied Redis: %v, want unavailable", name, err)
		}
		if err := s.CheckSchema(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
