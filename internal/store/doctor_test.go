package store

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/doctor"
)

// healthy is what a Redis that is set up well says of itself.
var healthy = map[string]string{
	"redis_version": "7.2.4", "aof_enabled": "1", "aof_last_write_status": "ok", "rdb_last_bgsave_status": "ok",
	"maxmemory": "0", "maxmemory_policy": "noeviction", "used_memory": "1048576", "role": "master", "connected_slaves": "0",
}

func TestJudge(t *testing.T) {
	tests := []struct {
		name   string
		info   map[string]string
		change func(*facts)
		check  string
		status doctor.Status
	}{
		{name: "all is well"},
		{"old", map[string]string{"redis_version": "5.0.14"}, nil, "redis", doctor.Warn},
		{"nothing on disk", map[string]string{"aof_enabled": "0"}, nil, "redis persistence", doctor.Warn},
		{"disk full", map[string]string{"aof_last_write_status": "err"}, nil, "redis persistence", doctor.Fail},
		{"snapshots fail", map[string]string{"aof_enabled": "0", "rdb_last_bgsave_status": "err"}, nil, "redis persistence", doctor.Fail},
		{"evicts", map[string]string{"maxmemory": "4194304", "maxmemory_policy": "allkeys-lru"}, nil, "redis eviction", doctor.Fail},
		{"would evict", map[string]string{"maxmemory_policy": "allkeys-lru"}, nil, "redis eviction", doctor.Warn},
		{"nearly full", map[string]string{"maxmemory": "1100000"}, nil, "redis memory", doctor.Warn},
		{"replica", map[string]string{"role": "slave"}, nil, "redis replication", doctor.Fail},
		{"nobody to take over", nil, func(f *facts) { f.confirmers = 1 }, "redis replication", doctor.Warn},
		{"slow", nil, func(f *facts) { f.latency = time.Second }, "redis latency", doctor.Warn},
		{"clock behind", nil, func(f *facts) { f.clock = -time.Minute }, "redis clock", doctor.Fail},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := facts{where: "redis.internal", info: maps.Clone(healthy), latency: time.Millisecond}
			maps.Copy(f.info, tt.info)
			if tt.change != nil {
				tt.change(&f)
			}
			for _, r := range f.judge() {
				want := doctor.OK
				if r.Check == tt.check {
					want = tt.status
				}
				if r.Status != want {
					t.Errorf("%+v, want %s", r, want)
				}
				if (r.Status == doctor.OK) != (r.Mend == "") {
					t.Errorf("%+v: how to mend it goes with what is wrong", r)
				}
			}
		})
	}
}

func TestExamineAway(t *testing.T) {
	s, err := Open(Options{URL: "redis://user:hidden-password@127.0.0.1:1/0"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	got := s.Examine(t.Context(), false)
	if len(got) != 1 || got[0].Status != doctor.Fail || strings.Contains(got[0].Summary+got[0].Mend, "hidden-password") {
		t.Errorf("%+v", got)
	}
	if got := s.Examine(t.Context(), true); len(got) != 1 || got[0].Status != doctor.Warn {
		t.Errorf("embedded: %+v", got)
	}
}
