package sessions

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/store"
)

// Handling of creates that Livy has not confirmed, by their age.
const (
	// settleAfter is how long a create is left to the instance that sent it.
	settleAfter = 5 * time.Second
	// giveUpAfter is when a create that Livy does not list counts as lost.
	giveUpAfter = 2 * time.Minute
	// forgetAfter is how long Livy's lists are still searched for a lost create.
	forgetAfter = time.Hour
)

// Limits on the logs kept of failed sessions and batches; Livy's lists show too few lines to
// explain a failure. lastLine bounds a line, in bytes, and logTime the time that a poll
// spends on logs; records that are not reached keep the lines of the list.
const (
	lastLines = 50
	lastLine  = 500
	logTime   = 3 * time.Second
)

// Lister is the part of Livy's client that a poll needs.
type Lister interface {
	Sessions(ctx context.Context) ([]livy.Session, error)
	Batches(ctx context.Context) ([]livy.Batch, error)
	// Log returns the last size lines.
	Log(ctx context.Context, kind livy.Kind, id int64, size int) (livy.Log, error)
}

// seen is a session or batch in Livy's list.
type seen struct {
	kind                       livy.Kind
	id                         int64
	name, state, appID, uiAddr string
	log                        []string
}

// sparkUI is where Livy's appInfo has the address of the Spark UI.
const sparkUI = "sparkUiUrl"

func list(ctx context.Context, livyServer Lister) ([]seen, error) {
	ss, err := livyServer.Sessions(ctx)
	if err != nil {
		return nil, err
	}
	bs, err := livyServer.Batches(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]seen, 0, len(ss)+len(bs))
	for i := range ss {
		s := &ss[i]
		all = append(all, seen{livy.KindSession, s.ID, s.Name, s.State, s.AppID, s.AppInfo[sparkUI], s.Log})
	}
	for i := range bs {
		b := &bs[i]
		all = append(all, seen{livy.KindBatch, b.ID, b.Name, b.State, b.AppID, b.AppInfo[sparkUI], b.Log})
	}
	return all, nil
}

// ErrReplaced means that the Livy server was replaced and its ids begin again. Its lists
// must not be used until the gateway's public ids begin above the old ones.
var ErrReplaced = errors.New("the Livy server was restarted")

// Poll updates a gateway's records from Livy's own lists. It requests the lists only, never
// a session by its id, because that would keep sessions with a heartbeat timeout alive. For
// failed sessions and batches it requests the log, once. It returns ErrReplaced if the lists
// are those of another server.
func (l *Ledger) Poll(ctx context.Context, f store.Fence, g *gateway.Gateway, livyServer Lister) error {
	if err := l.flush(ctx); err != nil {
		return err
	}
	if err := l.correctClock(ctx, g.ID); err != nil {
		return err
	}
	// Read live records before Livy's lists, since only older ones can be missing there.
	// Read creates in progress after the lists, since everything listed was recorded before.
	live, err := l.store.LiveRecords(ctx, g.ID)
	if err != nil {
		return err
	}
	// Warm sessions are read before and after the lists: until one has gone from Livy, or has a
	// record, it is in one of them.
	warm := make(map[string]bool)
	if err := l.warmNames(ctx, g, warm); err != nil {
		return err
	}
	listed, err := list(ctx, livyServer)
	if err != nil {
		return err
	}
	for i := range listed {
		l.noteID(g, listed[i].kind, Base(g, listed[i].kind)+listed[i].id)
	}
	listed = inRange(g, listed)
	if err := l.warmNames(ctx, g, warm); err != nil {
		return err
	}
	l.mu.Lock()
	drivers := l.drivers
	l.mu.Unlock()
	p := &poll{warm: warm, drivers: drivers, l: l, fence: f, g: g, now: l.now().UTC(), byKey: make(map[string]*seen, len(listed))}
	for i := range listed {
		p.byKey[key(listed[i].kind, listed[i].id)] = &listed[i]
	}
	all := live
	live = slices.DeleteFunc(slices.Clone(all), func(r *store.Record) bool { return onAnother(g, r) })
	for _, r := range live {
		if s := p.byKey[key(livy.Kind(r.Kind), r.LivyID)]; s != nil && r.Epoch == g.Status.Epoch && otherName(s,
			r) {
			l.setReplaced(g.ID, g.Status.Epoch)
			return ErrReplaced
		}
	}
	if err := p.unknown(ctx, listed); err != nil {
		return err
	}
	logs := make(map[string][]string)
	for _, r := range live {
		if slices.Contains(p.settled, r.ID) {
			continue
		}
		if s := p.byKey[key(livy.Kind(r.Kind),
			r.LivyID)]; s != nil && r.Epoch == g.Status.Epoch && len(s.log) > 0 {
			logs[r.ID] = s.log
		}
		p.follow(ctx, r)
	}
	l.mu.Lock()
	l.keepLogsLocked(g, logs)
	l.mu.Unlock()
	p.keepLogs(ctx, livyServer)
	if err := l.store.SaveRecords(ctx, f, g.ID, p.changed...); err != nil && !isChanged(err) {
		return err // concurrent changes are left to the next poll
	}
	for _, r := range live {
		if r.Confirmed() {
			l.states.Add(publicKey{g.ID, livy.Kind(r.Kind), r.PublicID}, r.State)
		}
	}
	l.noteLive(g.ID, all) // of all its servers
	return l.Trim(ctx, f, g.ID)
}

// poll holds the state of one poll.
type poll struct {
	l       *Ledger
	fence   store.Fence
	g       *gateway.Gateway
	now     time.Time
	byKey   map[string]*seen
	changed []*store.Record
	warm    map[string]bool // names of warm sessions
	settled []string        // ids of records that were found by name
	failed  []*store.Record
	drivers Drivers
	// podsAway is set once Kubernetes could not be asked for pods of drivers.
	podsAway bool
}

// keepLogs requests the logs of the sessions and batches that this poll found to have failed.
func (p *poll) keepLogs(ctx context.Context, livyServer Lister) {
	ctx, cancel := context.WithTimeout(ctx, logTime)
	defer cancel()
	for _, r := range p.failed {
		log, err := livyServer.Log(ctx, livy.Kind(r.Kind), r.LivyID, lastLines)
		if ctx.Err() != nil {
			return
		}
		if err != nil || len(log.Log) == 0 {
			continue
		}
		r.Log = boundLines(log.Log[max(0, len(log.Log)-lastLines):])
	}
}

// unknown handles listed sessions and batches whose ids are not recorded. They are either
// creates whose reply was lost, or were not created through the gateway.
func (p *poll) unknown(ctx context.Context, listed []seen) error {
	refs := make([]store.PublicRef, len(listed))
	for i := range listed {
		refs[i] = store.PublicRef{
			Kind:     string(listed[i].kind),
			PublicID: Base(p.g, listed[i].kind) + listed[i].id,
		}
	}
	pending, err := p.l.store.Pending(ctx, p.g.ID)
	if err != nil {
		return err
	}
	// Read after pending, so that a create confirmed in between is found in one of them.
	ids, err := p.l.store.RecordIDs(ctx, p.g.ID, refs)
	if err != nil {
		return err
	}
	for i := range listed {
		if ids[i] == "" {
			continue
		}
		// A create in progress, listed under an id that belonged to another record.
		if _, ok := pending[[2]string{refs[i].Kind, listed[i].name}]; !ok {
			continue
		}
		r, err := p.l.store.RecordByID(ctx, p.g.ID, ids[i])
		if err != nil && gateway.KindOf(err) != gateway.KindNotFound {
			return err
		}
		if err == nil && otherName(&listed[i], r) {
			p.l.setReplaced(p.g.ID, p.g.Status.Epoch)
			return ErrReplaced
		}
	}
	for i := range listed {
		if ids[i] != "" || listed[i].kind == livy.KindSession && p.warm[listed[i].name] {
			continue
		}
		if err := p.settle(ctx, &listed[i], refs[i].PublicID, pending); err != nil {
			return err
		}
	}
	return p.forget(ctx, pending)
}

// otherName reports whether a listed session or batch differs from the recorded one. Every
// create has a name.
func otherName(s *seen, r *store.Record) bool {
	name := r.NameInLivy()
	return s.name != "" && name != "" && s.name != name
}

func (p *poll) settle(ctx context.Context, s *seen, publicID int64, pending map[[2]string]string) error {
	name := [2]string{string(s.kind), s.name}
	var r *store.Record
	if id, ok := pending[name]; ok {
		var err error
		if r, err = p.l.store.RecordByID(ctx, p.g.ID,
			id); err != nil && gateway.KindOf(err) != gateway.KindNotFound {
			return err
		}
		delete(pending, name)
	}
	if r == nil {
		id, err := p.l.NewID()
		if err != nil {
			return err
		}
		r = &store.Record{
			ID: id, GatewayID: p.g.ID, Workspace: p.g.Workspace, Kind: string(s.kind), Name: s.name, State: s.state, LivyID: -1, PublicID: -1,
			Reason: "found in Livy; not created through the gateway", Created: p.now,
		}
		p.l.logger.Info("recording a session or batch that was not created through the gateway",
			zap.String("gateway", p.g.ID), zap.String("kind", r.Kind), zap.Int64("livy_id", s.id))
	}
	if r.Confirmed() {
		return nil // just confirmed
	}
	p.settled = append(p.settled, r.ID)
	r.Epoch, r.LivyID, r.PublicID = p.g.Status.Epoch, s.id, publicID
	if !r.Live() { // given up too early
		r.Reason, r.Ended, r.Log = "", time.Time{}, nil
	}
	r.Updated = p.now
	p.apply(ctx, r, s)
	p.changed = append(p.changed, r)
	return nil
}

// forget stops searching for creates that were lost long ago.
func (p *poll) forget(ctx context.Context, pending map[[2]string]string) error {
	var old [][2]string
	for name, id := range pending {
		r, err := p.l.store.RecordByID(ctx, p.g.ID, id)
		switch {
		case gateway.KindOf(err) == gateway.KindNotFound:
			old = append(old, name)
		case err != nil:
			return err
		case !r.Live() && p.now.Sub(r.Created) > forgetAfter:
			old = append(old, name)
		}
	}
	return p.l.store.ForgetPending(ctx, p.fence, p.g.ID, old...)
}

// follow updates one live record.
func (p *poll) follow(ctx context.Context, r *store.Record) {
	was := *r
	s := p.byKey[key(livy.Kind(r.Kind), r.LivyID)]
	switch {
	case r.Epoch != p.g.Status.Epoch:
		p.l.end(r, "dead", "its Livy server has ended", p.now)
	case !r.Confirmed():
		if p.now.Sub(r.Created) > giveUpAfter {
			p.l.end(r, StateGone, "Livy never listed it: most likely the create did not reach Livy", p.now)
		}
	case s != nil:
		p.apply(ctx, r, s)
	default:
		p.l.end(r, StateGone, "Livy no longer knows it: deleted by its own timeout, or directly at the Livy server", p.now)
	}
	if r.State != was.State || r.AppID != was.AppID || r.SparkUI != was.SparkUI ||
		!r.Started.Equal(was.Started) || !r.Ended.Equal(was.Ended) {
		r.Updated = p.now
		p.changed = append(p.changed, r)
	}
}

func (p *poll) apply(ctx context.Context, r *store.Record, s *seen) {
	state, reason := s.state, reasonOf(s.state)
	if r.Live() {
		state, reason = p.judge(ctx, r, s)
	}
	// Livy does not know the applications that run on Kubernetes; see SetApp.
	r.State, r.AppID = state, cmp.Or(s.appID, r.AppID)
	if s.uiAddr != "" && !strings.HasPrefix(r.SparkUI, "/") { // otherwise the gateway serves it
		r.SparkUI = s.uiAddr
	}
	if running(state) && r.Started.IsZero() {
		r.Started = p.now
	}
	if livy.Finished(state) && r.Live() {
		r.Log = s.log
		p.l.end(r, state, cmp.Or(r.Reason, reason), p.now)
		if state != stateSuccess {
			p.failed = append(p.failed, r)
		}
	}
}
