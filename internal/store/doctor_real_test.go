package store_test

import (
	"testing"

	"github.com/livygateway/livygateway/internal/doctor"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// A real Redis that is set up badly, and then well.
func TestExamine(t *testing.T) {
	server := storetest.StartServer(t, "--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru")
	s, err := store.Open(store.Options{Addrs: []string{server.Addr()}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	found := func() map[string]doctor.Status {
		all := make(map[string]doctor.Status)
		for _, r := range s.Examine(t.Context(), false) {
			all[r.Check] = r.Status
		}
		return all
	}
	got := found()
	if got["redis"] != doctor.OK || got["redis eviction"] != doctor.Fail || got["redis persistence"] != doctor.OK || got["redis clock"] != doctor.OK {
		t.Errorf("with allkeys-lru: %v", got)
	}
	for _, command := range [][]any{
		{"CONFIG", "SET", "maxmemory-policy", "noeviction"},
		{"CONFIG", "SET", "appendonly", "no"},
		{"SET", store.DefaultPrefix + "schema", "99"},
	} {
		if _, err := server.Do(command...); err != nil {
			t.Fatal(err)
		}
	}
	got = found()
	if got["redis eviction"] != doctor.OK || got["redis persistence"] != doctor.Warn || got["redis schema"] != doctor.Fail {
		t.Errorf("without append-only file, and with data of a newer version: %v", got)
	}
}
