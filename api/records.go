package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/livygateway/livygateway/gateway"
	"github.com/livygateway/livygateway/livy"
	"github.com/livygateway/livygateway/sessions"
	"github.com/livygateway/livygateway/store"
)

// RecordList is a page of a gateway's sessions and batches, newest first. Total
// counts all that the filter chooses.
type RecordList struct {
	Total   int64           `json:"total"`
	Records []*store.Record `json:"records"`
}

// listRecords answers GET .../records. Query: state (one of Livy's words, "gone",
// or "live"), token (an id), from and until (RFC 3339, of the creation), offset,
// limit.
func (c *call) listRecords() error {
	g, err := c.gateway()
	if err != nil {
		return err
	}
	filter, err := c.recordFilter()
	if err != nil {
		return err
	}
	offset, err := c.intQuery("offset", 0, 0, 1<<30)
	if err != nil {
		return err
	}
	limit, err := c.intQuery("limit", 20, 1, 1000)
	if err != nil {
		return err
	}
	records, total, err := c.Store.Records(c.r.Context(), g.ID, filter, int64(offset), int64(limit))
	if err != nil {
		return err
	}
	if records == nil {
		records = []*store.Record{}
	}
	return c.reply(http.StatusOK, RecordList{Total: total, Records: records})
}

func (c *call) recordFilter() (f store.RecordFilter, err error) {
	q := c.r.URL.Query()
	f.State, f.TokenID = q.Get("state"), q.Get("token")
	if f.From, err = timeQuery(c.r, "from"); err != nil {
		return f, err
	}
	f.Until, err = timeQuery(c.r, "until")
	return f, err
}

func timeQuery(r *http.Request, name string) (time.Time, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, gateway.Invalid(name, text, "must be a time such as 2026-01-31T12:00:00Z")
	}
	return t, nil
}

func (c *call) record() (*gateway.Gateway, *store.Record, error) {
	g, err := c.gateway()
	if err != nil {
		return nil, nil, err
	}
	// livy-..., or kind and public id such as session:3
	ref := c.r.PathValue("record")
	var r *store.Record
	if kind, id, ok := strings.Cut(ref, ":"); ok {
		n, _ := strconv.ParseInt(id, 10, 64)
		r, err = c.Store.Record(c.r.Context(), g.ID, kind, n)
	} else {
		r, err = c.Store.RecordByID(c.r.Context(), g.ID, ref)
	}
	if gateway.KindOf(err) == gateway.KindNotFound {
		return nil, nil, gateway.Errorf(gateway.KindNotFound, "no record %q of gateway %q", ref, g.Spec.Name)
	}
	return g, r, err
}

func (c *call) showRecord() error {
	_, r, err := c.record()
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, r)
}

// closeTimeout bounds how long Livy may take to end a session or batch.
const closeTimeout = time.Minute

// closeRecord answers DELETE .../records/{record}: it ends the session or batch.
// The record stays. Closing what has ended is no error.
func (c *call) closeRecord() error {
	g, r, err := c.record()
	if err != nil {
		return err
	}
	switch {
	case !r.Live():
		return c.reply(http.StatusOK, r)
	case !r.Confirmed():
		return gateway.Errorf(gateway.KindConflict, "Livy has not confirmed %s yet: try again in a moment", r.ID)
	case g.Status.State != gateway.StateRunning || r.Epoch != g.Status.Epoch:
		return gateway.Errorf(gateway.KindUnavailable, "the Livy server of gateway %q does not run (state %s)", g.Spec.Name, g.Status.State)
	}
	ctx, cancel := context.WithTimeout(c.r.Context(), closeTimeout)
	defer cancel()
	if err := c.Manager.Livy(g).Delete(ctx, livy.Kind(r.Kind), r.LivyID); err != nil {
		return gateway.Wrap(gateway.KindUnavailable, "closing "+r.ID, err)
	}
	c.Manager.Ledger.Deleted(c.r.Context(), g, livy.Kind(r.Kind), r.PublicID, c.actor)
	c.Manager.PollSoon(g.ID)
	if r, err = c.Store.RecordByID(c.r.Context(), g.ID, r.ID); err != nil {
		return err
	}
	return c.reply(http.StatusOK, r)
}

// UILink opens a Spark UI in a browser.
type UILink struct {
	// Path is to be put after the address of the site that the gateway is on.
	Path string `json:"path"`
	// Expires is until when it can be opened; who has opened it may look on for
	// sessions.UICookieLife.
	Expires time.Time `json:"expires"`
}

// linkSparkUI answers POST .../records/{record}/ui-link.
func (c *call) linkSparkUI() error {
	_, r, err := c.record()
	if err != nil {
		return err
	}
	if !r.Live() || !strings.HasPrefix(r.SparkUI, "/") {
		return gateway.Errorf(gateway.KindConflict, "%s %s has no live Spark UI that this gateway serves (state %s)", r.Kind, r.ID, r.State)
	}
	signature, err := c.Manager.Ledger.SignUI(c.r.Context(), "link", r.ID, sessions.UILinkLife)
	if err != nil {
		return err
	}
	return c.reply(http.StatusCreated, UILink{
		Path:    r.SparkUI + "/?livy_ui=" + signature,
		Expires: time.Now().Add(sessions.UILinkLife).UTC().Truncate(time.Second),
	})
}

// exportAtOnce is how many records are read in one go.
const exportAtOnce = 500

// exportRecords answers GET .../records/export: all records that the filter of
// listRecords chooses, newest first, one JSON object a line. What is created
// meanwhile is left out.
func (c *call) exportRecords() error {
	g, err := c.gateway()
	if err != nil {
		return err
	}
	filter, err := c.recordFilter()
	if err != nil {
		return err
	}
	if filter.Until.IsZero() {
		filter.Until = time.Now().Add(time.Millisecond)
	}
	records, _, err := c.Store.Records(c.r.Context(), g.ID, filter, 0, exportAtOnce)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "application/jsonl")
	lines := json.NewEncoder(c.w)
	for offset := int64(0); len(records) > 0; {
		for _, r := range records {
			if err := lines.Encode(r); err != nil {
				return nil // the client is gone
			}
		}
		offset += int64(len(records))
		if records, _, err = c.Store.Records(c.r.Context(), g.ID, filter, offset, exportAtOnce); err != nil {
			// The status is sent: only breaking off tells that lines are missing.
			panic(http.ErrAbortHandler)
		}
	}
	return nil
}

// StatementList is a page of the statements that were run in a gateway's
// sessions, newest first.
type StatementList struct {
	Total      int64              `json:"total"`
	Statements []*store.Statement `json:"statements"`
}

// statements answers GET .../statements, which is empty unless the gateway audits
// statements. Query: offset, limit.
func (c *call) statements() error {
	g, err := c.gateway()
	if err != nil {
		return err
	}
	offset, err := c.intQuery("offset", 0, 0, 1<<30)
	if err != nil {
		return err
	}
	limit, err := c.intQuery("limit", 20, 1, 1000)
	if err != nil {
		return err
	}
	all, total, err := c.Store.Statements(c.r.Context(), g.ID, int64(offset), int64(limit))
	if err != nil {
		return err
	}
	if all == nil {
		all = []*store.Statement{}
	}
	return c.reply(http.StatusOK, StatementList{Total: total, Statements: all})
}
