package api

import (
	"cmp"
	"net/http"
	"time"

	"github.com/livygateway/livygateway/internal/access"
	"github.com/livygateway/livygateway/internal/budgets"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/tokens"
)

// BudgetList is the budgets of the configuration.
type BudgetList struct {
	Budgets []Budget `json:"budgets"`
}

// Budget is a budget of the configuration, and what is used of it.
type Budget struct {
	Name string `json:"name"`
	// Per is "user", "token", "gateway" or "workspace".
	Per string `json:"per"`
	// Match selects them; absent means all. Only those who may see everything get it.
	Match []string `json:"match,omitempty"`
	// Period is "day" or "month"; the present one began at From and ends at Reset.
	Period     string    `json:"period"`
	From       time.Time `json:"from"`
	Reset      time.Time `json:"reset"`
	VCoreHours Bounds    `json:"vcoreHours,omitzero"`
	GBHours    Bounds    `json:"gbHours,omitzero"`
	// OnExceed is "refuse" or "stop".
	OnExceed string `json:"onExceed"`
	// Used has those that the caller may see, the largest part of the budget first.
	Used []BudgetUse `json:"used"`
}

// Bounds are the bounds of a budget in hours; absent means none.
type Bounds struct {
	Soft float64 `json:"soft,omitempty"`
	Hard float64 `json:"hard,omitempty"`
}

// BudgetUse is what one user, token, gateway or workspace has used of a budget.
type BudgetUse struct {
	// Name is the user, the workspace, workspace/name of a gateway, or the id of a token.
	Name string `json:"name"`
	// TokenName is the name of a token, if that is known.
	TokenName  string  `json:"tokenName,omitempty"`
	VCoreHours float64 `json:"vcoreHours"`
	GBHours    float64 `json:"gbHours"`
	// Ratio is the largest part of a bound that is used: 1 means that it is reached.
	Ratio float64 `json:"ratio"`
}

// listBudgets lists the budgets that concern the caller.
func (c *call) listBudgets() error {
	standings, err := c.Budgets.Current(c.ctx())
	if err != nil {
		return err
	}
	v, err := c.budgetView()
	if err != nil {
		return err
	}
	settings, now := c.Budgets.Settings(), time.Now()
	list := BudgetList{Budgets: []Budget{}}
	for i := range settings.Budgets {
		b := &settings.Budgets[i]
		used := []BudgetUse{}
		for j := range standings {
			if s := &standings[j]; s.Budget.Name == b.Name && v.sees(s) {
				used = append(used, BudgetUse{
					Name: s.Label, TokenName: s.Token.Name, VCoreHours: float64(s.Used.MilliCPUSeconds) / milliCPUHours,
					GBHours: float64(s.Used.MBSeconds) / mbHours, Ratio: s.Ratio(),
				})
			}
		}
		if len(used) == 0 && !v.concernedBy(b) {
			continue
		}
		span := budgets.SpanOf(b.Period, now)
		shown := Budget{
			Name: b.Name, Per: b.Per, Period: b.Period, From: span.From, Reset: span.Until,
			VCoreHours: Bounds(b.VCoreHours), GBHours: Bounds(b.GBHours),
			OnExceed: cmp.Or(b.OnExceed, budgets.Refuse), Used: used,
		}
		if v.everything {
			shown.Match = b.Match
		}
		list.Budgets = append(list.Budgets, shown)
	}
	return c.reply(http.StatusOK, list)
}

// budgetView is what the caller may see of budgets.
type budgetView struct {
	*call
	everything bool
	own        map[string]*tokens.Token // the caller's tokens
	gateways   map[string]*gateway.Gateway
}

func (c *call) budgetView() (*budgetView, error) {
	v := &budgetView{call: c, everything: c.reachIn(access.Everywhere) == access.All, own: make(map[string]*tokens.Token)}
	if v.everything {
		return v, nil
	}
	owned, err := c.Tokens.Owned(c.ctx(), c.rights.User)
	if err != nil {
		return nil, err
	}
	for _, t := range owned {
		v.own[t.ID] = t
	}
	v.gateways, err = c.reached()
	return v, err
}

// sees reports whether the caller may see what an account uses. What a user uses is in several
// workspaces, so others than the caller need all of them.
func (v *budgetView) sees(s *budgets.Standing) bool {
	if v.everything {
		return true
	}
	switch s.Per {
	case store.PerUser:
		return s.Account.Name == v.rights.User
	case store.PerToken:
		return v.own[s.Account.Name] != nil || v.seesAll(s.Token.GatewayID)
	case store.PerGateway:
		return v.seesAll(s.Account.Name)
	default:
		return v.reachIn(s.Account.Name) == access.All
	}
}

// seesAll reports whether the caller may see everything of a gateway.
func (v *budgetView) seesAll(gatewayID string) bool {
	g := v.gateways[gatewayID]
	return g != nil && v.reachIn(g.Workspace) == access.All
}

// concernedBy reports whether a budget bounds the caller, or what they see. Of others not even
// the name is shown: it may tell of other workspaces.
func (v *budgetView) concernedBy(b *budgets.Budget) bool {
	if v.everything || len(b.Match) == 0 {
		return true
	}
	switch b.Per {
	case store.PerUser:
		return b.Matches(v.rights.User)
	case store.PerToken:
		for id, t := range v.own {
			if b.Matches(id, t.Name) {
				return true
			}
		}
	default:
		for _, g := range v.gateways {
			if b.Per == store.PerGateway && b.Matches(g.Ref()) || b.Per == store.PerWorkspace && b.Matches(g.Workspace) {
				return true
			}
		}
	}
	return false
}
