package integration

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// TestPublicEndpoint asks a gateway on both sides: where it is not public the
// public side answers, word for word, as it does for a gateway that does not exist.
func TestPublicEndpoint(t *testing.T) {
	c, _, _ := newFake(t)
	public, one := "127.0.0.1:"+sparePort(t), "127.0.0.1:"+sparePort(t)
	text, err := os.ReadFile(c.caddyfile)
	if err != nil {
		t.Fatal(err)
	}
	c.write(string(text) + fmt.Sprintf(`
http://%s {
	livy_gateway {
		public
	}
}
http://%s {
	livy_gateway etl {
		public
	}
}
`, public, one))
	c.reload()
	g, tok := c.show("etl"), c.newToken("etl").Token

	ask := func(base, method, path string) string {
		t.Helper()
		req, err := http.NewRequest(method, base+path, strings.NewReader(`{"kind":"sql"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set(tokenHeader, tok)
		req.Header.Set("Content-Type", "application/json")
		res, err := httpClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		res.Header.Del("Date")
		res.Header.Del("Content-Length") // names have lengths
		return fmt.Sprintf("%s %v\n%s", res.Status, res.Header, body)
	}
	site := func(address, name string) string {
		return "http://" + address + "/api/v1/workspace/default/livycompute/" + name
	}
	for _, r := range []struct{ method, path string }{
		{"GET", "/sessions"},
		{"POST", "/sessions"},
		{"GET", "/batches/0/log"},
		{"DELETE", "/sessions/0"},
		{"GET", "/version"},
		{"GET", ""},
		{"GET", "/ui"},
		{"PUT", "/sessions"},
		{"GET", "/sessions;x"},
		{"GET", "/sessions?doAs=root"},
		{"OPTIONS", "/batches"},
	} {
		want := ask(site(public, "nobody"), r.method, r.path)
		for _, name := range []string{"etl", g.ID} {
			if got := strings.ReplaceAll(ask(site(public, name), r.method, r.path), name, "nobody"); got != want {
				t.Errorf("%s %s of a private gateway:\n%s\nof none:\n%s", r.method, r.path, got, want)
			}
		}
		if got := strings.ReplaceAll(ask("http://"+one, r.method, r.path), "etl", "nobody"); got != want {
			t.Errorf("%s %s on its own public site:\n%s\nof none:\n%s", r.method, r.path, got, want)
		}
	}
	if got := ask(site(c.all, "etl"), "GET", "/sessions"); !strings.HasPrefix(got, "200") {
		t.Errorf("on the internal side: %s", got)
	}

	c.livy("gateway", "update", "etl", "--public")
	for _, base := range []string{site(public, "etl"), site(public, g.ID), "http://" + one, site(c.all, "etl")} {
		eventually(t, 10*time.Second, "the public gateway at "+base, func() bool {
			return strings.HasPrefix(ask(base, "GET", "/sessions"), "200")
		})
	}
	if got := ask(site(public, "nobody"), "GET", "/sessions"); !strings.HasPrefix(got, "404") {
		t.Errorf("another gateway: %s", got)
	}
}
