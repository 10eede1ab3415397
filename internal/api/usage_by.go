package api

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

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
	// Days has the same by day, the days on which something was used.
	Days []UsageOfDay `json:"days"`
}

// UsageOfDay is what was used on one day.
type UsageOfDay struct {
	// Day is YYYY-MM-DD in UTC.
	Day        string  `json:"day"`
	VCoreHours float64 `json:"vcoreHours"`
	GBHours    float64 `json:"gbHours"`
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
	rows, days, err := c.usageRows(by, from, until)
	if err != nil {
		return err
	}
	if format != "csv" {
		return c.reply(http.StatusOK, UsageReport{By: by, From: from, Until: until, Usage: rows, Days: days})
	}
	w := c.csvReply()
	_ = w.Write([]string{"from", "until", by, "id", "workspace", "gateway", "vcoreHours", "gbHours"})
	for _, u := range rows {
		_ = w.Write([]string{
			from, until, csvText(u.Name), u.ID, u.Workspace, u.Gateway,
			strconv.FormatFloat(u.VCoreHours, 'f', 6, 64), strconv.FormatFloat(u.GBHours, 'f', 6, 64),
		})
	}
	w.Flush()
	return nil
}

// usageRows adds up what the caller may see, those with the most vCore-hours first, and by day.
func (c *call) usageRows(by, from, until string) ([]UsageRow, []UsageOfDay, error) {
	gateways, err := c.reached()
	if err != nil {
		return nil, nil, err
	}
	view := overviewOf{call: c, gateways: gateways, facts: &overviewFacts{}}
	if err := view.findOwn(); err != nil {
		return nil, nil, err
	}
	ids := slices.Collect(maps.Keys(gateways))
	// Live records first, as in Ledger.Usage.
	if view.facts.living, err = c.Store.LivingOf(c.ctx(), ids); err != nil {
		return nil, nil, err
	}
	if view.facts.usage, err = c.Store.UsageOf(c.ctx(), ids, from); err != nil {
		return nil, nil, err
	}
	labels, err := c.tokenLabels(ids)
	if err != nil {
		return nil, nil, err
	}
	sums, byDay := make(map[UsageRow]*UsageRow), make(map[string]UsageOfDay)
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
		vcore, gb := float64(u.MilliCPUSeconds)/milliCPUHours, float64(u.MBSeconds)/mbHours
		sums[key].VCoreHours += vcore
		sums[key].GBHours += gb
		day := byDay[u.Day]
		byDay[u.Day] = UsageOfDay{u.Day, day.VCoreHours + vcore, day.GBHours + gb}
	})
	rows := make([]UsageRow, 0, len(sums))
	for _, row := range sums {
		rows = append(rows, *row)
	}
	slices.SortFunc(rows, func(a, b UsageRow) int {
		return cmp.Or(-cmp.Compare(a.VCoreHours, b.VCoreHours), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	days := make([]UsageOfDay, 0, len(byDay))
	for _, day := range slices.Sorted(maps.Keys(byDay)) {
		days = append(days, byDay[day])
	}
	return rows, days, nil
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
