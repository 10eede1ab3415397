package api

import (
	"cmp"
	"encoding/csv"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/livygateway/livygateway/internal/access"
	"github.com/livygateway/livygateway/internal/budgets"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
)

// UsageReport is what was used in some days, added up.
type UsageReport struct {
	// By is "user", "token", "gateway" or "workspace".
	By string `json:"by"`
	// From and Until are the first and the last day (UTC).
	From  string     `json:"from"`
	Until string     `json:"until"`
	Usage []UsageRow `json:"usage"`
}

// UsageRow is what one user, token, gateway or workspace used.
type UsageRow struct {
	// Name is for people; empty for what was started at Livy itself, and for users of tokens
	// that are gone without a trace.
	Name string `json:"name"`
	// ID is that of a token or gateway.
	ID string `json:"id,omitempty"`
	// Workspace and Gateway are where a token or gateway is.
	Workspace  string  `json:"workspace,omitempty"`
	Gateway    string  `json:"gateway,omitempty"`
	VCoreHours float64 `json:"vcoreHours"`
	GBHours    float64 `json:"gbHours"`
}

// usageDays reads which days to add up: month, day, or since and until. The default is the
// present month.
func (c *call) usageDays() (from, until string, err error) {
	now := time.Now().UTC()
	month, err := c.query("month")
	if err != nil {
		return "", "", err
	}
	day, err := c.dayQuery("day")
	if err != nil {
		return "", "", err
	}
	since, err := c.dayQuery("since")
	if err != nil {
		return "", "", err
	}
	if until, err = c.dayQuery("until"); err != nil {
		return "", "", err
	}
	given := 0
	for _, name := range []string{"month", "day", "since"} {
		if c.has(name) {
			given++
		}
	}
	switch {
	case given > 1 || c.has("until") && since == "":
		return "", "", gateway.Invalid("month", month, "give one of month, day, and since with or without until")
	case day != "":
		return day, day, nil
	case since != "":
		if until = cmp.Or(until, now.Format(time.DateOnly)); until < since {
			return "", "", gateway.Invalid("since", since, "must not be later than until, "+until)
		}
		return since, until, nil
	}
	at := now
	if month != "" {
		if at, err = time.Parse("2006-01", month); err != nil {
			return "", "", gateway.Invalid("month", month, "must be a month such as 2026-01")
		}
	}
	span := budgets.SpanOf(budgets.Month, at)
	return span.From.Format(time.DateOnly), span.Until.AddDate(0, 0, -1).Format(time.DateOnly), nil
}

func (c *call) usageBy() error {
	by, err := c.wordQuery("by", budgets.Pers...)
	if err != nil {
		return err
	}
	from, until, err := c.usageDays()
	if err != nil {
		return err
	}
	format, err := c.wordQuery("format", "json", "csv")
	if err != nil {
		return err
	}
	rows, err := c.usageRows(by, from, until)
	if err != nil {
		return err
	}
	if format != "csv" {
		return c.reply(http.StatusOK, UsageReport{By: by, From: from, Until: until, Usage: rows})
	}
	c.w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w := csv.NewWriter(c.w)
	_ = w.Write([]string{"from", "until", by, "id", "workspace", "gateway", "vcoreHours", "gbHours"})
	for _, u := range rows {
		_ = w.Write([]string{
			from, until, u.Name, u.ID, u.Workspace, u.Gateway,
			strconv.FormatFloat(u.VCoreHours, 'f', 6, 64), strconv.FormatFloat(u.GBHours, 'f', 6, 64),
		})
	}
	w.Flush()
	return nil
}

// usageRows adds up what the caller may see, those with the most vCore-hours first.
func (c *call) usageRows(by, from, until string) ([]UsageRow, error) {
	gateways, err := c.reached()
	if err != nil {
		return nil, err
	}
	view := overviewOf{call: c, gateways: gateways, facts: &overviewFacts{}}
	if err := view.findOwn(); err != nil {
		return nil, err
	}
	ids := slices.Collect(maps.Keys(gateways))
	// Live records first, as in Ledger.Usage.
	if view.facts.living, err = c.Store.LivingOf(c.ctx(), ids); err != nil {
		return nil, err
	}
	if view.facts.usage, err = c.Store.UsageOf(c.ctx(), ids, from); err != nil {
		return nil, err
	}
	labels, err := c.tokenLabels(ids)
	if err != nil {
		return nil, err
	}
	sums := make(map[UsageRow]*UsageRow)
	view.eachUsage(func(id string, u store.Usage) {
		if u.Day < from || u.Day > until {
			return
		}
		g := gateways[id]
		var key UsageRow
		switch label := labels[u.TokenID]; by {
		case store.PerUser:
			key.Name = label.user
		case store.PerToken:
			key = UsageRow{Name: cmp.Or(label.name, u.TokenID), ID: u.TokenID, Workspace: g.Workspace, Gateway: g.Spec.Name}
		case store.PerGateway:
			key = UsageRow{Name: g.Ref(), ID: g.ID, Workspace: g.Workspace, Gateway: g.Spec.Name}
		default:
			key = UsageRow{Name: g.Workspace, Workspace: g.Workspace}
		}
		if sums[key] == nil {
			row := key
			sums[key] = &row
		}
		sums[key].VCoreHours += float64(u.MilliCPUSeconds) / milliCPUHours
		sums[key].GBHours += float64(u.MBSeconds) / mbHours
	})
	rows := make([]UsageRow, 0, len(sums))
	for _, row := range sums {
		rows = append(rows, *row)
	}
	slices.SortFunc(rows, func(a, b UsageRow) int {
		return cmp.Or(-cmp.Compare(a.VCoreHours, b.VCoreHours), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return rows, nil
}

// tokenLabels returns names and users of tokens. Of tokens that are gone, the user is known.
func (c *call) tokenLabels(gatewayIDs []string) (map[string]tokenLabel, error) {
	noted, err := c.Store.TokenUsers(c.ctx())
	if err != nil {
		return nil, err
	}
	labels := make(map[string]tokenLabel, len(noted))
	for id, user := range noted {
		labels[id] = tokenLabel{user: user}
	}
	refs, err := c.Store.TokenRefs(c.ctx(), gatewayIDs)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(refs))
	for i, ref := range refs {
		ids[i] = ref.ID
	}
	all, err := c.Tokens.ByID(c.ctx(), ids)
	for _, t := range all {
		labels[t.ID] = tokenLabel{t.Name, cmp.Or(labels[t.ID].user, t.User())}
	}
	return labels, err
}

// BudgetList is the budgets of the configuration.
type BudgetList struct {
	Budgets []Budget `json:"budgets"`
}

// Budget is a budget of the configuration, and what is used of it.
type Budget struct {
	Name string `json:"name"`
	// Per is "user", "token", "gateway" or "workspace".
	Per   string   `json:"per"`
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
	Name       string  `json:"name"`
	VCoreHours float64 `json:"vcoreHours"`
	GBHours    float64 `json:"gbHours"`
	// Ratio is the largest part of a bound that is used: 1 means that it is reached.
	Ratio float64 `json:"ratio"`
}

func (c *call) listBudgets() error {
	standings, err := c.Budgets.Current(c.ctx())
	if err != nil {
		return err
	}
	own, err := c.allOwnTokens()
	if err != nil {
		return err
	}
	settings, now := c.Budgets.Settings(), time.Now()
	list := BudgetList{Budgets: make([]Budget, len(settings.Budgets))}
	for i, b := range settings.Budgets {
		span := budgets.SpanOf(b.Period, now)
		list.Budgets[i] = Budget{
			Name: b.Name, Per: b.Per, Match: b.Match, Period: b.Period, From: span.From, Reset: span.Until,
			VCoreHours: Bounds(b.VCoreHours), GBHours: Bounds(b.GBHours),
			OnExceed: cmp.Or(b.OnExceed, budgets.Refuse), Used: []BudgetUse{},
		}
		for j := range standings {
			if s := &standings[j]; s.Budget.Name == b.Name && c.seesAccount(s.Account, own) {
				list.Budgets[i].Used = append(list.Budgets[i].Used, BudgetUse{
					s.Label, float64(s.Used.MilliCPUSeconds) / milliCPUHours, float64(s.Used.MBSeconds) / mbHours, s.Ratio(),
				})
			}
		}
	}
	return c.reply(http.StatusOK, list)
}

// seesAccount reports whether the caller may see what an account uses. What users and tokens use
// is in several workspaces, or has no known one, so others than their own need all of them.
func (c *call) seesAccount(a store.Account, own map[string]bool) bool {
	if c.reachIn(access.Everywhere) == access.All {
		return true
	}
	switch a.Per {
	case store.PerUser:
		return a.Name == c.rights.User
	case store.PerToken:
		return own[a.Name]
	case store.PerGateway:
		g := c.Manager.Known(a.Name)
		return g != nil && c.reachIn(g.Workspace) == access.All
	default:
		return c.reachIn(a.Name) == access.All
	}
}
