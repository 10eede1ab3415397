package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/livygateway/livygateway/internal/doctor"
)

// Thresholds of the checks.
const (
	leastMajor   = 6                     // the oldest major version that is tested
	slowReply    = 20 * time.Millisecond // a create waits for several replies
	clockOff     = 2 * time.Second       // leases and expiries compare Redis's clock with ours
	memoryNearly = 0.9                   // of maxmemory
	pings        = 5
)

// facts holds what a Redis reports about itself.
type facts struct {
	where      string
	info       map[string]string // of INFO, by field
	latency    time.Duration     // the shortest of several round trips
	clock      time.Duration     // Redis's clock minus ours
	confirmers int               // replicas that must confirm a change that takes access away
}

// Examine checks whether Redis is configured so that no data are lost.
func (s *Store) Examine(ctx context.Context, embedded bool) []doctor.Result {
	if embedded {
		return []doctor.Result{doctor.Warning("redis",
			"embedded Redis: all gateways, tokens and records are lost when Caddy stops",
			"start a redis-server with appendonly yes, and set its URL with the option redis")}
	}
	f, err := s.facts(ctx)
	if err != nil {
		fix := "start Redis, or fix the option redis; test it with redis-cli -u URL ping"
		if strings.Contains(err.Error(), "NOAUTH") || strings.Contains(err.Error(), "WRONGPASS") ||
			strings.Contains(err.Error(), "NOPERM") {
			fix = "fix the user and password in the option redis: redis://USER:PASSWORD@HOST"
		}
		return []doctor.Result{doctor.Failure("redis", fmt.Sprintf("%s cannot be used: %s", s.describe, err),
			fix)}
	}
	results := append(f.judge(), s.examineRollback(ctx)...)
	// Read only: Caddy sets the version in an empty Redis when it starts.
	text, err := s.rdb.Get(ctx, s.key("schema")).Result()
	if err != nil {
		return results
	}
	if err := s.checkSchema(text); err != nil {
		results = append(results,
			doctor.Failure("redis schema", err.Error(),
				"choose another prefix, or run the version of this program that wrote it"))
	}
	return results
}

// facts queries the primary, which serves all reads and writes.
func (s *Store) facts(ctx context.Context) (facts, error) {
	f := facts{where: s.describe, confirmers: s.confirm}
	node, err := s.primary(ctx, s.key("schema"))
	if err != nil {
		return f, err
	}
	text, err := node.Info(ctx, "server", "persistence", "memory", "replication").Result()
	if err != nil {
		// Older servers accept one section only.
		if text, err = node.Info(ctx).Result(); err != nil {
			return f, err
		}
	}
	f.info = parseInfo(text)
	f.latency = time.Hour
	for range pings {
		start := time.Now()
		now, err := node.Time(ctx).Result()
		if err != nil {
			return f, err
		}
		took := time.Since(start)
		if took < f.latency {
			// The fastest reply gives the best estimate: the clock was read halfway.
			f.latency, f.clock = took, now.Sub(start.Add(took/2))
		}
	}
	return f, nil
}

func parseInfo(text string) map[string]string {
	info := make(map[string]string)
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[name] = value
		}
	}
	return info
}

// judge returns the results for a Redis that answers.
func (f *facts) judge() []doctor.Result {
	return []doctor.Result{
		f.version(), f.persistence(), f.eviction(), f.memory(), f.replicas(), f.speed(),
		f.time(),
	}
}

func (f *facts) version() doctor.Result {
	version := f.info["redis_version"]
	major, _, _ := strings.Cut(version, ".")
	if n, err := strconv.Atoi(major); err == nil && n < leastMajor {
		return doctor.Warning("redis", fmt.Sprintf("%s answers, version %s", f.where, version),
			fmt.Sprintf("upgrade Redis to %d or later", leastMajor))
	}
	return doctor.Good("redis", "%s answers, version %s", f.where, version)
}

func (f *facts) persistence() doctor.Result {
	const check = "redis persistence"
	switch {
	case f.info["aof_enabled"] == "1" && f.info["aof_last_write_status"] == "err":
		return doctor.Failure(check, "writing the append-only file fails",
			"check Redis's log for the reason; usually the disk is full")
	case f.info["aof_enabled"] == "1":
		return doctor.Good(check, "append-only file")
	case f.info["rdb_last_bgsave_status"] == "err":
		return doctor.Failure(check, "the last snapshot failed and there is no append-only file",
			`check Redis's log for the reason; set "appendonly yes" in redis.conf`)
	}
	return doctor.Warning(check,
		"no append-only file: if Redis crashes, the latest tokens, records and revocations are lost",
		`set "appendonly yes" in redis.conf; now: redis-cli config set appendonly yes`)
}

func (f *facts) eviction() doctor.Result {
	const check = "redis eviction"
	policy := f.info["maxmemory_policy"]
	switch {
	case policy == "noeviction":
		return doctor.Good(check, "noeviction")
	case policy == "":
		return doctor.Warning(check, "the eviction policy is unknown",
			"make sure that it is noeviction: redis-cli config get maxmemory-policy")
	case f.info["maxmemory"] == "0":
		return doctor.Warning(check, policy+": harmless only while maxmemory is 0",
			`set "maxmemory-policy noeviction" in redis.conf; now: redis-cli config set maxmemory-policy noeviction`)
	}
	return doctor.Failure(check, policy+": when memory is short, Redis evicts gateways, tokens and records",
		`set "maxmemory-policy noeviction" in redis.conf; now: redis-cli config set maxmemory-policy noeviction`)
}

func (f *facts) memory() doctor.Result {
	const check = "redis memory"
	used, _ := strconv.ParseFloat(f.info["used_memory"], 64)
	most, _ := strconv.ParseFloat(f.info["maxmemory"], 64)
	switch {
	case most == 0:
		return doctor.Good(check, "%.0f MiB used, no limit", used/(1<<20))
	case used > memoryNearly*most:
		return doctor.Warning(check,
			fmt.Sprintf("%.0f of %.0f MiB used: when it is full, nothing can be created or revoked", used/(1<<20),
				most/(1<<20)),
			"raise maxmemory, or shorten the option retention")
	}
	return doctor.Good(check, "%.0f of %.0f MiB used", used/(1<<20), most/(1<<20))
}

func (f *facts) replicas() doctor.Result {
	const check = "redis replication"
	switch role := f.info["role"]; {
	case role == "slave":
		return doctor.Failure(check, "this is a read-only replica",
			"set the option redis to the primary, or to its Sentinels: redis+sentinel://HOST,HOST/MASTER")
	case f.confirmers > 0 && f.info["connected_slaves"] == "0":
		return doctor.Warning(check, "no replica is connected, so no failover is possible",
			"check the replicas with redis-cli info replication")
	case f.info["connected_slaves"] == "0" || f.info["connected_slaves"] == "":
		return doctor.Good(check, "primary without replicas")
	}
	return doctor.Good(check, "primary with %s replicas", f.info["connected_slaves"])
}

func (f *facts) speed() doctor.Result {
	if f.latency > slowReply {
		return doctor.Warning("redis latency",
			fmt.Sprintf("a round trip takes %s", f.latency.Round(time.Microsecond)),
			"move Redis closer to Caddy; find slow commands with redis-cli slowlog get")
	}
	return doctor.Good("redis latency", "%s", f.latency.Round(time.Microsecond))
}

func (f *facts) time() doctor.Result {
	off := f.clock.Abs().Round(time.Millisecond)
	if off > clockOff {
		return doctor.Failure("redis clock", fmt.Sprintf("Redis's clock and this machine's differ by %s", off),
			"synchronise both machines with NTP (timedatectl set-ntp true)")
	}
	return doctor.Good("redis clock", "differs from this machine's by %s", off)
}
