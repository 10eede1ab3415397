package livyhttp

import (
	"context"
	"encoding/json"
	"math"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/sessions"
)

// isolate keeps a token to what it created, on gateways that are isolated. It is
// called once the id in the path is known, before the request line is written:
// a list is asked for whole, because what the token may see of it is counted and
// cut into pages here.
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
			// What others have is answered as what nobody has.
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

// errNameTaken refuses a create with a name that another session or batch of the
// gateway has, whoever created that one.
func errNameTaken(c *call) error {
	return gateway.Invalid("name", c.created.Effective.Name,
		"is taken: all tokens of a gateway share one space of names for each kind, and another living "+string(c.req.Route.Kind)+" has this one")
}

// defaultPage is how many a list holds when the client does not say, as in Livy.
const defaultPage = 100

// filter leaves in a list what the token created, and cuts out the page that the
// client asked for. Elements stay as Livy wrote them.
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
