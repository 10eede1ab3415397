package livyhttp

import (
	"context"
	"encoding/json"
	"fmt"
	"math"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/sessions"
)

// isolate restricts a token to what it created, on isolated gateways. It is called once the id in
// the path is known, and before the request line for Livy is built. Lists are requested as a
// whole, since the elements that the token may see are counted and divided into pages here.
func (h *Policy) isolate(ctx context.Context, c *call) error {
	g := c.entry.Gateway
	if !g.Spec.Isolated {
		return nil
	}
	switch {
	case c.req.Route.HasID:
		own, err := h.core.Ledger.Owns(ctx, g.ID, c.token.ID, c.req.Route.Kind, c.req.ID)
		if err == nil && !own {
			c.refused = "isolation: not a session or batch of this token"
			// The sessions and batches of others are answered like ones that do not exist.
			if err = sessions.NoSuchID(c.req.ID); c.req.Name != "" {
				err = sessions.NoSuchName(c.req.Name)
			}
		}
		return err
	case c.req.Route.Reply == livy.ReplyList:
		page := c.req.Query
		c.page = &page
		c.req.Query = livy.Query{Size: math.MaxInt32, HasSize: true}
	}
	return nil
}

// errNameTaken returns the error for a create with a name that another session or batch of the
// gateway has, whoever created that one.
func errNameTaken(c *call) error {
	return gateway.Invalid("name", c.created.Effective.Name,
		fmt.Sprintf("is taken: another live %s of the gateway has this name, perhaps one of another token",
			c.req.Route.Kind))
}

// defaultPage is the number of elements in a list if the client sets none, as in Livy.
const defaultPage = 100

// filter reduces a list to what the token created, and to the page that the client asked for. It
// does not change the elements.
func (h *Record) filter(ctx context.Context, c *call, body []byte) ([]byte, error) {
	var list struct {
		Sessions []json.RawMessage `json:"sessions"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, err
	}
	ids := make([]int64, len(list.Sessions))
	for i, raw := range list.Sessions {
		s, err := livy.ReadBrief(raw)
		if err != nil {
			return nil, err
		}
		ids[i] = s.ID
		h.observe(c, s.ID, s)
	}
	owned, err := h.core.Ledger.Owned(ctx, c.entry.Gateway.ID, c.token.ID, c.req.Route.Kind, ids)
	if err != nil {
		return nil, err
	}
	own := make([]json.RawMessage, 0, len(list.Sessions))
	for i, raw := range list.Sessions {
		if owned[ids[i]] {
			own = append(own, raw)
		}
	}
	total := len(own)
	from, size := 0, defaultPage
	if c.page.HasFrom {
		from = int(c.page.From)
	}
	if c.page.HasSize {
		size = int(c.page.Size)
	}
	first := min(max(0, from), total)
	own = own[first:min(total, max(first, from+size))]
	return json.Marshal(struct {
		From     int               `json:"from"`
		Total    int               `json:"total"`
		Sessions []json.RawMessage `json:"sessions"`
	}{from, total, own})
}
