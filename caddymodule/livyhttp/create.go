package livyhttp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/policies"
)

// create records a create request, sends it, and completes the record.
func (h *Record) create(w http.ResponseWriter, r *http.Request, c *call, next caddyhttp.Handler) error {
	answered, err := h.handOver(w, r, c)
	var create *sessions.Create
	if !answered {
		create, err = h.begin(w, r, c)
	}
	if err != nil {
		if repeated, ok := errors.AsType[*sessions.RepeatedError](err); ok {
			replay(w, &repeated.Reply)
			return nil
		}
		if errors.Is(err, store.ErrNameTaken) {
			return errNameTaken(c)
		}
		return err
	}
	if answered {
		return nil
	}
	defer h.core.Manager.PollSoon(c.entry.Gateway.ID) // whatever the outcome
	setBody(r, c.created.Body)
	rec := &c.reply
	rec.all = true
	rec.begin(h, c, w)
	defer rec.end()
	if err := c.send(rec, r, next); err != nil {
		var dial reverseproxy.DialError
		if errors.As(err, &dial) || errors.Is(err, errNoUpstream) || c.unsent {
			create.NotSent(r.Context())
		}
		return err
	}
	if rec.Status() == http.StatusCreated {
		return h.created(rec, w, r, c, create, rec.buf.Bytes())
	}
	return h.notCreated(rec, w, r, c, create, rec.buf.Bytes())
}

// notCreated completes the record of a create that Livy did not confirm, and answers.
func (h *Record) notCreated(
	rec *recorder, w http.ResponseWriter, r *http.Request, c *call, create *sessions.Create, reply []byte,
) error {
	status := rec.Status()
	switch {
	case livy.StoppingPage(status, rec.Header(), reply):
		create.Failed(r.Context(), "the Livy server was stopping")
		return errStopping(c)
	case status == core.StatusClientGone:
		// Livy may have received it or not. As after a lost reply, the name in Livy's lists will
		// tell.
	case status >= 500:
		create.Failed(r.Context(), fmt.Sprintf("Livy answered %d: %.200s", status, reply))
	default:
		create.Refused(r.Context())
	}
	if livy.NameIsTaken(status, reply) {
		return errNameTaken(c)
	}
	if livy.RunsBatchesOnly(status, reply) {
		return errBatchesOnly(c.entry.Gateway.Status.LivyVersion)
	}
	writeWhole(w, rec.Header(), status, reply)
	return nil
}

// errBatchesOnly is the answer to a create of a session where Livy has no jars for sessions. It
// begins with Livy's own sentence.
func errBatchesOnly(version string) error {
	return gateway.Errorf(gateway.KindInvalid, "requirement failed: Cannot find Livy REPL jars. This gateway's Livy server "+
		"(%s) runs batches only: the folders repl_*-jars of Livy's distribution are missing, which Livy 0.7.1 assembled "+
		"from Maven artifacts never has. The operator gets them with Livy 0.8.0: put %s into ~/.cache/livygateway "+
		"(or set LIVY_DIST), run make run, make engine or make image again, and restart the gateway", version, livy.Distribution)
}

// created completes the record of a create that Livy confirmed, and answers.
func (h *Record) created(
	rec *recorder, w http.ResponseWriter, r *http.Request, c *call, create *sessions.Create, reply []byte,
) error {
	g := c.entry.Gateway
	s, err := livy.ReadBrief(reply)
	if err != nil {
		return gateway.Wrap(gateway.KindUnavailable, "reading Livy's reply to a create", err)
	}
	if now, err := h.core.Manager.Lookup(g.Workspace, g.ID); err == nil && !now.Gateway.Status.Serves(g.Status.Epoch) {
		return gateway.Errorf(gateway.KindUnavailable,
			"the Livy server was replaced while it answered; look for the %s named %q", c.req.Route.Kind, c.created.Effective.Name)
	}
	if !c.entry.Holds(c.req.Route.Kind, s.ID+c.base()) {
		create.Failed(r.Context(), "the Livy server has used up its ids")
		return gateway.Errorf(gateway.KindUnavailable,
			"this Livy server of gateway %q has used up the ids that it was given: restart the gateway", g.Spec.Name)
	}
	if c.req.Route.Kind == livy.KindBatch && c.entry.DriverPods && s.State == "success" {
		s.State = "running" // the driver's pod decides
	}
	lines := c.created.Report.Lines()
	body, err := livy.EditReply(c.req.Route, reply, c.base(), func(shown []livy.Shown) []livy.Edit {
		edits := make([]livy.Edit, len(shown))
		for i := range edits {
			edits[i].Lines = lines
			if shown[i].State != s.State {
				edits[i].State = s.State
			}
		}
		return edits
	})
	if err != nil {
		return gateway.Wrap(gateway.KindUnavailable, "reading Livy's reply to a create", err)
	}
	// The buffer of the reply is reused, so the stored reply needs a copy.
	body = livy.ShowStates(bytes.Clone(body))
	kept := sessions.KeptReply{Status: http.StatusCreated, Body: body, Header: http.Header{}}
	for _, name := range []string{"Content-Type", "Location", headerIgnored, headerForced} {
		if v := rec.Header().Get(name); v != "" {
			kept.Header.Set(name, v)
		}
	}
	if err := create.Confirmed(r.Context(), g, s.ID, s.State, s.AppID, kept); err != nil {
		return err
	}
	c.createdID = s.ID + c.base()
	writeWhole(w, rec.Header(), http.StatusCreated, body)
	return nil
}

// begin records what is about to be sent.
func (h *Record) begin(w http.ResponseWriter, r *http.Request, c *call) (*sessions.Create, error) {
	policy, err := c.entry.PolicyFor(c.token.Identity, c.token.Queue)
	if err != nil {
		return nil, err
	}
	id, err := h.core.Ledger.NewID()
	if err != nil {
		return nil, err
	}
	effective := &c.created.Effective
	ui := h.sparkUI(c, policy, id)
	conf := h.core.Manager.SessionConf(ui)
	conf = h.handDown(r, policy, conf)
	if labels := policy.JobLabels(id, c.token.ID); len(labels) > 0 {
		owner, err := h.core.Manager.DriverPod(c.entry.Gateway, c.req.Route.Kind, c.token.Queue)
		if err != nil {
			return nil, err
		}
		maps.Copy(labels, conf)
		maps.Copy(labels, owner)
		conf = labels
	}
	if err := c.created.Complete(sessions.NameFor(id, effective.AppName()), conf); err != nil {
		return nil, err
	}
	in, err := h.intent(r, c, policy, id, ui)
	if err != nil {
		return nil, err
	}
	c.record = id
	create, err := h.core.Ledger.Begin(r.Context(), in)
	c.endBegun()
	if err != nil {
		return nil, h.core.Budgets.Explain(err)
	}
	setHeader(w, headerBudget, h.core.Budgets.Began(create.Reached))
	if err := h.checkName(r.Context(), c, in.Name); err != nil {
		create.NotSent(r.Context()) // what has the name on this server is somebody else's
		return nil, err
	}
	return create, nil
}

// intent describes a create for the ledger.
func (h *Record) intent(r *http.Request, c *call, policy *policies.Policy, id, ui string) (in sessions.Intent, err error) {
	effective := &c.created.Effective
	in = sessions.Intent{
		ID: id, Gateway: c.entry.Gateway, Kind: c.req.Route.Kind, Name: effective.Name,
		TokenID: c.token.ID, TokenName: c.token.Name, ClientAddr: core.ClientAddr(r),
		Resources: effective, Policy: c.created.Report, MaxLive: c.token.MaxSessions, Repeat: c.repeat, SparkUI: ui,
	}
	if in.Kind == livy.KindBatch {
		in.MaxLive = c.token.MaxBatches
	}
	in.MilliCPU, in.MemoryMB = policy.Takes(effective)
	in.User, in.Limits, err = h.limits(c)
	return in, err
}

// checkName returns an error if something on another server has the name of a create. The server
// that the create is sent to does not know these names.
func (h *Record) checkName(ctx context.Context, c *call, name string) error {
	if len(c.entry.Beside()) == 0 && c.primary == nil {
		return nil
	}
	kind := c.req.Route.Kind
	id, ok, err := h.core.Ledger.LiveIDOf(ctx, c.entry.Gateway.ID, kind, name)
	if err == nil && ok && c.elsewhere(kind, id) {
		return errNameTaken(c)
	}
	return err
}
