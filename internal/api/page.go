package api

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
)

// Default and maximum of the limit parameter.
const (
	defaultLimit = 100
	maxLimit     = 1000
)

// page is the requested part of a list.
type page struct{ offset, limit int }

// page reads offset and limit.
func (c *call) page() (p page, err error) {
	if p.offset, err = c.intQuery("offset", 0, 0, 1<<30); err != nil {
		return p, err
	}
	p.limit, err = c.intQuery("limit", defaultLimit, 1, maxLimit)
	return p, err
}

// more sets a Link header to the next page, if there is one.
func (c *call) more(p page, total int64) {
	if next := p.offset + p.limit; int64(next) < total {
		c.linkNext("offset", strconv.Itoa(next))
	}
}

// linkNext sets a Link header to the page that one changed query parameter leads to. The link is
// relative, so that it does not depend on where the API is mounted.
func (c *call) linkNext(name, value string) {
	q := c.r.URL.Query()
	q.Set(name, value)
	c.w.Header().Set("Link", `<?`+q.Encode()+`>; rel="next"`)
}

// cut returns a page of a complete list.
func cut[T any](all []T, p page) []T {
	from := min(p.offset, len(all))
	return all[from:min(len(all), from+p.limit)]
}

// intQuery returns a query parameter that is a number within bounds.
func (c *call) intQuery(name string, fallback, least, most int) (int, error) {
	text, err := c.query(name)
	if err != nil || !c.has(name) {
		return fallback, err
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, gateway.Invalid(name, text, "must be a number from "+strconv.Itoa(least)+" to "+strconv.Itoa(most))
	}
	return n, nil
}

// boolQuery returns a query parameter that is true or false; false by default.
func (c *call) boolQuery(name string) (bool, error) {
	text, err := c.query(name)
	switch {
	case err != nil:
		return false, err
	case text == "true":
		return true, nil
	case text == "false" || !c.has(name):
		return false, nil
	default:
		return false, gateway.Invalid(name, text, "must be true or false")
	}
}

// wordQuery returns a query parameter that is one of the given words, the first of which is the
// default; an empty word means that the parameter may be omitted.
func (c *call) wordQuery(name string, words ...string) (string, error) {
	text, err := c.query(name)
	if err != nil || !c.has(name) {
		return words[0], err
	}
	for _, word := range words {
		if text == word && text != "" {
			return word, nil
		}
	}
	return "", gateway.Invalid(name, text, "must be "+strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " or "))
}

// timeQuery returns a query parameter that is a time.
func (c *call) timeQuery(name string) (time.Time, error) {
	text, err := c.query(name)
	if err != nil || !c.has(name) {
		return time.Time{}, err
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t, err = time.Parse(time.DateOnly, text)
	}
	if err != nil {
		return t, gateway.Invalid(name, text, "must be a time such as 2026-01-31T12:00:00Z, or a day such as 2026-01-31 (UTC)")
	}
	return t, nil
}

// query returns a query parameter, which may be given only once.
func (c *call) span() (from, until time.Time, err error) {
	if from, err = c.timeQuery("from"); err != nil {
		return from, until, err
	}
	if until, err = c.timeQuery("until"); err != nil {
		return from, until, err
	}
	if !until.IsZero() && !from.IsZero() && !from.Before(until) {
		return from, until, gateway.Invalid("until", until.Format(time.RFC3339), "must be later than from, "+from.Format(time.RFC3339))
	}
	return from, until, nil
}

// query is a query parameter, which may be given once.
func (c *call) query(name string) (string, error) {
	values := c.values()[name]
	if len(values) > 1 {
		return "", gateway.Invalid(name, values[1], "must be given only once")
	}
	return c.values().Get(name), nil
}

func (c *call) has(name string) bool { return c.values().Has(name) }

func (c *call) values() url.Values { return c.r.URL.Query() }
