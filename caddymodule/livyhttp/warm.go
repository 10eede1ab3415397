package livyhttp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/policies"
)

// connectTimeout bounds the request by which a warm session is examined.
var connectTimeout = 2 * time.Second

// Reasons for which a create gets no warm session.
const (
	missShape   = "shape"   // it asks for something else
	missNone    = "none"    // all of its shape were handed over, or are being started
	missTrace   = "trace"   // its trace context would have to be in the driver's environment
	missFailed  = "failed"  // those that there are do not answer as they should
	missUnknown = "unknown" // it cannot be compared
)

// handOver answers a create with a session that was started ahead, if there is one of its shape.
// It reports whether it answered.
func (h *Record) handOver(w http.ResponseWriter, r *http.Request, c *call) (bool, error) {
	g := c.entry.Gateway
	if c.req.Route.Kind != livy.KindSession || len(g.Spec.Warm) == 0 || !g.Status.Warmed {
		return false, nil
	}
	chosen := c.entry
	if c.primary != nil { // warm sessions are on the primary server
		if !c.primary.Gateway.Status.UnresponsiveSince.IsZero() {
			core.CountWarm(c.entry.Ref, missFailed)
			return false, nil
		}
		c.entry = c.primary
	}
	miss, err := h.takeOver(w, r, c)
	if miss != "" {
		c.entry = chosen
	} else {
		c.endBegun()
	}
	switch {
	case err != nil:
		return true, err
	case miss != "":
		core.CountWarm(c.entry.Ref, miss)
		return false, nil
	}
	core.CountWarm(c.entry.Ref, "")
	h.core.Manager.PollSoon(g.ID) // another one is started
	return true, nil
}

// takeOver is handOver. It returns why there was no session, "" if it answered.
func (h *Record) takeOver(w http.ResponseWriter, r *http.Request, c *call) (miss string, err error) {
	if traceparentOf(r) != "" {
		return missTrace, nil
	}
	g := c.entry.Gateway
	policy, err := c.entry.PolicyFor(c.token.Identity, c.token.Queue)
	if err != nil {
		return "", err
	}
	ui := h.sparkUI(c, policy, "")
	shape, err := c.created.Shape(h.core.Manager.SessionConf(ui))
	if err != nil || shape == "" {
		return missUnknown, err
	}
	all, err := h.core.Ledger.WarmSessions(r.Context(), g.ID)
	if err != nil {
		return "", err
	}
	miss = missShape
	for _, entry := range all {
		if entry.Shape != shape || entry.Epoch != g.Status.Epoch {
			continue
		}
		if entry.State != store.WarmIdle {
			miss = missNone
			continue
		}
		err := h.takeOverOne(w, r, c, policy, entry)
		switch {
		case err == nil:
			return "", nil
		case errors.Is(err, sessions.ErrWarmGone):
			miss = missNone
		case errors.Is(err, errNoAnswer): // nor would it for the others
			return missFailed, nil
		case errors.Is(err, errNotIdle):
			miss = missFailed
		default:
			return "", err
		}
	}
	return miss, nil
}

var (
	errNotIdle  = errors.New("the warm session is not idle")
	errNoAnswer = errors.New("the Livy server does not answer")
)

// takeOverOne hands a warm session over and answers. It fails with errNotIdle or
// sessions.ErrWarmGone if another one is to be tried, and with errNoAnswer.
func (h *Record) takeOverOne(w http.ResponseWriter, r *http.Request, c *call, policy *policies.Policy, entry *store.Warm) error {
	g := c.entry.Gateway
	object, brief, err := h.examineWarm(r.Context(), c, entry)
	if err != nil {
		h.core.Log.Warn("a session that was started ahead cannot be handed over", zap.String("gateway", g.ID),
			zap.String("record", entry.ID), zap.Error(err))
		if errors.Is(err, errNoAnswer) {
			return err
		}
		return errNotIdle
	}
	created := *c.created // as for a create that is sent, with the id of this session
	created.Report.Forced = append([]policies.Entry{}, created.Report.Forced...)
	ui := h.sparkUI(c, policy, entry.ID)
	if err := created.Complete(sessions.NameFor(entry.ID, created.Effective.AppName()), h.core.Manager.SessionConf(ui)); err != nil {
		return err
	}
	shown, err := shownWarm(&created, object)
	if err != nil {
		return err
	}
	lines := created.Report.Lines()
	body, err := livy.EditReply(c.req.Route, object, c.base(), func(all []livy.Shown) []livy.Edit {
		edits := make([]livy.Edit, len(all))
		for i := range edits {
			edits[i].Lines = lines
			showWarm(&edits[i], shown)
		}
		return edits
	})
	if err != nil {
		return err
	}
	header := w.Header()
	header.Set("Content-Type", "application/json;charset=utf-8")
	if location, ok := livy.PublicLocation(c.req.Route.Kind, fmt.Sprintf("/sessions/%d", entry.LivyID), c.prefix, c.base()); ok {
		header.Set("Location", location)
	}
	reply := sessions.KeptReply{Status: http.StatusCreated, Body: body, Header: http.Header{}}
	for _, name := range []string{"Content-Type", "Location", headerIgnored, headerForced} {
		if v := header.Get(name); v != "" {
			reply.Header.Set(name, v)
		}
	}
	in, err := h.intent(r, c, policy, entry.ID, ui)
	if err != nil {
		return err
	}
	in.Name, in.Resources, in.Policy = created.Effective.Name, &created.Effective, created.Report
	reached, err := h.core.Ledger.HandOver(r.Context(), in, sessions.WarmSession{Entry: entry, AppID: brief.AppID, Shown: shown, Reply: reply})
	if err != nil {
		header.Del("Location")
		header.Del("Content-Type")
		if errors.Is(err, store.ErrNameTaken) {
			c.created.Effective.Name = in.Name
			return errNameTaken(c)
		}
		return h.core.Budgets.Explain(err)
	}
	setHeader(w, headerBudget, h.core.Budgets.Began(reached))
	*c.created, c.record, c.createdID = created, entry.ID, brief.ID+c.base()
	writeWhole(w, header, http.StatusCreated, body)
	return nil
}

// examineWarm requests a warm session's object from Livy, which resets its idle timeout, and
// checks that it is that session and idle.
func (h *Record) examineWarm(ctx context.Context, c *call, entry *store.Warm) (object json.RawMessage, b livy.Brief, err error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	object, err = h.core.Manager.Livy(c.entry.Gateway).Connect(ctx, entry.LivyID)
	if _, answered := errors.AsType[*livy.StatusError](err); err != nil && !answered {
		return nil, b, fmt.Errorf("%w: %w", errNoAnswer, err)
	} else if err != nil {
		return nil, b, err
	}
	if b, err = livy.ReadBrief(object); err != nil {
		return nil, b, err
	}
	var named struct {
		Name string `json:"name"`
	}
	if err := json.Unmarshal(object, &named); err != nil || named.Name != entry.ID || b.State != "idle" {
		return nil, b, fmt.Errorf("session has name %q and state %s in Livy", named.Name, b.State)
	}
	return object, b, nil
}

// shownWarm returns what replies show of a warm session in place of what Livy knows.
func shownWarm(created *policies.Result, object []byte) (*store.ShownWarm, error) {
	fields, conf, notConf, err := created.ShownDifferently(object)
	if err != nil {
		return nil, err
	}
	if len(fields)+len(conf)+len(notConf) == 0 {
		return nil, nil
	}
	return &store.ShownWarm{Fields: fields, Conf: conf, NotConf: notConf}, nil
}

func showWarm(edit *livy.Edit, shown *store.ShownWarm) {
	if shown != nil {
		edit.Fields, edit.Conf, edit.NotConf = shown.Fields, shown.Conf, shown.NotConf
	}
}

// sparkUI returns the public path of the Spark UI of a record, or "" if it is not shown.
func (h *Record) sparkUI(c *call, policy *policies.Policy, id string) string {
	if !h.core.SparkUI.Serves(c.entry.Gateway, policy) {
		return ""
	}
	if h.core.Manager.SparkUISite() != "" {
		return c.entry.Gateway.SparkUI(id)
	}
	return c.prefix + gateway.SparkUIPath + id
}

// hideWarm returns Livy's error for an unknown session if the session in the path was started
// ahead and belongs to nobody yet.
func (h *Policy) hideWarm(ctx context.Context, c *call) error {
	g := c.entry.Gateway
	if !g.Status.Warmed || c.req.Route.Kind != livy.KindSession || !c.req.Route.HasID {
		return nil
	}
	hidden, err := h.core.Ledger.Hidden(ctx, c.entry.Holding(c.req.Route.Kind, c.req.ID).Gateway, c.req.ID)
	if err != nil {
		return err
	}
	if hidden[c.req.ID] {
		if c.req.Name != "" {
			return sessions.NoSuchName(c.req.Name)
		}
		return sessions.NoSuchID(c.req.ID)
	}
	return nil
}

// warmBefore are the names of the sessions in lists that may belong to nobody.
func (h *Record) warmBefore(ctx context.Context, c *call) (map[string]bool, error) {
	if !c.entry.Gateway.Status.Warmed || c.req.Route.Kind != livy.KindSession {
		return nil, nil
	}
	all, err := h.core.Ledger.WarmSessions(ctx, c.entry.Gateway.ID)
	names := make(map[string]bool, len(all))
	for _, w := range all {
		names[w.ID] = true
	}
	return names, err
}

// hideNames removes from elements the sessions that were warm before or after Livy was asked and
// have no record.
func (e *elements) hideNames(ctx context.Context, h *Record, c *call, g *gateway.Gateway) error {
	if !g.Status.Warmed || c.req.Route.Kind != livy.KindSession {
		return nil
	}
	after, err := h.warmBefore(ctx, c)
	if err != nil {
		return err
	}
	var raw []json.RawMessage
	var ids []int64
	for i, element := range e.raw {
		var named struct {
			Name string `json:"name"`
		}
		if err := json.Unmarshal(element, &named); err != nil {
			return err
		}
		if after[named.Name] {
			continue
		}
		if c.warm[named.Name] && strings.HasPrefix(named.Name, "livy-") {
			// It was handed over meanwhile, or ended.
			known := h.core.Ledger.Extras(ctx, g.ID, livy.KindSession, e.ids[i])
			if known[e.ids[i]] == nil {
				continue
			}
		}
		raw, ids = append(raw, element), append(ids, e.ids[i])
	}
	e.raw, e.ids = raw, ids
	return nil
}
