package livyhttp

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/livygateway/livygateway/internal/control"
	"github.com/livygateway/livygateway/internal/livy"
)

// wholeList requests a list as a whole if it must be made from what Livy answers: on isolated
// gateways, and if the gateway has several Livy servers. The elements are then counted and
// divided into pages by list.
func (c *call) wholeList() {
	if c.req.Route.Reply != livy.ReplyList ||
		!c.entry.Gateway.Spec.Isolated && len(c.entry.Beside()) == 0 && !c.listsWarm() {
		return
	}
	page := c.req.Query
	c.page = &page
	c.req.Query = livy.Query{Size: math.MaxInt32, HasSize: true}
}

// listsWarm reports whether a list may have sessions that belong to nobody.
func (c *call) listsWarm() bool {
	return c.entry.Gateway.Status.Warmed && c.req.Route.Kind == livy.KindSession
}

// defaultPage is the number of elements in a list if the client sets none, as in Livy.
const defaultPage = 100

// list returns the page that the client asked for, of the lists of all servers in the order of
// public ids. On isolated gateways they are reduced to what the token created. own is the list of
// the primary server with public ids. The elements are not changed.
func (h *Record) list(r *http.Request, c *call, own []byte) ([]byte, error) {
	var all elements
	for _, server := range c.entry.Beside() {
		reply, err := h.listOf(r, c, server)
		if err == nil {
			err = all.add(h, c, server, reply)
		}
		if err != nil {
			return nil, fmt.Errorf("listing what is on another Livy server of the gateway: %w", err)
		}
	}
	if err := all.add(h, c, c.entry, own); err != nil {
		return nil, err
	}
	all.sort()
	if err := all.hideNames(r.Context(), h, c, c.entry.Gateway); err != nil {
		return nil, err
	}
	if c.entry.Gateway.Spec.Isolated {
		if err := all.reduce(r.Context(), h, c); err != nil {
			return nil, err
		}
	}
	total := len(all.raw)
	from, size := 0, defaultPage
	if c.page.HasFrom {
		from = int(c.page.From)
	}
	if c.page.HasSize {
		size = int(c.page.Size)
	}
	first := min(max(0, from), total)
	page := all.raw[first:min(total, max(first, from+size))]
	return json.Marshal(struct {
		From     int               `json:"from"`
		Total    int               `json:"total"`
		Sessions []json.RawMessage `json:"sessions"`
	}{from, total, append([]json.RawMessage{}, page...)})
}

// elements are the elements of lists, with their public ids.
type elements struct {
	raw []json.RawMessage
	ids []int64
}

// add appends the elements of a server's list with public ids, and notes their states.
func (e *elements) add(h *Record, c *call, server *control.Entry, body []byte) error {
	var list struct {
		Sessions []json.RawMessage `json:"sessions"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return err
	}
	for _, raw := range list.Sessions {
		s, err := livy.ReadBrief(raw)
		if err != nil {
			return err
		}
		if !server.Holds(c.req.Route.Kind, s.ID) {
			continue
		}
		e.raw, e.ids = append(e.raw, raw), append(e.ids, s.ID)
		h.observe(server.Gateway, c.req.Route.Kind, s.ID, s)
	}
	return nil
}

// sort brings the elements into the order of public ids.
func (e *elements) sort() {
	if slices.IsSorted(e.ids) {
		return
	}
	order := make([]int, len(e.ids))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(e.ids[a], e.ids[b]) })
	sorted := elements{raw: make([]json.RawMessage, len(order)), ids: make([]int64, len(order))}
	for to, from := range order {
		sorted.raw[to], sorted.ids[to] = e.raw[from], e.ids[from]
	}
	*e = sorted
}

// reduce removes the elements that the token did not create.
func (e *elements) reduce(ctx context.Context, h *Record, c *call) error {
	owned, err := h.core.Ledger.Owned(ctx, c.entry.Gateway.ID, c.token.ID, c.req.Route.Kind, e.ids)
	if err != nil {
		return err
	}
	var raw []json.RawMessage
	for i, id := range e.ids {
		if owned[id] {
			raw = append(raw, e.raw[i])
		}
	}
	e.raw = raw
	return nil
}

// maxList bounds the size of a list of one Livy server.
const maxList = 64 << 20

// listOf requests the whole list of another server, with the login of the client's request, and
// returns it with public ids.
func (h *Record) listOf(r *http.Request, c *call, server *control.Entry) ([]byte, error) {
	if since := server.Gateway.Status.UnresponsiveSince; !since.IsZero() {
		return nil, fmt.Errorf("it has not answered since %s", since.UTC().Format(time.RFC3339))
	}
	ctx, cancel := context.WithTimeout(r.Context(), readTimeout)
	defer cancel()
	uri, _ := c.req.UpstreamURI(0)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+server.Gateway.Status.Address+uri, http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("X-Requested-By", "livy-gateway")
	if login := r.Header.Get("Authorization"); login != "" {
		req.Header.Set("Authorization", login)
	}
	resp, err := h.core.Manager.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answered %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxList))
	if err != nil {
		return nil, err
	}
	base := server.Gateway.Status.SessionBase
	if c.req.Route.Kind == livy.KindBatch {
		base = server.Gateway.Status.BatchBase
	}
	return livy.ShiftIDs(c.req.Route, body, base)
}
