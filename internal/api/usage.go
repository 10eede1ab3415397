package api

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/livygateway/livygateway/internal/access"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/sessions"
)

// UsageList is the usage of a gateway's tokens, by day and token.
type UsageList struct {
	Usage []sessions.Usage `json:"usage"`
}

// dayQuery returns a query parameter that is a day, or "".
func (c *call) dayQuery(name string) (string, error) {
	text, err := c.query(name)
	if err != nil || !c.has(name) {
		return "", err
	}
	if _, err := time.Parse(time.DateOnly, text); err != nil {
		return "", gateway.Invalid(name, text, "must be a day such as 2026-01-31")
	}
	return text, nil
}

func (c *call) usage() error {
	from, err := c.dayQuery("from")
	if err != nil {
		return err
	}
	until, err := c.dayQuery("until")
	if err != nil {
		return err
	}
	if from != "" && until != "" && from > until {
		return gateway.Invalid("until", until, "must not be earlier than from, "+from)
	}
	format, err := c.wordQuery("format", "json", "csv")
	if err != nil {
		return err
	}
	g, err := c.gateway()
	if err != nil {
		return err
	}
	usage, err := c.Manager.Ledger.Usage(c.ctx(), g.ID, from, until)
	if err != nil {
		return err
	}
	own, err := c.ownTokens(g.ID)
	if err != nil {
		return err
	}
	usage = slices.DeleteFunc(usage, func(u sessions.Usage) bool { return c.reach == access.Own && !own[u.TokenID] })
	if format != "csv" {
		return c.reply(http.StatusOK, UsageList{Usage: append([]sessions.Usage{}, usage...)})
	}
	w := c.csvReply()
	_ = w.Write([]string{"day", "gateway", "token", "vcoreHours", "gbHours"})
	for _, u := range usage {
		_ = w.Write([]string{
			u.Day, g.ID, u.TokenID,
			strconv.FormatFloat(u.VCoreHours, 'f', 6, 64), strconv.FormatFloat(u.GBHours, 'f', 6, 64),
		})
	}
	w.Flush()
	return nil
}
