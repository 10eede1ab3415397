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

// spentLife is how long the sums of a period are kept after they last changed.
const spentLife = 400 * 24 * time.Hour

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
    redis.call('PEXPIRE', s[1], 34560000000)
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

// Limits are the bounds that a create must keep, over all instances.
type Limits struct {
	Budgets []BudgetCheck
	Counts  []CountCheck
	// Now is the caller's clock, by which it stamps records.
	Now time.Time
}

// BudgetCheck bounds what an account uses in a period.
type BudgetCheck struct {
	// Budget is the name of the budget.
	Budget string
	Account
	// Period is a day or a month, as in ByPeriod, and From when it began.
	Period string
	From   time.Time
	// Reserve is the time for which each session and batch counts at least while it lives.
	Reserve time.Duration
	// Soft and Hard are bounds; 0 for none.
	Soft, Hard Amount
}

// CountCheck bounds the live sessions or batches of an account.
type CountCheck struct {
	// Quota is the name of the quota.
	Quota string
	Account
	Kind  string
	Limit int
}

// Reached is a bound that a create would reach.
type Reached struct {
	BudgetCheck
	// Exceeded reports whether it is the hard bound, Memory whether it bounds memory.
	Exceeded, Memory bool
	// Used is what is used and reserved, with the create, in thousandths of a core or MiB
	// times seconds.
	Used int64
}

// BudgetError is returned for a create that would exceed a hard bound.
type BudgetError struct{ Reached }

// Error implements error.
func (e *BudgetError) Error() string { return "the budget " + e.Budget + " is used up" }

// CountError is returned for a create for which too much lives.
type CountError struct{ CountCheck }

// Error implements error.
func (e *CountError) Error() string { return "the quota " + e.Quota + " is reached" }

// checkLimits is the part of scripts that checks Limits. It returns nothing if they are kept,
// with the soft bounds that are reached, otherwise the bound that is exceeded. What lives by
// account may have entries of records that an earlier version ended; they are removed.
const checkLimits = `
local function limits(text)
  if text == '' then return nil, {} end
  local l, loaded = cjson.decode(text), {}
  local function living(key)
    if loaded[key] then return loaded[key] end
    local all, flat = {}, redis.call('HGETALL', key)
    for i = 1, #flat, 2 do
      local g, kind, cpu, mem, started = string.match(flat[i+1], '^(%S*) (%S*) (%d+) (%d+) (%d+)$')
      if g and redis.call('SISMEMBER', l.live .. g, flat[i]) == 1 then
        all[#all+1] = {kind, tonumber(cpu), tonumber(mem), tonumber(started)}
      else
        redis.call('HDEL', key, flat[i])
      end
    end
    loaded[key] = all
    return all
  end
  for i, c in ipairs(l.counts) do
    local n = 0
    for _, r in ipairs(living(c.held)) do if r[1] == c.kind then n = n + 1 end end
    if n >= c.limit then return {'count', tostring(i)}, {} end
  end
  local soft = {}
  for i, b in ipairs(l.budgets) do
    local used = {}
    for j, what in ipairs({'c', 'm'}) do
      used[j] = tonumber(redis.call('HGET', b.spent, b.field .. ' ' .. what) or '0') + l.takes[j] * b.reserve
    end
    for _, r in ipairs(living(b.held)) do
      local seconds = b.reserve
      if r[4] > 0 then seconds = math.max(seconds, (l.now - math.max(r[4], b.from)) / 1000) end
      used[1], used[2] = used[1] + r[2] * seconds, used[2] + r[3] * seconds
    end
    for j = 1, 2 do
      local at = tostring(i) .. ' ' .. tostring(j) .. ' ' .. string.format('%.0f', used[j])
      if b.hard[j] > 0 and used[j] > b.hard[j] then return {'budget', at}, {} end
      if b.soft[j] > 0 and used[j] >= b.soft[j] then soft[#soft+1] = at end
    end
  end
  return nil, soft
end
`

// limitsArg encodes limits for the script, with what the create takes.
func (s *Store) limitsArg(l *Limits, milliCPU, memoryMB int64) (string, error) {
	if l == nil || len(l.Budgets)+len(l.Counts) == 0 {
		return "", nil
	}
	type count struct {
		Held  string `json:"held"`
		Kind  string `json:"kind"`
		Limit int    `json:"limit"`
	}
	type budget struct {
		Held    string   `json:"held"`
		Spent   string   `json:"spent"`
		Field   string   `json:"field"`
		From    int64    `json:"from"`
		Reserve float64  `json:"reserve"`
		Soft    [2]int64 `json:"soft"`
		Hard    [2]int64 `json:"hard"`
	}
	args := struct {
		Live    string   `json:"live"`
		Now     int64    `json:"now"`
		Takes   [2]int64 `json:"takes"`
		Counts  []count  `json:"counts"`
		Budgets []budget `json:"budgets"`
	}{s.key("live", ""), l.Now.UnixMilli(), [2]int64{milliCPU, memoryMB}, []count{}, []budget{}}
	for _, c := range l.Counts {
		args.Counts = append(args.Counts, count{s.heldKey(c.Account), c.Kind, c.Limit})
	}
	pair := func(a Amount) [2]int64 { return [2]int64{a.MilliCPUSeconds, a.MBSeconds} }
	for _, b := range l.Budgets {
		args.Budgets = append(args.Budgets, budget{
			s.heldKey(b.Account), s.spentKey(b.Period), b.field(), b.From.UnixMilli(), b.Reserve.Seconds(),
			pair(b.Soft), pair(b.Hard),
		})
	}
	text, err := json.Marshal(args)
	if err != nil {
		return "", fmt.Errorf("encoding limits: %w", err)
	}
	return string(text), nil
}

// exceeded returns the error for what checkLimits replied.
func (l *Limits) exceeded(what, at string) error {
	if what == "count" {
		i, err := strconv.Atoi(at)
		if err != nil || i < 1 || i > len(l.Counts) {
			return fmt.Errorf("unexpected reply to a check of limits: %q", at)
		}
		return &CountError{l.Counts[i-1]}
	}
	reached, err := l.reached(at)
	if err != nil {
		return err
	}
	reached.Exceeded = true
	return &BudgetError{reached}
}

func (l *Limits) reached(at string) (r Reached, err error) {
	var i, j int
	if _, err = fmt.Sscanf(at, "%d %d %d", &i, &j, &r.Used); err != nil || i < 1 || i > len(l.Budgets) {
		return r, fmt.Errorf("unexpected reply to a check of budgets: %q", at)
	}
	r.BudgetCheck, r.Memory = l.Budgets[i-1], j == 2
	return r, nil
}

// softReached are the soft bounds that checkLimits replied, joined by semicolons.
func (l *Limits) softReached(text string) (all []Reached, err error) {
	for at := range strings.SplitSeq(text, ";") {
		if at == "" {
			continue
		}
		r, err := l.reached(at)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

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
redis.call('PEXPIRE', KEYS[1], 34560000000)
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
