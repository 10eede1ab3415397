package api

import (
	"encoding/csv"
	"strings"
)

// csvReply begins a reply in CSV.
func (c *call) csvReply() *csv.Writer {
	c.w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	return csv.NewWriter(c.w)
}

// csvText is a cell with a text that people choose. Spreadsheets take a text for a formula if it
// begins with one of these characters; the apostrophe makes them show it as it is.
func csvText(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", []rune(s)[0]) {
		return "'" + s
	}
	return s
}
