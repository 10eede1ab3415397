package livy_test

import (
	"errors"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/livy/livytest"
)

// canonical are the only request lines that may reach Livy, written down apart
// from the table.
var canonical = regexp.MustCompile(`^((GET|HEAD) /version|` +
	`(GET|HEAD) /(sessions|batches)(\?(from=-?\d+)?&?(size=-?\d+)?)?|POST /(sessions|batches)|` +
	`(GET|HEAD|DELETE) /(sessions|batches)/\d+|(GET|HEAD) /(sessions|batches)/\d+/state|` +
	`(GET|HEAD) /(sessions|batches)/\d+/log(\?(from=-?\d+)?&?(size=-?\d+)?)?|` +
	`(GET|HEAD) /sessions/\d+/statements(\?(from=-?\d+)?&?(size=-?\d+)?&?(order=desc)?)?|` +
	`(GET|HEAD) /sessions/\d+/(statements|jobs)/\d+|POST /sessions/\d+/(statements|jobs)/\d+/cancel|` +
	`POST /sessions/\d+/(stop|interrupt|connect|statements|completion|submit-job|run-job|upload-jar|upload-pyfile|upload-file|add-jar|add-pyfile|add-file))$`)

func FuzzPath(f *testing.F) {
	for _, l := range livytest.Mutations(7, 300) {
		path, query, _ := strings.Cut(l.Target, "?")
		f.Add(l.Method, path, query)
	}
	f.Fuzz(func(t *testing.T, method, path, query string) {
		req, err := livy.Match(method, path, query)
		if err != nil {
			var refused *livy.Error
			if !errors.As(err, &refused) || refused.Status < 400 || refused.Status > 405 {
				t.Fatalf("not a refusal: %v", err)
			}
			return
		}
		if req.Route.HasID && req.ID < 0 {
			if livy.BadName(req.Name) != "" || strings.ContainsAny(req.Name, "%?;\\") {
				t.Fatalf("a name that is none: %q", req.Name)
			}
			if uri, ok := req.UpstreamURI(0); ok {
				t.Fatalf("a name went upstream: %s", uri)
			}
			req.ID = 0
		}
		uri, ok := req.UpstreamURI(0)
		if !ok || !canonical.MatchString(req.Method+" "+uri) {
			t.Fatalf("%q %q %q became %s %s", method, path, query, req.Method, uri)
		}
		u, err := url.ParseRequestURI(uri)
		if err != nil || u.RequestURI() != uri || u.Path != u.EscapedPath() {
			t.Fatalf("another reading of %s: %v, %v", uri, u, err)
		}
		again, err := livy.Match(req.Method, u.Path, u.RawQuery)
		if err != nil || again.Route != req.Route || again.ID != req.ID || again.Query != req.Query {
			t.Fatalf("%s reads back as %+v, %v", uri, again, err)
		}
	})
}
