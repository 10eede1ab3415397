package store_test

import (
	"context"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/doctor"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// openAs opens a store as a user of a Redis.
func openAs(t *testing.T, redis *storetest.Server, user string) *store.Store {
	t.Helper()
	s, err := store.Open(store.Options{Addrs: []string{redis.Addr()}, Username: user, Password: "pw", Timeout: storetest.Patience}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func setUser(redis *storetest.Server, user, rules string) {
	args := []any{"ACL", "SETUSER", user, "reset", "on", ">pw"}
	for rule := range strings.FieldsSeq(rules) {
		args = append(args, rule)
	}
	redis.MustDo(args...)
}

func checks(s *store.Store, t *testing.T) map[string]doctor.Result {
	all := make(map[string]doctor.Result)
	for _, r := range s.Examine(t.Context(), false) {
		all[r.Check] = r
	}
	return all
}

// TestRedisUsers has users with less than all rights: what they lack is named at the
// start and by the doctor, with the command that grants it, and nothing is written.
func TestRedisUsers(t *testing.T) {
	t.Parallel()
	redis := storetest.StartServer(t)
	const all, readWrite = "~livygw:* &livygw:* +@all", "+@read +@write +@scripting +@pubsub +ping +time +hello +auth +select +wait"
	for name, tt := range map[string]struct {
		rules string
		want  string // of the error at the start; empty: none
		info  bool   // the doctor may look at Redis
	}{
		"everything":        {rules: all, info: true},
		"no administration": {rules: all + " -@dangerous -@admin"},
		"no name":           {rules: "~livygw:* &livygw:* " + readWrite},
		"no HELLO":          {rules: all + " -hello", info: true},
		"no channel": {
			rules: "~livygw:* +@all", info: true,
			want: `may not subscribe to the channel livygw:changes, publish to the channel livygw:changes; run: redis-cli ACL SETUSER <user> '&livygw:*'`,
		},
		"no publishing":   {rules: all + " -publish", want: `may not run PUBLISH; run: redis-cli ACL SETUSER <user> '+publish'`, info: true},
		"no subscribing":  {rules: all + " -subscribe", want: `may not run SUBSCRIBE; run: redis-cli ACL SETUSER <user> '+subscribe'`, info: true},
		"no stream":       {rules: all + " -@stream", want: "'+xadd' '+xdel' '+xlen' '+xrange' '+xrevrange' '+xtrim'", info: true},
		"no scripts":      {rules: all + " -@scripting", want: "may not run EVAL, run EVALSHA, run SCRIPT LOAD; run: redis-cli ACL SETUSER <user> '+eval' '+evalsha' '+script|load'", info: true},
		"no scan":         {rules: all + " -scan", want: "may not run SCAN;", info: true},
		"other keys":      {rules: "~other:* &livygw:* +@all", want: `may not read and write all keys that begin with livygw:; run: redis-cli ACL SETUSER <user> '~livygw:*'`, info: true},
		"some keys":       {rules: "~livygw:access ~livygw:g* ~livygw:token* &livygw:* +@all", want: "may not read and write all keys", info: true},
		"keys to be read": {rules: "%R~livygw:* &livygw:* +@all", want: "may not read and write all keys", info: true},
	} {
		t.Run(name, func(t *testing.T) {
			user := strings.ReplaceAll(name, " ", "-")
			setUser(redis, user, tt.rules)
			s := openAs(t, redis, user)
			err := s.Migrate(t.Context())
			found := checks(s, t)
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				for _, r := range found {
					if r.Status == doctor.Fail {
						t.Errorf("the doctor: %+v", r)
					}
				}
				if mend := found["redis"].Mend; (mend == "") != tt.info || !tt.info && mend != "redis-cli ACL SETUSER "+user+" +info" {
					t.Errorf("the doctor on Redis: %+v", found["redis"])
				}
				useEverything(t, s)
				return
			}
			want := strings.ReplaceAll(tt.want, "<user>", user)
			if gateway.KindOf(err) != gateway.KindUnavailable || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `the Redis user "`+user+`"`) {
				t.Errorf("at the start: %v\nwant %s", err, want)
			}
			if r := found["redis access"]; r.Status != doctor.Fail || !strings.Contains(err.Error(), r.Summary) {
				t.Errorf("the doctor: %+v", r)
			}
		})
	}
}

var everything atomic.Int64 // numbers the tokens of useEverything

// useEverything does a little of all that changes something.
func useEverything(t *testing.T, s *store.Store) {
	t.Helper()
	ctx := t.Context()
	g := &gateway.Gateway{ID: "lc-everything", Workspace: "default", Spec: gateway.Spec{Name: "everything"}}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	must(s.SaveGateway(ctx, g, store.Write{}))
	row := testRow(100 + int(everything.Add(1)))
	row.GatewayID = g.ID
	must(s.CreateToken(ctx, row, store.Write{}))
	must(s.TouchTokens(ctx, []store.TokenTouch{{ID: row.ID, Uses: 1, At: time.Now()}}))
	must(s.SaveStatement(ctx, g.ID, &store.Statement{Submitted: time.Now()}))
	_, err := s.Statement(ctx, g.ID, 0, 0)
	must(err)
	_, err = s.DropStatements(ctx, store.Fence{}, g.ID, time.Now().Add(time.Hour), 10)
	must(err)
	_, err = s.ClaimLeases(ctx, store.Claim{By: store.Instance{ID: "a"}, Leases: map[string]int64{g.ID: 0}, TTL: time.Minute, Forget: time.Minute})
	must(err)
	must(s.ReleaseLeases(ctx, store.Instance{ID: "a"}, nil))
	_, err = s.AdoptOldKeys(ctx, []string{g.ID})
	must(err)
	_, err = s.DropOrphanedStatements(ctx)
	must(err)
	must(s.TrimAudit(ctx, time.Now(), time.Hour))
	must(s.RevokeToken(ctx, g.ID, row.ID, time.Now(), store.Write{}))
	must(s.DeleteRecords(ctx, g.ID))
	must(s.DeleteGateway(ctx, store.Fence{}, g))
}

// TestNothingIsHalfWritten takes the channel away from a user who is at work: what
// cannot be published is not written either.
func TestNothingIsHalfWritten(t *testing.T) {
	t.Parallel()
	redis := storetest.StartServer(t)
	setUser(redis, "livy", "~* &* +@all")
	s := openAs(t, redis, "livy")
	ctx := t.Context()
	if err := s.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	g := &gateway.Gateway{ID: "lc-1", Workspace: "default", Spec: gateway.Spec{Name: "etl"}}
	row := testRow(1)
	row.GatewayID = g.ID
	if err := s.SaveGateway(ctx, g, store.Write{}); err != nil {
		t.Fatal(err)
	}
	if err := s.CreateToken(ctx, row, store.Write{}); err != nil {
		t.Fatal(err)
	}
	grant, err := s.ClaimLeases(ctx, store.Claim{By: store.Instance{ID: "a"}, Leases: map[string]int64{g.ID: 0}, TTL: time.Minute, Forget: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	redis.MustDo("ACL", "SETUSER", "livy", "resetchannels")
	before := dump(redis)
	changed, other := *row, testRow(2)
	changed.Disabled, other.GatewayID = true, g.ID
	for name, err := range map[string]error{
		"save":    s.SaveGateway(ctx, g, store.Write{}),
		"create":  s.SaveGateway(ctx, &gateway.Gateway{ID: "lc-2", Workspace: "default", Spec: gateway.Spec{Name: "x"}}, store.Write{}),
		"delete":  s.DeleteGateway(ctx, store.Fence{}, g),
		"token":   s.CreateToken(ctx, other, store.Write{}),
		"disable": s.UpdateToken(ctx, &changed, store.Write{}),
		"revoke":  s.RevokeToken(ctx, g.ID, row.ID, time.Now(), store.Write{}),
		"release": s.ReleaseLeases(ctx, store.Instance{ID: "a"}, grant.Leases),
	} {
		if gateway.KindOf(err) != gateway.KindUnavailable {
			t.Errorf("%s: %v has kind %v, want unavailable", name, err, gateway.KindOf(err))
		}
	}
	if after := dump(redis); after != before {
		t.Errorf("something was written:\n%s\nbefore:\n%s", after, before)
	}
}

// dump is all that a Redis holds.
func dump(redis *storetest.Server) string {
	v := redis.MustDo("EVAL", `
local all = redis.call('KEYS', '*')
table.sort(all)
for i, key in ipairs(all) do all[i] = key .. '=' .. redis.sha1hex(redis.call('DUMP', key)) end
return table.concat(all, '\n')`, 0)
	text, _ := v.(string)
	return text
}

// documentedUser are the rules that docs/redis.md gives to a user.
func documentedUser(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/redis.md")
	if err != nil {
		t.Fatal(err)
	}
	_, line, found := strings.Cut(string(page), "ACL SETUSER livy on '>PASSWORD' ")
	if !found {
		t.Fatal("no such line in docs/redis.md")
	}
	line, _, _ = strings.Cut(line, "\n")
	return strings.ReplaceAll(line, "'", "")
}

// TestTheUserOfTheDocumentationInACluster is the same with the prefix of a cluster.
func TestTheUserOfTheDocumentationInACluster(t *testing.T) {
	t.Parallel()
	redis := storetest.StartServer(t, "--cluster-enabled", "yes")
	redis.MustDo("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
	redis.AwaitReply("CLUSTER INFO", "cluster_state:ok")
	setUser(redis, "livy", strings.ReplaceAll(documentedUser(t), "livygw:", "{livygw}:"))
	s := storetest.Open(t, store.Options{URL: "redis+cluster://livy:pw@" + redis.Addr(), Timeout: storetest.Patience})
	useEverything(t, s)
	for _, r := range s.Examine(t.Context(), false) {
		if r.Status == doctor.Fail {
			t.Errorf("the doctor: %+v", r)
		}
	}
}

// TestTheUserOfTheDocumentation has all that is needed with the line that stands there,
// and no more than it says.
func TestTheUserOfTheDocumentation(t *testing.T) {
	t.Parallel()
	line := documentedUser(t)
	redis := storetest.StartServer(t)
	setUser(redis, "livy", line)
	s := openAs(t, redis, "livy")
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	useEverything(t, s)
	for _, r := range s.Examine(t.Context(), false) {
		if r.Status != doctor.OK {
			t.Errorf("the doctor: %+v", r)
		}
	}
	for _, command := range []string{"FLUSHALL", "KEYS", "CONFIG|GET", "CLIENT|KILL", "ACL|WHOAMI", "SHUTDOWN"} {
		name, sub, _ := strings.Cut(command, "|")
		args := []any{"ACL", "DRYRUN", "livy", name}
		if sub != "" {
			args = append(args, sub, "x")
		} else if name == "KEYS" {
			args = append(args, "*")
		}
		v, err := redis.Do(args...)
		if text, _ := v.(string); err == nil && text == "OK" {
			t.Errorf("the user may run %s", command)
		}
	}
}

// TestConfirmationWithoutInfo revokes a token with Sentinels' rules, where no replica is
// connected, as users who may run INFO, only ROLE, or neither.
func TestConfirmationWithoutInfo(t *testing.T) {
	t.Parallel()
	redis := storetest.StartServer(t)
	for rules, fails := range map[string]bool{"+info": false, "-info +role": false, "-info -role": true} {
		setUser(redis, "livy", "~* &* +@all "+rules)
		s := storetest.Open(t, store.Options{Addrs: []string{redis.Addr()}, Username: "livy", Password: "pw", Confirm: 1, Timeout: storetest.Patience})
		row := testRow(len(rules))
		err := s.CreateToken(context.Background(), row, store.Write{})
		if (err != nil) != fails || fails && !strings.Contains(err.Error(), "role") {
			t.Errorf("%s: %v", rules, err)
		}
	}
}
