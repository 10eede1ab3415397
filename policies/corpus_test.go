package policies_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/policies"
	"github.com/livygateway/livygateway/policies/policytest"
)

// outcome is what the gateway does with a request.
type outcome struct {
	status  int
	message string
	method  string
	target  string
	body    []byte
	report  policies.Report
}

// run takes a case through the steps of the data path that concern policy.
func run(t testing.TB, c *policytest.Case) outcome {
	t.Helper()
	p, err := policies.Compile(c.Settings)
	if err != nil {
		t.Fatal(err)
	}
	path, query, _ := strings.Cut(c.Target, "?")
	req, err := livy.Match(c.Method, path, query)
	if err != nil {
		var refused *livy.Error
		if !errors.As(err, &refused) {
			t.Fatalf("not a *livy.Error: %v", err)
		}
		return outcome{status: refused.Status, message: refused.Message}
	}
	o := outcome{method: req.Method}
	o.target, _ = req.UpstreamURI(0)
	if err := p.AllowRoute(req.Route); err != nil {
		return outcome{status: 403, message: err.Error()}
	}
	encoding, kind := c.Header["Content-Encoding"], c.Header["Content-Type"]
	if req.Route.Create {
		var r policies.Result
		r, err = p.Create(req.Route.Kind, encoding, kind, bytes.NewReader(c.Bytes()))
		o.body, o.report = r.Body, r.Report
	} else {
		o.body, err = p.Small(req.Route, encoding, kind, bytes.NewReader(c.Bytes()))
	}
	if err != nil {
		status := 400
		switch gateway.KindOf(err) {
		case gateway.KindInvalid:
		case gateway.KindForbidden:
			status = 403
		case gateway.KindTooLarge:
			status = 413
		default:
			t.Errorf("kind of %v is %v", err, gateway.KindOf(err))
		}
		return outcome{status: status, message: err.Error(), report: o.report}
	}
	return o
}

func keys(entries []policies.Entry) []string {
	var out []string
	for _, e := range entries {
		out = append(out, e.Key)
	}
	return out
}

// compact is JSON without blanks; order counts.
func compact(t testing.TB, s string) string {
	t.Helper()
	v := jsontext.Value(s)
	if s == "" {
		return ""
	}
	if err := v.Compact(); err != nil {
		t.Fatalf("%v: %s", err, s)
	}
	return string(v)
}

func TestCorpus(t *testing.T) {
	cases := policytest.Load(t, "testdata")
	if len(cases) < 150 {
		t.Errorf("%d cases, want at least 150", len(cases))
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			o := run(t, &c)
			if o.status != c.Status || !strings.Contains(o.message, c.Refusal) {
				t.Fatalf("got %d %s %s\nwant %d %s", o.status, o.message, o.body, c.Status, c.Refusal)
			}
			if o.status != 0 {
				return
			}
			if o.method != c.WantMethod || o.target != c.WantTarget {
				t.Errorf("sent %s %s, want %s %s", o.method, o.target, c.WantMethod, c.WantTarget)
			}
			if want := compact(t, c.WantBody); string(o.body) != want {
				t.Errorf("sent %s\nwant %s", o.body, want)
			}
			for _, list := range []struct {
				name      string
				got, want []string
			}{
				{"ignored", keys(o.report.Ignored), c.Ignored},
				{"forced", keys(o.report.Forced), c.Forced},
				{"lowered", keys(o.report.Lowered), c.Lowered},
			} {
				if !slices.Equal(list.got, list.want) {
					t.Errorf("%s %q, want %q", list.name, list.got, list.want)
				}
			}
			for _, e := range slices.Concat(o.report.Ignored, o.report.Forced, o.report.Lowered) {
				if e.Rule == "" || e.Source == "" {
					t.Errorf("no rule or source: %+v", e)
				}
			}
		})
	}
}
