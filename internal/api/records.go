package api

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
)

// RecordList is a page of a gateway's sessions and batches, newest first. Total counts all that
// the filter selects.
type RecordList struct {
	Total   int64           `json:"total"`
	Records []*store.Record `json:"records"`
}

func (c *call) listRecords() error {
	p, err := c.page()
	if err != nil {
		return err
	}
	g, err := c.gateway()
	if err != nil {
		return err
	}
	filter, err := c.recordFilter(g)
	if err != nil {
		return err
	}
	read, err := c.recordReader(g)
	if err != nil {
		return err
	}
	records, total, err := read(filter, p.offset, p.limit)
	if err != nil {
		return err
	}
	if records == nil {
		records = []*store.Record{}
	}
	for _, r := range records {
		c.Manager.ShowSparkUI(g, r)
	}
	c.more(p, total)
	return c.reply(http.StatusOK, RecordList{Total: total, Records: records})
}

// recordFilter reads the filter of records of a gateway; nil for those of several, whose
// tokens are named by id only.
func (c *call) recordFilter(g *gateway.Gateway) (f store.RecordFilter, err error) {
	if f.State, err = c.wordQuery("state", append([]string{""}, store.RecordStates()...)...); err != nil {
		return f, err
	}
	if f.TokenID, err = c.query("token"); err != nil {
		return f, err
	}
	if f.TokenID != "" && g != nil {
		if f.TokenID, err = c.findToken(g, f.TokenID, true); err != nil {
			return f, err
		}
	}
	f.From, f.Until, err = c.span()
	return f, err
}

func (c *call) record() (*gateway.Gateway, *store.Record, error) {
	g, err := c.gateway()
	if err != nil {
		return nil, nil, err
	}
	// The record's id, or kind and public id such as session:3.
	ref := c.r.PathValue("record")
	var r *store.Record
	if kind, id, ok := strings.Cut(ref, ":"); ok {
		var n int64
		if n, err = strconv.ParseInt(id, 10, 64); err != nil {
			return nil, nil, gateway.Errorf(gateway.KindNotFound, "no record %q of gateway %q", ref, g.Spec.Name)
		}
		r, err = c.Store.Record(c.ctx(), g.ID, kind, n)
	} else {
		r, err = c.Store.RecordByID(c.ctx(), g.ID, ref)
	}
	if err == nil {
		err = c.mine(g, r.TokenID)
	}
	if gateway.KindOf(err) == gateway.KindNotFound {
		return nil, nil, gateway.Errorf(gateway.KindNotFound, "no record %q of gateway %q", ref, g.Spec.Name)
	}
	return g, r, err
}

func (c *call) showRecord() error {
	g, r, err := c.record()
	if err != nil {
		return err
	}
	c.Manager.ShowSparkUI(g, r)
	return c.reply(http.StatusOK, r)
}

func (c *call) closeRecord() error {
	g, r, err := c.record()
	if err != nil {
		return err
	}
	if r, err = c.Manager.CloseRecord(c.ctx(), g, r, c.order.Origin); err != nil {
		return err
	}
	c.Manager.ShowSparkUI(g, r)
	return c.reply(http.StatusOK, r)
}

// UILink opens a Spark UI in a browser.
type UILink struct {
	// Path is to be appended to the address of the site that serves the gateway, unless
	// there is a URL.
	Path string `json:"path"`
	// URL is the complete link, if Spark UIs have their own site.
	URL string `json:"url,omitempty"`
	// Expires is when the link expires. The browser that has opened it keeps access for an
	// hour.
	Expires time.Time `json:"expires"`
}

func (c *call) linkSparkUI() error {
	g, r, err := c.record()
	if err != nil {
		return err
	}
	link, err := c.Manager.LinkSparkUI(c.ctx(), g, r, c.order.Origin)
	if err != nil {
		return err
	}
	reply := UILink{Path: link.Path, Expires: link.Expires}
	if link.Site != "" {
		reply.URL = link.Site + link.Path
	}
	return c.reply(http.StatusCreated, reply)
}

// exportAtOnce is the number of records read at a time.
const exportAtOnce = 500

// exportRecords writes all records that the filter selects, except those created during the export.
// Each chunk continues after the last record of the previous one, so that records that begin or
// cease to match during the export do not shift others.
func (c *call) exportRecords() error {
	g, err := c.gateway()
	if err != nil {
		return err
	}
	filter, err := c.recordFilter(g)
	if err != nil {
		return err
	}
	if filter.Until.IsZero() {
		filter.Until = time.Now().Add(time.Millisecond)
	}
	read, err := c.recordReader(g)
	if err != nil {
		return err
	}
	written := map[string]bool{} // those of the last record's millisecond
	records, _, err := read(filter, 0, exportAtOnce)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", jsonLines)
	lines := json.NewEncoder(c.w)
	for more := true; more; {
		more = false
		for _, r := range records {
			if written[r.ID] {
				continue
			}
			more = true
			c.Manager.ShowSparkUI(g, r)
			if err := lines.Encode(r); err != nil {
				return nil // the client is gone
			}
			if next := r.Created.Truncate(time.Millisecond).Add(time.Millisecond); !next.Equal(filter.Until) {
				filter.Until = next
				clear(written)
			}
			written[r.ID] = true
		}
		if records, _, err = read(filter, 0, exportAtOnce+len(written)); err != nil {
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

func (c *call) statements() error {
	p, err := c.page()
	if err != nil {
		return err
	}
	g, err := c.gateway()
	if err != nil {
		return err
	}
	all, total, err := c.Store.Statements(c.ctx(), g.ID, int64(p.offset), int64(p.limit))
	if err != nil {
		return err
	}
	if all == nil {
		all = []*store.Statement{}
	}
	c.more(p, total)
	return c.reply(http.StatusOK, StatementList{Total: total, Statements: all})
}
