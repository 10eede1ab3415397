package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/api"
)

// TestIfNoneMatch reads everything twice: what is the same is not sent again.
func TestIfNoneMatch(t *testing.T) {
	c := newClient(t)
	one := base + "/etl"
	having := func(tag string) *client {
		return &client{t: t, handler: c.handler, header: http.Header{"If-None-Match": {tag}}}
	}
	c.do("POST", base, `{"name":"etl"}`, http.StatusCreated, nil)
	var made api.NewToken
	if tag := c.do("POST", one+"/tokens", `{"name":"a"}`, http.StatusCreated, &made).Get("ETag"); strings.Contains(tag, "-") {
		t.Errorf("the reply with the token's text has the ETag %s, with a digest of it", tag)
	}
	token := one + "/tokens/" + made.ID
	for _, path := range []string{
		one, token, base, one + "/tokens", one + "/records", one + "/policy",
		"/v1/catalog", "/v1/environments", "/v1/environments/analytics", "/v1/openapi.json",
	} {
		header := c.do("GET", path, "", http.StatusOK, nil)
		tag := header.Get("ETag")
		if len(tag) < 10 || header.Get("Cache-Control") != "private, no-cache" {
			t.Errorf("%s: ETag %s, Cache-Control %q", path, tag, header.Get("Cache-Control"))
		}
		for _, named := range []string{tag, "W/" + tag, `"other", ` + tag, "*"} {
			if got := having(named).do("GET", path, "", http.StatusNotModified, nil); got.Get("ETag") != tag || got.Get("Content-Type") != "" {
				t.Errorf("%s with %s: %v", path, named, got)
			}
		}
		for _, named := range []string{`"other"`, "nonsense", "", tag[1 : len(tag)-1]} {
			having(named).do("GET", path, "", http.StatusOK, nil)
		}
	}
	tag := c.do("GET", token, "", http.StatusOK, nil).Get("ETag")
	c.do("POST", token+"/disable", "", http.StatusOK, nil)
	having(tag).do("GET", token, "", http.StatusOK, nil)

	tag = c.do("GET", "/v1/environments/analytics", "", http.StatusOK, nil).Get("ETag")
	c.do("PATCH", one, `{"environment":"analytics"}`, http.StatusOK, nil)
	having(tag).do("GET", "/v1/environments/analytics", "", http.StatusOK, nil) // it is used now

	// It is for reads of what is there.
	having("*").do("GET", base+"/other", "", http.StatusNotFound, nil)
	having("*").do("PATCH", one, `{"cpu":2}`, http.StatusOK, nil)
	if header := having("*").do("GET", "/v1/health", "", http.StatusOK, nil); header.Get("ETag") != "" || header.Get("Cache-Control") != "no-store" {
		t.Errorf("health: %v", header)
	}
}
