package livyhttp

import (
	"github.com/livygateway/livygateway/internal/budgets"
	"github.com/livygateway/livygateway/internal/store"
)

// headerBudget is the reply header that lists the soft bounds of budgets that a create reached.
const headerBudget = "X-Livy-Gateway-Budget"

// limits returns whose resources a create uses, and what budgets and quotas allow.
func (h *Record) limits(c *call) (user string, limits *store.Limits, err error) {
	user = c.token.User()
	limits, err = h.core.Budgets.Limits(&budgets.Create{
		Gateway: c.entry.Gateway, Kind: string(c.req.Route.Kind), TokenID: c.token.ID, TokenName: c.token.Name, User: user,
		Effective: &c.created.Effective,
	})
	return user, limits, err
}
