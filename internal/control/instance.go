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

// instanceName returns a human-readable name.
func instanceName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s/%d", host, os.Getpid())
}

// instanceID returns an id that is unique to this run.
func instanceID(rand io.Reader) string {
	id, err := gateway.NewID("instance-", rand)
	if err != nil { // does not happen with the system's random source
		return fmt.Sprintf("instance-%s-%d", instanceName(), time.Now().UnixNano())
	}
	return id
}

// supervisable lists the gateways whose servers this instance may supervise.
func (m *Manager) supervisable(peers peerLocations) []string {
	var ids []string
	for _, e := range m.snapshots.entries() {
		if peers.mayTake(e.Gateway.Status.Location) {
			ids = append(ids, e.Gateway.ID)
		}
	}
	return ids
}

// serverLocation returns where servers run that this instance starts, or "" if they can be
// reached from anywhere.
func (m *Manager) serverLocation(ctx context.Context) (string, error) {
	p, ok := m.Runtime.(upstream.Locator)
	if !ok {
		return "", nil
	}
	if place := m.leaseholder.location.Load(); place != nil {
		return *place, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	place, err := p.Location(ctx)
	if err != nil {
		return "", err
	}
	m.leaseholder.location.Store(&place)
	m.leaseholder.kick()
	return place, nil
}

// resolveLocation asks the runtime for this instance's location until it answers.
func (m *Manager) resolveLocation(ctx context.Context) {
	for pause := 250 * time.Millisecond; ctx.Err() == nil; pause = min(2*pause, 10*time.Second) {
		if _, err := m.serverLocation(ctx); err == nil {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// Instances returns the other running processes that share this Redis.
func (m *Manager) Instances() []store.Instance { return m.leaseholder.peers() }

// Holds reports whether this instance supervises a gateway.
func (m *Manager) Holds(id string) bool {
	m.leaseholder.mu.Lock()
	defer m.leaseholder.mu.Unlock()
	return m.leaseholder.held[id] != nil
}

// LeaseStats describes how this instance shares the work with others.
type LeaseStats struct {
	// Held is the number of gateways that this instance supervises now.
	Held int
	// Takeovers counts the gateways taken over from other instances or earlier
	// processes, Losses those given up because the lease was not renewed in time or
	// went to another instance.
	Takeovers, Losses int64
	// Others is the number of other instances running now.
	Others int
}

// LeaseStats returns the current figures.
func (m *Manager) LeaseStats() LeaseStats {
	return LeaseStats{
		Held: len(m.leaseholder.heldNumbers()), Others: len(m.leaseholder.peers()),
		Takeovers: m.leaseholder.takeovers.Load(), Losses: m.leaseholder.losses.Load(),
	}
}
