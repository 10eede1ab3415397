package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

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
	user       string
	info       map[string]string // of INFO, by field; nil if the user may not run it
	latency    time.Duration     // the shortest of some replies
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
		return []doctor.Result{s.examineFailure(ctx, err)}
	}
	results := append(f.judge(), s.examineAccess(ctx)...)
	results = append(results, s.examineRollback(ctx)...)
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

// examineFailure tells why Redis cannot be used.
func (s *Store) examineFailure(ctx context.Context, err error) doctor.Result {
	if far, ok := s.examineDistance(ctx); ok {
		return far
	}
	text := err.Error()
	fix := "start Redis, or correct the option redis; redis-cli -u URL ping tells more"
	has := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(text, part) })
	}
	switch {
	case has("NOAUTH", "WRONGPASS"):
		fix = "correct user and password in the option redis: redis://USER:PASSWORD@HOST"
	case isDenied(err):
		_, mend := s.lacking([]lack{s.lackOf(deniedCommand(text), text)})
		fix = "give the user what docs/redis.md lists; what is missing here: " + mend
	case has("x509: certificate signed by unknown authority"):
		fix = "name the authority's certificate in the block of redis: ca FILE"
	case has("x509: "):
		fix = "name the host that the certificate is for in the block of redis: server_name NAME"
	case has("certificate required", "bad certificate"):
		fix = "Redis asks for a certificate: name one and its key in the block of redis: cert FILE KEY"
	case has("TLS handshake", "first record does not look like"):
		fix = "the port may speak no TLS: write redis:// instead of rediss://, or the port that does"
	}
	return doctor.Failure("redis", fmt.Sprintf("%s cannot be used: %s", s.Describe(), text), fix)
}

// deniedCommand is the command that a refusal names, or "" if it names none.
func deniedCommand(reply string) string {
	_, rest, _ := strings.Cut(reply, "to run the '")
	command, _, _ := strings.Cut(rest, "'")
	return command
}

// farPatience is how long a Redis is waited for that does not answer in time.
const farPatience = 5 * time.Second

// examineDistance finds out whether a Redis answers that is too far away for the
// timeouts in use.
func (s *Store) examineDistance(ctx context.Context) (doctor.Result, bool) {
	ctx, cancel := context.WithTimeout(ctx, 2*farPatience)
	defer cancel()
	o := s.options
	o.Timeout, o.ConnectTimeout = farPatience, farPatience
	patient := o.universal()
	patient.MinIdleConns = 0
	rdb := redis.NewUniversalClient(patient)
	defer rdb.Close()
	start := time.Now()
	if rdb.Ping(ctx).Err() != nil {
		return doctor.Result{}, false
	}
	connected := time.Now()
	if rdb.Ping(ctx).Err() != nil {
		return doctor.Result{}, false
	}
	trip := time.Since(connected)
	connect := connected.Sub(start) - trip
	if trip < s.options.Timeout && connect < s.options.ConnectTimeout {
		return doctor.Result{}, false
	}
	const fine = 10 * time.Millisecond
	timeout := max(2*trip, DefaultTimeout, connect/2).Round(fine)
	return doctor.Failure("redis", fmt.Sprintf("%s is far away: an answer takes %s and a connection %s, the limits are %s and %s",
		s.Describe(), trip.Round(time.Millisecond), connect.Round(time.Millisecond), s.options.Timeout, s.options.ConnectTimeout),
		fmt.Sprintf("move Redis closer to Caddy, or write timeout %s in the block of redis", timeout)), true
}

// facts asks the primary, which is the one that is read and written.
func (s *Store) facts(ctx context.Context) (facts, error) {
	f := facts{where: s.Describe(), user: s.options.Username, confirmers: s.confirm}
	node, err := s.primary(ctx, s.key("schema"))
	if err != nil {
		return f, err
	}
	text, err := node.Info(ctx, "server", "persistence", "memory", "replication").Result()
	if err != nil && !isDenied(err) {
		// Older servers accept one section only.
		if text, err = node.Info(ctx).Result(); err != nil {
			return f, err
		}
	}
	if err == nil {
		f.info = parseInfo(text)
	}
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
	if f.info == nil {
		return []doctor.Result{f.unseen(), f.speed(), f.time()}
	}
	return []doctor.Result{f.version(), f.persistence(), f.eviction(), f.memory(), f.replicas(), f.speed(), f.time()}
}

// unseen tells that Redis answers and may not be asked how it is set up.
func (f *facts) unseen() doctor.Result {
	user := f.user
	if user == "" {
		user = "default"
	}
	return doctor.Warning("redis", fmt.Sprintf("%s answers; its user %q may not run INFO, so that version, persistence, eviction, memory and replicas are not looked at",
		f.where, user), "redis-cli ACL SETUSER "+user+" +info")
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
