package integration

import (
	"bytes"
	"encoding/base64"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/store/storetest"
)

// assertNowhere searches for a token's text: in Caddy's log and files, in all
// that Redis ever wrote (its append-only file), in records, and in what the
// gateway's Livy server and Spark wrote.
func assertNowhere(t testing.TB, secret string, c *caddy, redis *storetest.Server, g gateway) {
	t.Helper()
	places := map[string]string{
		"Caddy's log":                  c.log(),
		"the records":                  c.livy("session", "list", "--gateway", g.ID, "--json"),
		"the list of tokens":           c.livy("token", "list", "--gateway", g.ID, "--json"),
		"the gateway":                  c.livy("gateway", "show", g.ID, "--json"),
		"the output of Livy and Spark": c.livy("gateway", "logs", g.ID, "--lines", "10000"),
	}
	searched := 0
	for _, dir := range []string{redis.Dir(), c.dir} {
		searched += readAll(t, dir, places)
	}
	if searched == 0 {
		t.Error("no file was searched")
	}
	if !strings.Contains(places["Caddy's log"], `"handled request"`) {
		t.Error("there is no access log to search")
	}
	forms := map[string]string{
		"in clear":        secret,
		"its second half": secret[len(secret)/2:],
		"in base64":       base64.StdEncoding.EncodeToString([]byte(secret)),
		"in Basic":        base64.StdEncoding.EncodeToString([]byte("anybody:" + secret)),
	}
	for place, text := range places {
		for form, needle := range forms {
			if strings.Contains(text, needle) {
				t.Errorf("the token (%s) is in %s", form, place)
			}
		}
	}
}

// readAll adds the files below dir to places and returns how many they are.
func readAll(t testing.TB, dir string, places map[string]string) (n int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		places[path] = string(text)
		n++
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return n
}

// TestTokenStaysAtTheGate sends a token in every place that is accepted for one
// and searches for it in what Livy received.
func TestTokenStaysAtTheGate(t *testing.T) {
	c, fake, redis := newFake(t)
	g := c.show("etl")
	tok := c.newToken("etl")
	(client{t, c.url("etl"), tok.Token}).expect(http.StatusCreated, "POST", "/sessions", map[string]any{"kind": "pyspark"}, nil)
	for _, set := range []func(*http.Request){
		func(r *http.Request) { r.Header.Set(tokenHeader, tok.Token) },
		func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+tok.Token) },
		func(r *http.Request) { r.SetBasicAuth("anybody", tok.Token) },
		func(r *http.Request) { // beside the real one, where clients might leave it
			r.Header.Set(tokenHeader, tok.Token)
			r.Header.Set("Cookie", "token="+tok.Token)
			r.Header.Set("Authorization", "Bearer "+tok.Token)
		},
	} {
		req, err := http.NewRequest("GET", c.url("etl")+"/sessions/0", nil)
		if err != nil {
			t.Fatal(err)
		}
		set(req)
		res, err := httpClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("with %v: %s", req.Header, res.Status)
		}
	}
	// Refused tokens are as secret: a typing error is nearly the real one.
	wrong := wrongSecret(tok.Token)
	(client{t, c.url("etl"), wrong}).expect(http.StatusUnauthorized, "GET", "/sessions", nil, nil)
	// So are good ones at the wrong address.
	(client{t, c.url("nobody"), tok.Token}).expect(http.StatusNotFound, "GET", "/sessions", nil, nil)
	(client{t, c.url("etl"), tok.Token}).expect(http.StatusNotFound, "GET", "/nothing", nil, nil)

	seen := fake.received()
	if len(seen) < 5 {
		t.Fatalf("Livy received %d requests only", len(seen))
	}
	for _, dump := range seen {
		if bytes.Contains(dump, []byte(tok.Token)) || bytes.Contains(bytes.ToLower(dump), []byte(tokenHeader)) {
			t.Errorf("Livy received a token:\n%s", dump)
		}
	}
	assertNowhere(t, tok.Token, c, redis, g)
	assertNowhere(t, wrong, c, redis, g)
}
