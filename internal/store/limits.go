package store

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

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
