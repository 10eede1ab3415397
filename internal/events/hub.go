package events

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
)

// Limits of a Hub.
const (
	// Kept is how many events are kept. A client that is further behind, since it is slow or
	// was disconnected, gets a reset instead.
	Kept = 1000
	// MaxStreams is how many streams can be open.
	MaxStreams = 256
	// recordsInterval is the least time between two events about the records of one
	// gateway.
	recordsInterval = time.Second
)

// ErrClosed means that the hub was closed, and with it the stream.
var ErrClosed = errors.New("there are no more events")

// Hub keeps events. All streams read the same ones, so a slow reader costs nothing. It is
// safe for concurrent use.
type Hub struct {
	instance string

	mu      sync.Mutex
	ring    [Kept]Event
	first   uint64 // number of the oldest event that is kept; the first one ever is 1
	next    uint64 // number of the next event
	changed chan struct{}
	closed  bool
	streams int
	bursts  map[string]*burst // of records, by gateway
}

// burst is a gateway whose records changed less than recordsInterval ago.
type burst struct {
	timer *time.Timer
	again *Change // what changed since
}

// New returns a hub. The instance's name in the ids of events is read from rand.
func New(rand io.Reader) *Hub {
	name := make([]byte, 6)
	if _, err := io.ReadFull(rand, name); err != nil {
		panic(err) // as crypto/rand itself does
	}
	return &Hub{instance: hex.EncodeToString(name), first: 1, next: 1, changed: make(chan struct{}), bursts: make(map[string]*burst)}
}

// Gateway reports that a gateway was created, changed or deleted.
func (h *Hub) Gateway(g *gateway.Gateway, deleted bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.addLocked(NameGateway, g.Workspace, GatewayChange{
		Workspace: g.Workspace, Gateway: g.ID, Name: g.Spec.Name, State: g.Status.State, Revision: g.Revision, Deleted: deleted,
	})
}

// Tokens reports that tokens of a gateway changed.
func (h *Hub) Tokens(g *gateway.Gateway) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.addLocked(NameTokens, g.Workspace, Change{g.Workspace, g.ID})
}

// Records reports that records of a gateway changed: at once for the first change in a second,
// and once at the end of that second for all others.
func (h *Hub) Records(g *gateway.Gateway) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := Change{g.Workspace, g.ID}
	if b := h.bursts[g.ID]; b != nil {
		b.again = &c
		return
	}
	if h.closed {
		return
	}
	h.addLocked(NameRecords, c.Workspace, c)
	h.bursts[g.ID] = &burst{timer: time.AfterFunc(recordsInterval, func() { h.endBurst(c.Gateway) })}
}

func (h *Hub) endBurst(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	b := h.bursts[id]
	if b == nil || b.again == nil || h.closed {
		delete(h.bursts, id)
		return
	}
	h.addLocked(NameRecords, b.again.Workspace, *b.again)
	b.again = nil
	b.timer.Reset(recordsInterval)
}

// Notice reports a notice, as JSON, about a workspace; empty if it is about none in particular.
func (h *Hub) Notice(workspace string, doc json.RawMessage) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.addLocked(NameNotice, workspace, doc)
}

// Reset reports that changes may have been missed.
func (h *Hub) Reset() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.next == 1 && h.streams == 0 {
		return // nothing was reported yet, as when an instance starts
	}
	h.addLocked(NameReset, "", struct{}{})
}

func (h *Hub) addLocked(name, workspace string, data any) {
	if h.closed {
		return
	}
	h.ring[h.next%Kept] = Event{ID: h.id(h.next), Name: name, Workspace: workspace, Data: encode(data), number: h.next}
	h.next++
	h.first = max(h.first, h.next-min(h.next, Kept))
	h.wakeLocked()
}

func (h *Hub) wakeLocked() {
	close(h.changed)
	h.changed = make(chan struct{})
}

// Close ends all streams. Nothing is reported afterwards.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	h.closed = true
	for _, b := range h.bursts {
		b.timer.Stop()
	}
	h.wakeLocked()
}

func (h *Hub) id(number uint64) string { return h.instance + "-" + strconv.FormatUint(number, 10) }

// number returns the number of the event with an id, if it is a past event of this instance.
func (h *Hub) number(id string) (uint64, bool) {
	digits, ours := strings.CutPrefix(id, h.instance+"-")
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, ours && err == nil && n < h.next
}

// Stream is one reader's place among the events.
type Stream struct {
	hub    *Hub
	next   uint64 // number of the next event that it gets
	behind bool   // it gets a reset first
	ended  sync.Once
}

// Follow opens a stream that continues after the event with an id from an earlier stream. It
// begins with a reset if the events after that one are no longer kept, or the id is another
// instance's. With an empty id the stream begins now, or with kept at the oldest event that
// is kept. It fails with KindUnavailable if MaxStreams are open. The caller must close it.
func (h *Hub) Follow(id string, kept bool) (*Stream, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed:
		return nil, gateway.Errorf(gateway.KindUnavailable, "this instance is shutting down")
	case h.streams >= MaxStreams:
		return nil, gateway.Errorf(gateway.KindUnavailable, "this instance has %d open event streams, which is the maximum; close a page or try again later", MaxStreams)
	}
	h.streams++
	s := &Stream{hub: h, next: h.next}
	switch n, ok := h.number(id); {
	case id == "" && kept:
		s.next = h.first
	case id == "":
	case ok && n+1 >= h.first:
		s.next = n + 1
	default:
		s.behind = true
	}
	return s, nil
}

// Place is the id after which the stream continues.
func (s *Stream) Place() string {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	return s.hub.id(s.next - 1)
}

// Ready reports whether Next has something to return at once.
func (s *Stream) Ready() bool {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	return s.behind || s.next < s.hub.next
}

// Next waits for events and returns those since the last call. If some were lost, it returns a
// reset instead. It fails with ErrClosed when the hub is closed, and with ctx's error when
// that ends.
func (s *Stream) Next(ctx context.Context) ([]Event, error) {
	h := s.hub
	for {
		h.mu.Lock()
		switch {
		case h.closed:
			h.mu.Unlock()
			return nil, ErrClosed
		case s.behind || s.next < h.first:
			s.behind, s.next = false, h.next
			reset := Event{ID: h.id(h.next - 1), Name: NameReset, Data: encode(struct{}{})}
			h.mu.Unlock()
			return []Event{reset}, nil
		case s.next < h.next:
			events := make([]Event, 0, h.next-s.next)
			for ; s.next < h.next; s.next++ {
				events = append(events, h.ring[s.next%Kept])
			}
			h.mu.Unlock()
			return events, nil
		}
		changed := h.changed
		h.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for events: %w", ctx.Err())
		}
	}
}

// Close ends the stream.
func (s *Stream) Close() {
	s.ended.Do(func() {
		s.hub.mu.Lock()
		defer s.hub.mu.Unlock()
		s.hub.streams--
	})
}
