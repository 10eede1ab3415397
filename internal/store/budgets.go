package store

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What resources are counted for.
const (
	PerToken     = "token"
	PerUser      = "user"
	PerGateway   = "gateway"
	PerWorkspace = "workspace"
)

// Account is what resources are counted for: one token, user, gateway or workspace.
type Account struct {
	Per string
	// Name is the id of a token or gateway, or the name of a user or workspace.
	Name string
}

// field begins the fields of the account in the sums of a period.
func (a Account) field() string { return a.Per + " " + a.Name }

// Accounts lists what the record's resources are counted for.
func (r *Record) Accounts() []Account {
	all := make([]Account, 0, 4)
	for _, a := range []Account{
		{PerToken, r.TokenID}, {PerUser, r.User}, {PerGateway, r.GatewayID}, {PerWorkspace, r.Workspace},
	} {
		if a.Name != "" {
			all = append(all, a)
		}
	}
	return all
}

// Amount is an amount of resources.
type Amount struct {
	// MilliCPUSeconds is in thousandths of a core times seconds, MBSeconds in MiB times seconds.
	MilliCPUSeconds, MBSeconds int64
}

// Add adds another amount.
func (a *Amount) Add(b Amount) {
	a.MilliCPUSeconds += b.MilliCPUSeconds
	a.MBSeconds += b.MBSeconds
}

// spentLife is how long the sums of a period are kept after they last changed: 400 days, in
// milliseconds.
const spentLife = "34560000000"

func (s *Store) spentKey(period string) string { return s.key("spent", period) }

func (s *Store) heldKey(a Account) string { return s.key("held", a.Per, a.Name) }

// accounting is what putRecord needs to count a record's resources, as JSON.
type accounting struct {
	// Base begins the keys of what lives, by account, and Held are those of this record.
	Base string   `json:"base"`
	Held []string `json:"held"`
	// Entry is the value in them while the record lives: gateway, kind, thousandths of a core,
	// MiB, and when it started in milliseconds, 0 for not yet.
	Entry string `json:"entry"`
	// Spent has what the record adds to the sums when it ends: key, field and amount of each.
	Spent [][3]string `json:"spent"`
	// Users is the key of the users of tokens, and User the user, "" for none.
	Users string `json:"users"`
	User  string `json:"user"`
}

// accounting encodes how a record counts.
func (s *Store) accounting(r *Record) (string, error) {
	a := accounting{Base: s.key("held") + ":", Held: []string{}, Spent: [][3]string{}, Users: s.key("token-users")}
	if r.TokenID != "" {
		a.User = r.User
	}
	accounts := r.Accounts()
	for _, account := range accounts {
		a.Held = append(a.Held, s.heldKey(account))
	}
	if r.Live() {
		a.Entry = r.held()
	} else {
		a.Spent = s.spent(r)
	}
	text, err := json.Marshal(a)
	if err != nil {
		return "", fmt.Errorf("encoding what record %s takes: %w", r.ID, err)
	}
	return string(text), nil
}

// spent is what a record that has ended adds to the sums: key, field and amount of each.
func (s *Store) spent(r *Record) [][3]string {
	all := [][3]string{}
	for period, n := range ByPeriod(r.UsageByDay(r.Ended)) {
		for _, account := range r.Accounts() {
			all = append(all,
				[3]string{s.spentKey(period), account.field() + " c", strconv.FormatInt(n.MilliCPUSeconds, 10)},
				[3]string{s.spentKey(period), account.field() + " m", strconv.FormatInt(n.MBSeconds, 10)})
		}
	}
	return all
}

// held is the value of a live record among those of its accounts.
func (r *Record) held() string {
	started := int64(0)
	if !r.Started.IsZero() {
		started = max(1, r.Started.UnixMilli())
	}
	return fmt.Sprintf("%s %s %d %d %d", r.GatewayID, r.Kind, r.MilliCPU, r.MemoryMB, started)
}

// ByPeriod adds up usage by its periods: each day, and each month such as 2026-11.
func ByPeriod(days []Usage) map[string]Amount {
	sums := make(map[string]Amount)
	for _, u := range days {
		for _, period := range []string{u.Day, u.Day[:len("2006-01")]} {
			sum := sums[period]
			sum.Add(Amount{u.MilliCPUSeconds, u.MBSeconds})
			sums[period] = sum
		}
	}
	return sums
}

// spend is the part of scripts that adds to the sums by account and period.
const spend = `
local function spend(spent)
  for _, s in ipairs(spent) do
    redis.call('HINCRBY', s[1], s[2], s[3])
    redis.call('PEXPIRE', s[1], ` + spentLife + `)
  end
end
`

// countRecord is the part of putRecord that keeps what lives by account, and the sums by
// account and period. The sums grow under the same condition as those by day and token.
const countRecord = spend + `
local function count(was, id, token, alive, ends, text)
  local a = cjson.decode(text)
  if was.tokenId then redis.call('HDEL', a.base .. 'token:' .. was.tokenId, id) end
  if was.user then redis.call('HDEL', a.base .. 'user:' .. was.user, id) end
  if alive and a.user ~= '' then redis.call('HSET', a.users, token, a.user) end
  for _, key in ipairs(a.held) do
    if alive then redis.call('HSET', key, id, a.entry) else redis.call('HDEL', key, id) end
  end
  if ends then spend(a.spent) end
end
`

// Spent returns the sums of what has ended in a period, by account.
func (s *Store) Spent(ctx context.Context, period string) (map[Account]Amount, error) {
	got, err := s.rdb.HGetAll(ctx, s.spentKey(period)).Result()
	if err != nil {
		return nil, wrap("reading what was used", err)
	}
	sums := make(map[Account]Amount)
	for field, text := range got {
		cut := strings.LastIndexByte(field, ' ')
		per, name, ok := strings.Cut(field[:max(0, cut)], " ")
		n, err := strconv.ParseInt(text, 10, 64)
		if !ok || err != nil {
			continue
		}
		a := Account{per, name}
		sum := sums[a]
		if field[cut+1:] == "c" {
			sum.MilliCPUSeconds = n
		} else {
			sum.MBSeconds = n
		}
		sums[a] = sum
	}
	return sums, nil
}

// KEYS: the sums of a period; ARGV: the field and the least value of each
var raiseSpent = newScript(`
for i = 1, #ARGV, 2 do
  if tonumber(redis.call('HGET', KEYS[1], ARGV[i]) or '0') < tonumber(ARGV[i+1]) then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i+1])
  end
end
redis.call('PEXPIRE', KEYS[1], ` + spentLife + `)
return 1
`)

// RaiseSpent makes the sums of a period at least as large as given ones. Sums only grow, so both
// those that are stored and those that were counted anew are lower bounds of what was used.
func (s *Store) RaiseSpent(ctx context.Context, period string, sums map[Account]Amount) error {
	var args []any
	for a, n := range sums {
		args = append(args, a.field()+" c", n.MilliCPUSeconds, a.field()+" m", n.MBSeconds)
	}
	for some := range slices.Chunk(args, 2*saveAtOnce) {
		if err := raiseSpent.Run(ctx, s, Fence{}, []string{s.spentKey(period)}, some...).Err(); err != nil {
			return wrap("counting what was used", err)
		}
	}
	return nil
}

// KEYS: live records, keys of accounts; ARGV: record id, entry
var holdLive = newScript(`
if redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 0 then return 0 end
for i = 2, #KEYS do redis.call('HSET', KEYS[i], ARGV[1], ARGV[2]) end
return 1
`)

// Hold counts a live record for its accounts, for one that an earlier version wrote, or whose
// entries were lost.
func (s *Store) Hold(ctx context.Context, r *Record) error {
	keys := []string{s.key("live", r.GatewayID)}
	for _, a := range r.Accounts() {
		keys = append(keys, s.heldKey(a))
	}
	return wrap("counting a live record", holdLive.Run(ctx, s, Fence{}, keys, r.ID, r.held()).Err())
}

// TokenUsers returns the user of each token that something was created with, also of tokens that
// are gone.
func (s *Store) TokenUsers(ctx context.Context) (map[string]string, error) {
	users, err := s.rdb.HGetAll(ctx, s.key("token-users")).Result()
	return users, wrap("reading users of tokens", err)
}

// ForgetTokenUsers removes tokens from TokenUsers.
func (s *Store) ForgetTokenUsers(ctx context.Context, tokenIDs []string) error {
	for some := range slices.Chunk(tokenIDs, saveAtOnce) {
		if err := s.rdb.HDel(ctx, s.key("token-users"), some...).Err(); err != nil {
			return wrap("removing users of tokens", err)
		}
	}
	return nil
}

// UsedAt is the part of a record's usage that counts for a budget: at least the reservation
// while it lives, from the begin of the period on. It is what checkLimits computes.
func (r *Record) UsedAt(now, from time.Time, reserve time.Duration) Amount {
	seconds := reserve.Seconds()
	if !r.Started.IsZero() {
		begin := r.Started
		if begin.Before(from) {
			begin = from
		}
		seconds = max(seconds, now.Sub(begin).Seconds())
	}
	return Amount{int64(math.Round(float64(r.MilliCPU) * seconds)), int64(math.Round(float64(r.MemoryMB) * seconds))}
}
