package livyhttp_test

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/internal/livy/livytest"
)

// TestAMisplacedTokenIsNotLogged sends a token in every wrong part of a request. The log has
// credentials enabled, so that Caddy hides nothing.
func TestAMisplacedTokenIsNotLogged(t *testing.T) {
	s := caddytest.New(t, livytest.New())
	s.Load(strings.Replace(s.Config, "livy {", "servers {\nlog_credentials\n}\nlivy {", 1))
	basic := base64.StdEncoding.EncodeToString([]byte("ann:" + s.Token))
	var percent, twice strings.Builder
	for _, c := range []byte(s.Token) {
		fmt.Fprintf(&percent, "%%%02X", c)
		fmt.Fprintf(&twice, "%%25%02x", c)
	}
	send := func(line string, headers ...string) string {
		t.Helper()
		conn, err := net.Dial("tcp", s.Address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		headers = append(headers, "Host: "+s.Address, "Connection: close")
		fmt.Fprintf(conn, "%s HTTP/1.1\r\n%s\r\n\r\n", line, strings.Join(headers, "\r\n"))
		r, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		defer r.Body.Close()
		return r.Status
	}
	for _, line := range []string{
		"GET " + caddytest.Prefix + "/sessions?token=" + s.Token,
		"GET " + caddytest.Prefix + "/sessions?livy_ui=x&token=" + s.Token,
		"GET " + caddytest.Prefix + "/sessions?" + s.Token + "=1;x",
		"GET " + caddytest.Prefix + "/sessions?token=" + strings.ReplaceAll(s.Token, "_", "%5f"),
		"GET " + caddytest.Prefix + "/sessions?token=" + percent.String(),
		"GET " + caddytest.Prefix + "/sessions?token=" + twice.String(),
		"GET " + caddytest.Prefix + "/sessions/" + s.Token,
		"GET " + caddytest.Prefix + "/" + percent.String() + "/sessions",
		"GET /api/v1/workspace/default/livycompute/" + s.Token + "/sessions",
		"GET /api/v1/workspace/" + s.Token + "/livycompute/etl/sessions",
		"GET " + caddytest.Prefix + "/spark-ui/" + s.Token + "/jobs/",
	} {
		send(line)
	}
	for _, header := range []string{
		"X-Livy-Token: " + s.Token, "X-Acs-Spark-Livy-Tokens: " + s.Token,
		"Cookie: a=b; t=" + s.Token, "Referer: http://x/?t=" + url.QueryEscape(s.Token), "User-Agent: " + s.Token,
		"Authorization: Bearer " + s.Token, "Authorization: Basic " + basic, "Proxy-Authorization: basic  " + basic,
		"X-Other: " + percent.String(),
	} {
		send("GET "+caddytest.Prefix+"/sessions", header)
	}
	if status := send("GET "+caddytest.Prefix+"/sessions", "X-Acs-Spark-Livy-Token: "+s.Token, "User-Agent: "+s.Token); status != "200 OK" {
		t.Errorf("with the token: %s", status)
	}
	log := strings.ToLower(s.Logged())
	if n := strings.Count(log, "handled request"); n != 21 {
		t.Errorf("%d lines of the access log, want 21", n)
	}
	for what, form := range map[string]string{
		"plain": s.Token, "encoded": percent.String(), "encoded twice": twice.String(), "partly encoded": strings.ReplaceAll(s.Token, "_", "%5f"),
		"a Basic login": basic,
	} {
		if at := strings.Index(log, strings.ToLower(form)); at >= 0 {
			t.Errorf("%s, it is in the log: ...%s", what, log[max(0, at-300):at+len(form)])
		}
	}
	if !strings.Contains(log, `"uri":"`+caddytest.Prefix+`/sessions?token=redacted"`) {
		t.Error("a token in the query is not shown as such")
	}
}
