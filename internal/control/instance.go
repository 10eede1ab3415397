package control

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/upstream"
)

// instanceName is a name for people.
func instanceName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s/%d", host, os.Getpid())
}

// instanceID is another one in each run.
func instanceID(rand io.Reader) string {
	id, err := gateway.NewID("instance-", rand)
	if err != nil { // never, with the system's source
		return fmt.Sprintf("instance-%s-%d", instanceName(), time.Now().UnixNano())
	}
	return id
}

// supervisable lists the gateways whose servers can be looked after from here.
func (m *Manager) supervisable(places foreign) []string {
	var ids []string
	for _, e := range m.view.all() {
		if places.mayTake(e.Gateway.Status.Place) {
			ids = append(ids, e.Gateway.ID)
		}
	}
	return ids
}

// placeOfServers is where servers run that are started from here, "" if that is
// all the same.
func (m *Manager) placeOfServers(ctx context.Context) (string, error) {
	p, ok := m.Runtime.(upstream.Placer)
	if !ok {
		return "", nil
	}
	if place := m.keeper.place.Load(); place != nil {
		return *place, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	place, err := p.Place(ctx)
	if err != nil {
		return "", err
	}
	m.keeper.place.Store(&place)
	m.keeper.kick()
	return place, nil
}

// learnPlace asks for our place until it is known.
func (m *Manager) learnPlace(ctx context.Context) {
	for pause := 250 * time.Millisecond; ctx.Err() == nil; pause = min(2*pause, 10*time.Second) {
		if _, err := m.placeOfServers(ctx); err == nil {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// Instances are all processes that share the Redis and were heard of lately,
// this one not included.
func (m *Manager) Instances() []store.Instance { return m.keeper.peers() }

// LeaseStats tell how this instance shares the work with others.
type LeaseStats struct {
	// Held is how many gateways this instance supervises now.
	Held int
	// Takeovers counts the gateways taken over from other instances or from
	// earlier processes, Losses those given up because the lease was not renewed
	// in time or is another one's.
	Takeovers, Losses int64
	// Others is how many other instances are there now.
	Others int
}

// LeaseStats returns the present figures.
func (m *Manager) LeaseStats() LeaseStats {
	return LeaseStats{
		Held: len(m.keeper.numbers()), Others: len(m.keeper.peers()),
		Takeovers: m.keeper.takeovers.Load(), Losses: m.keeper.losses.Load(),
	}
}
