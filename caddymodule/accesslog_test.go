package caddymodule

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/livy/livytest"
)

// TestAMisplacedTokenIsNotLogged sends a token in every part of a request but the ones
// that are meant for it. The log has credentials switched on, so that nothing is
// hidden by Caddy.
func TestAMisplacedTokenIsNotLogged(t *testing.T) {
	s := newSite(t, livytest.New())
	s.load(strings.Replace(s.config, "livy {", "servers {\nlog_credentials\n}\nlivy {", 1))
	basic := base64.StdEncoding.EncodeToString([]byte("ann:" + s.token))
	var percent, twice strings.Builder
	for _, c := range []byte(s.token) {
		fmt.Fprintf(&percent, "%%%02X", c)
		fmt.Fprintf(&twice, "%%25%02x", c)
	}
	send := func(line string, headers ...string) string {
		t.Helper()
		conn, err := net.Dial("tcp", s.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		headers = append(headers, "Host: "+s.address, "Connection: close")
		fmt.Fprintf(conn, "%s HTTP/1.1\r\n%s\r\n\r\n", line, strings.Join(headers, "\r\n"))
		r, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		defer r.Body.Close()
		return r.Status
	}
	for _, line := range []string{
		"GET " + prefix + "/sessions?token=" + s.token,
		"GET " + prefix + "/sessions?livy_ui=x&token=" + s.token,
		"GET " + prefix + "/sessions?" + s.token + "=1;x",
		"GET " + prefix + "/sessions?token=" + strings.ReplaceAll(s.token, "_", "%5f"),
		"GET " + prefix + "/sessions?token=" + percent.String(),
		"GET " + prefix + "/sessions?token=" + twice.String(),
		"GET " + prefix + "/sessions/" + s.token,
		"GET " + prefix + "/" + percent.String() + "/sessions",
		"GET /api/v1/workspace/default/livycompute/" + s.token + "/sessions",
		"GET /api/v1/workspace/" + s.token + "/livycompute/etl/sessions",
		"GET " + prefix + "/spark-ui/" + s.token + "/jobs/",
	} {
		send(line)
	}
	for _, header := range []string{
		"X-Livy-Token: " + s.token, "X-Acs-Spark-Livy-Tokens: " + s.token,
		"Cookie: a=b; t=" + s.token, "Referer: http://x/?t=" + url.QueryEscape(s.token), "User-Agent: " + s.token,
		"Authorization: Bearer " + s.token, "Authorization: Basic " + basic, "Proxy-Authorization: basic  " + basic,
		"X-Other: " + percent.String(),
	} {
		send("GET "+prefix+"/sessions", header)
	}
	if status := send("GET "+prefix+"/sessions", "X-Acs-Spark-Livy-Token: "+s.token, "User-Agent: "+s.token); status != "200 OK" {
		t.Errorf("with the token: %s", status)
	}
	log := strings.ToLower(s.logged())
	if n := strings.Count(log, "handled request"); n != 21 {
		t.Errorf("%d lines of the access log, want 21", n)
	}
	for what, form := range map[string]string{
		"plain": s.token, "encoded": percent.String(), "encoded twice": twice.String(), "partly encoded": strings.ReplaceAll(s.token, "_", "%5f"),
		"a Basic login": basic,
	} {
		if at := strings.Index(log, strings.ToLower(form)); at >= 0 {
			t.Errorf("%s, it is in the log: ...%s", what, log[max(0, at-300):at+len(form)])
		}
	}
	if !strings.Contains(log, `"uri":"`+prefix+`/sessions?token=redacted"`) {
		t.Error("a token in the query is not shown as such")
	}
}

func TestMaskHeader(t *testing.T) {
	const secret = "lgw_0123456789abcdef_0123456789ABCDEFabcdefXYZxyz0000_0FrxTk"
	harmless := http.Header{"Accept": {"*/*"}, "Cookie": {"a=b", "c=d"}}
	if got := maskHeader(harmless); reflect.ValueOf(got).Pointer() != reflect.ValueOf(harmless).Pointer() {
		t.Errorf("a harmless header is copied: %v", got)
	}
	header := harmless.Clone()
	header.Add("Cookie", "t="+secret)
	header.Set(secret, "1")
	got := maskHeader(header)
	if want := (http.Header{"Accept": {"*/*"}, "Cookie": {"a=b", "c=d", "t=REDACTED"}, "Redacted": {"1"}}); !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if header.Get(secret) != "1" || header["Cookie"][2] != "t="+secret {
		t.Errorf("the header itself is changed: %v", header)
	}
}
