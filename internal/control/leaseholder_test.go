package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/store"
)

// leaseServer is a model of Redis's part, on the fake clock.
type leaseServer struct {
	mu     sync.Mutex
	leases map[string]modelLease
	seen   map[string]store.Instance
	at     map[string]time.Time
}

type modelLease struct {
	holder string
	number int64
	till   time.Time
}

func newLeaseServer() *leaseServer {
	return &leaseServer{leases: map[string]modelLease{}, seen: map[string]store.Instance{}, at: map[string]time.Time{}}
}

// line is one instance's way to the server, to be cut.
type line struct {
	*leaseServer
	mu  sync.Mutex
	cut bool
}

func (l *line) set(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = cut
}

func (l *line) ClaimLeases(ctx context.Context, c store.Claim) (store.Grant, error) {
	l.mu.Lock()
	cut := l.cut
	l.mu.Unlock()
	if cut {
		<-ctx.Done()
		return store.Grant{}, ctx.Err()
	}
	s := l.leaseServer
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.seen[c.By.ID], s.at[c.By.ID] = c.By, now
	g := store.Grant{Leases: map[string]int64{}, Former: map[string]string{}}
	for id, number := range c.Leases {
		old := s.leases[id]
		free := !old.till.After(now)
		switch {
		case !free && old.holder == c.By.ID && old.number == number:
			old.till = now.Add(c.TTL)
		case free || old.holder == c.By.ID:
			g.Former[id] = old.holder
			old = modelLease{c.By.ID, old.number + 1, now.Add(c.TTL)}
		default:
			continue
		}
		s.leases[id] = old
		g.Leases[id] = old.number
	}
	for id, in := range s.seen {
		in.Silent = now.Sub(s.at[id])
		g.Instances = append(g.Instances, in)
	}
	return g, nil
}

func (l *line) ReleaseLeases(_ context.Context, by store.Instance, leases map[string]int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut {
		return errors.New("cut")
	}
	s := l.leaseServer
	s.mu.Lock()
	defer s.mu.Unlock()
	by.Left = true
	s.seen[by.ID], s.at[by.ID] = by, time.Now()
	for id, number := range leases {
		if old := s.leases[id]; old.number == number {
			s.leases[id] = modelLease{by.ID, number, time.Time{}}
		}
	}
	return nil
}

// member is one instance that keeps leases on three gateways.
type member struct {
	*leaseholder
	*line
	end  func()
	mu   sync.Mutex
	has  map[string]int64
	when map[string]time.Time
}

func join(t *testing.T, s *leaseServer, id, location string, locations map[string]string) *member {
	m := &member{line: &line{leaseServer: s}, has: map[string]int64{}, when: map[string]time.Time{}}
	m.leaseholder = newLeaseholder(m.line, store.Instance{ID: id, Name: id}, zap.NewNop())
	m.leaseholder.location.Store(&location)
	m.candidates = func(f peerLocations) []string {
		var ids []string
		for _, g := range []string{"g1", "g2", "g3"} {
			if f.mayTake(locations[g]) {
				ids = append(ids, g)
			}
		}
		return ids
	}
	m.gained = func(id string, number int64) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.has[id], m.when[id] = number, time.Now()
	}
	m.lost = func(id string) {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.has, id)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); m.run(ctx) }()
	m.end = func() { cancel(); <-done }
	return m
}

func (m *member) holds() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var ids []string
	for id := range m.has {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func wantHeld(t *testing.T, when string, m *member, want ...string) {
	t.Helper()
	if got := m.holds(); !slices.Equal(got, want) {
		t.Errorf("%s: %s holds %v, want %v", when, m.self.Name, got, want)
	}
}

func TestALeaseMovesWhenItsHolderIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLeaseServer()
		a := join(t, s, "a", "", nil)
		time.Sleep(10 * time.Millisecond)
		b := join(t, s, "b", "", nil)
		time.Sleep(time.Hour)
		wantHeld(t, "after an hour", a, "g1", "g2", "g3")
		wantHeld(t, "after an hour", b)
		if a.leaseholder.losses.Load() != 0 || len(a.peers()) != 1 {
			t.Errorf("lost %d leases; others %v", a.leaseholder.losses.Load(), a.peers())
		}
		a.end() // kill -9
		killed := time.Now()
		time.Sleep(10 * time.Second)
		wantHeld(t, "after the kill", b, "g1", "g2", "g3")
		if took := b.when["g1"].Sub(killed); took > leaseTTL+leaseInterval {
			t.Errorf("it took %v", took)
		}
		if b.leaseholder.takeovers.Load() != 3 {
			t.Errorf("%d takeovers", b.leaseholder.takeovers.Load())
		}
		b.end()
	})
}

func TestALeaseGivenBackMovesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLeaseServer()
		a := join(t, s, "a", "", nil)
		time.Sleep(10 * time.Millisecond)
		b := join(t, s, "b", "", nil)
		time.Sleep(time.Minute)
		a.end()
		a.leaseholder.close(t.Context())
		b.kick() // as the notice does
		synctest.Wait()
		wantHeld(t, "when it was given back", b, "g1", "g2", "g3")
		time.Sleep(2 * time.Second)
		if len(b.peers()) != 0 {
			t.Errorf("others: %v", b.peers())
		}
		b.end()
	})
}

// TestTwoNeverHoldALease: an instance that cannot reach Redis gives its leases up
// before anybody else can have them, whenever the line is cut and mended.
func TestTwoNeverHoldALease(t *testing.T) {
	for _, cutFor := range []time.Duration{500 * time.Millisecond, 3 * time.Second, 5 * time.Second, 6 * time.Second, 20 * time.Second} {
		t.Run(cutFor.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newLeaseServer()
				members := []*member{join(t, s, "a", "", nil), join(t, s, "b", "", nil), join(t, s, "c", "", nil)}
				free := map[string]time.Duration{}
				const step = 50 * time.Millisecond
				for tick := range 6000 {
					time.Sleep(step)
					if tick%200 == 50 {
						members[tick/200%3].line.set(true)
					}
					if tick%200 == 50+int(cutFor/step)%200 || tick%200 == 49 {
						for _, m := range members {
							m.line.set(false)
						}
					}
					synctest.Wait()
					for _, id := range []string{"g1", "g2", "g3"} {
						var who []string
						for _, m := range members {
							if slices.Contains(m.holds(), id) {
								who = append(who, m.self.Name)
							}
						}
						if len(who) > 1 {
							t.Fatalf("at %v %v hold %s", time.Duration(tick)*step, who, id)
						}
						if len(who) == 0 && tick > 100 {
							free[id] += step
						} else {
							free[id] = 0
						}
						if free[id] > 10*time.Second {
							t.Fatalf("nobody has held %s for %v", id, free[id])
						}
					}
				}
				for _, m := range members {
					m.end()
				}
			})
		})
	}
}

func TestServersElsewhereAreLeftToThoseThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLeaseServer()
		locations := map[string]string{"g1": "east", "g2": "west"}
		east := join(t, s, "e", "east", locations)
		west := join(t, s, "w", "west", locations)
		west2 := join(t, s, "w2", "west", locations)
		time.Sleep(2 * time.Minute)
		if got := fmt.Sprint(len(east.holds()), len(west.holds())+len(west2.holds())); got != "2 1" && got != "1 2" {
			t.Errorf("east and west hold %s: %v %v %v", got, east.holds(), west.holds(), west2.holds())
		}
		if !slices.Contains(east.holds(), "g1") || slices.Contains(east.holds(), "g2") {
			t.Errorf("east holds %v", east.holds())
		}
		west.end()
		time.Sleep(10 * time.Second)
		if slices.Contains(east.holds(), "g2") || !slices.Contains(west2.holds(), "g2") {
			t.Errorf("with one of the west gone: %v, %v", east.holds(), west2.holds())
		}
		west2.end()
		time.Sleep(locationGrace - 2*time.Second)
		if slices.Contains(east.holds(), "g2") {
			t.Error("east took it before the west was given up")
		}
		time.Sleep(10 * time.Second)
		if !slices.Contains(east.holds(), "g2") {
			t.Error("nobody took it after the west was gone")
		}
		east.end()
		// Who has just come does not know who is gone.
		late := join(t, s, "l", "north", locations)
		time.Sleep(locationGrace / 2)
		if slices.Contains(late.holds(), "g1") || slices.Contains(late.holds(), "g2") {
			t.Errorf("a newcomer took %v", late.holds())
		}
		late.end()
	})
}

// TestARenewedLeaseIsKept: the timer of a lease may fire while its renewal is under way.
func TestARenewedLeaseIsKept(t *testing.T) {
	lost := 0
	k := newLeaseholder(nil, store.Instance{ID: "a"}, zap.NewNop())
	k.lost = func(string) { lost++ }
	k.held["lc-1"] = &lease{number: 1, until: time.Now().Add(time.Minute), expiry: time.NewTimer(time.Hour)}
	if k.expire("lc-1", 1); lost != 0 {
		t.Error("a lease was given up that holds for another minute")
	}
	k.held["lc-1"].until = time.Now()
	if k.expire("lc-1", 1); lost != 1 {
		t.Error("a lease that is over was kept")
	}
}
