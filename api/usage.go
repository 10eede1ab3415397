package api

import (
	"encoding/csv"
	"net/http"
	"strconv"
	"time"

	"github.com/livygateway/livygateway/gateway"
	"github.com/livygateway/livygateway/sessions"
)

// UsageList is what a gateway's tokens used, by day and token.
type UsageList struct {
	Usage []sessions.Usage `json:"usage"`
}

// usage answers GET .../usage: vCore-hours and GB-hours by day (UTC) and token,
// what lives included up to now. Query: from and until (YYYY-MM-DD, both
// included), format (json or csv).
func (c *call) usage() error {
	g, err := c.gateway()
	if err != nil {
		return err
	}
	q := c.r.URL.Query()
	for _, name := range []string{"from", "until"} {
		if text := q.Get(name); text != "" {
			if _, err := time.Parse(time.DateOnly, text); err != nil {
				return gateway.Invalid(name, text, "must be a day such as 2026-01-31")
			}
		}
	}
	format := q.Get("format")
	if format != "" && format != "json" && format != "csv" {
		return gateway.Invalid("format", format, "must be json or csv")
	}
	usage, err := c.Manager.Ledger.Usage(c.r.Context(), g.ID, q.Get("from"), q.Get("until"))
	if err != nil {
		return err
	}
	if format != "csv" {
		return c.reply(http.StatusOK, UsageList{Usage: usage})
	}
	c.w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w := csv.NewWriter(c.w)
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
