package sessions

import (
	"context"
	"strings"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/store"
)

// On Kubernetes, spark-submit of Spark 3.5 exits with 0 however the driver's pod ended
// (SPARK-26365), which Livy takes for a success. So the state of such a batch is that of its
// driver's pod. Poll decides it and stores it in the record; until then, the batch is running.

const (
	stateSuccess = "success"
	stateRunning = "running"
	stateDead    = "dead"
)

// DriverState is what is known of the pod of a batch's driver.
type DriverState int

// States of drivers' pods.
const (
	// DriverGone: there is no pod, and how it ended was not seen.
	DriverGone DriverState = iota
	DriverRuns
	DriverSucceeded
	DriverFailed
)

// Drivers looks up the pods of drivers.
type Drivers interface {
	// DriverPods reports whether the drivers of a gateway's batches are pods that can be looked up.
	DriverPods(g *gateway.Gateway) bool
	// Driver looks up the pod of a batch's driver. why explains a failure.
	Driver(ctx context.Context, g *gateway.Gateway, r *store.Record) (state DriverState, why string, err error)
}

// SetDrivers tells the ledger how to look up the pods of drivers.
func (l *Ledger) SetDrivers(d Drivers) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drivers = d
}

// How long a batch that Livy calls a success counts as running, while nothing tells how its driver
// ended: since there is no pod, or since Kubernetes cannot be asked. driverTime bounds what a poll
// waits for Kubernetes.
const (
	podWait    = 10 * time.Second
	apiWait    = 2 * time.Minute
	driverTime = 2 * time.Second
)

const (
	reasonDriver = "driver pod failed: "
	// NoteUnseen is the reason in the record of a success that only Livy tells of.
	NoteUnseen = "Livy's word: nobody saw how the driver's pod ended, and spark-submit exits with 0 in any case"
)

// judge returns the state of a listed batch, and the reason if it has ended.
func (p *poll) judge(ctx context.Context, r *store.Record, s *seen) (state, reason string) {
	if s.kind != livy.KindBatch || s.state != stateSuccess || p.drivers == nil ||
		r.TokenID == "" || !p.drivers.DriverPods(p.g) { // pods have the labels of what a token created
		return s.state, reasonOf(s.state)
	}
	pod, why, wait := DriverGone, "", apiWait
	if !p.podsAway {
		asking, cancel := context.WithTimeout(ctx, driverTime)
		defer cancel()
		state, text, err := p.drivers.Driver(asking, p.g, r)
		if p.podsAway = err != nil; err == nil {
			pod, why, wait = state, text, podWait
		}
	}
	l := p.l
	switch pod {
	case DriverSucceeded:
		return stateSuccess, ""
	case DriverFailed:
		return stateDead, reasonDriver + why
	case DriverRuns: // spark-submit did not wait for it
		l.undecided.Remove(r.ID)
		return stateRunning, ""
	case DriverGone: // below
	}
	since, ok := l.undecided.Get(r.ID)
	if !ok {
		since = p.now
		l.undecided.Add(r.ID, since)
	}
	if p.now.Sub(since) < wait {
		return stateRunning, ""
	}
	return stateSuccess, NoteUnseen
}

// byDriver reports whether a reason is that of a state that the driver's pod decided.
func byDriver(reason string) bool {
	return strings.HasPrefix(reason, reasonDriver) || reason == NoteUnseen
}

// DriverStates returns what replies show of batches that Livy calls a success, by public id, where
// the pods of their drivers decide: the final state on record, or running while there is none. It
// does no I/O for those whose end it has seen.
func (l *Ledger) DriverStates(ctx context.Context, gatewayID string, publicIDs ...int64) map[int64]string {
	states := make(map[int64]string, len(publicIDs))
	var ask []store.PublicRef
	for _, id := range publicIDs {
		state, ok := l.finals.Get(publicKey{gatewayID, livy.KindBatch, id})
		if !ok {
			state = stateRunning
			ask = append(ask, store.PublicRef{Kind: string(livy.KindBatch), PublicID: id})
		}
		states[id] = state
	}
	if len(ask) == 0 || l.now().UnixNano() < l.extrasAgain.Load() {
		return states
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), quick)
	defer cancel()
	records, err := l.store.RecordsByPublicID(ctx, gatewayID, ask)
	if gateway.KindOf(err) == gateway.KindUnavailable {
		l.extrasAgain.Store(l.now().Add(extrasPause).UnixNano())
	}
	for _, r := range records {
		if r.Live() {
			continue
		}
		state := stateSuccess
		if livy.Finished(r.State) {
			state = r.State
		}
		states[r.PublicID] = state
		l.finals.Add(publicKey{gatewayID, livy.KindBatch, r.PublicID}, state)
	}
	return states
}
