package tokens

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/store"
)

// maxAgentLength bounds the recorded part of a client's User-Agent.
const maxAgentLength = 200

// usage is the usage of one token that is not in Redis yet. Requests add to it in memory, and
// flush writes it.
type usage struct {
	uses       atomic.Int64
	at         atomic.Int64 // ms
	replacedAt atomic.Int64 // ms; last use of the secret before the last reset

	mu             sync.Mutex
	notedAt        int64 // ms
	address, agent string
}

// note adds one use. Address and agent are recorded once a second at most.
func (u *usage) note(now time.Time, a Attempt, replaced bool) {
	ms := now.UnixMilli()
	u.uses.Add(1)
	u.at.Store(ms)
	if replaced {
		u.replacedAt.Store(ms)
	}
	if !u.mu.TryLock() {
		return // another request of this token records its own
	}
	defer u.mu.Unlock()
	if ms-u.notedAt < 1000 {
		return
	}
	u.notedAt = ms
	agent := Mask(a.UserAgent)
	if len(agent) > maxAgentLength {
		agent = agent[:maxAgentLength]
	}
	if host := hostOf(a.RemoteAddr); host != u.address {
		u.address = strings.Clone(host)
	}
	if agent != u.agent {
		u.agent = strings.ToValidUTF8(strings.Clone(agent), "?")
	}
}

// hostOf returns the host of "host:port".
func hostOf(remote string) string {
	host := remote
	if i := strings.LastIndexByte(remote,
		':'); i >= 0 && (strings.IndexByte(remote, ':') == i || remote[0] == '[') {
		host = remote[:i]
	}
	return strings.Trim(host, "[]")
}

// take returns the usage since the last take; ok is false if there was none.
func (u *usage) take(id string) (t store.TokenTouch, ok bool) {
	uses := u.uses.Swap(0)
	if uses == 0 {
		return t, false
	}
	t = store.TokenTouch{ID: id, Uses: uses, At: time.UnixMilli(u.at.Load())}
	if ms := u.replacedAt.Load(); ms != 0 {
		t.PreviousAt = time.UnixMilli(ms)
	}
	u.mu.Lock()
	t.Address, t.Agent = u.address, u.agent
	u.mu.Unlock()
	return t, true
}

// flush writes token usage to Redis, a few hundred tokens at a time. Usage that cannot be
// written is kept for the next time.
func (s *Service) flush(ctx context.Context) {
	const batch = 200
	touches, back := s.cache.takeUsage()
	for start := 0; start < len(touches); start += batch {
		end := min(start+batch, len(touches))
		if err := s.rows.TouchTokens(ctx, touches[start:end]); err != nil {
			s.log.Debug("cannot record the use of tokens at present", zap.Error(err))
			for i := start; i < len(touches); i++ {
				back[i].uses.Add(touches[i].Uses)
			}
			return
		}
	}
}

// takeUsage collects the usage of all tokens, and drops tokens that are neither cached nor
// used.
func (c *cache) takeUsage() (touches []store.TokenTouch, from []*usage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, l := range c.lives {
		if t, ok := l.usage.take(id); ok {
			touches = append(touches, t)
			from = append(from, &l.usage)
		} else if len(l.sums) == 0 {
			delete(c.lives, id)
		}
	}
	return touches, from
}
