package api_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
)

const planted = "hunter2-planted-secret"

// TestAudit makes every kind of change and looks for each in the audit, and for the
// secrets that were planted in them.
func TestAudit(t *testing.T) {
	c := newClient(t)
	var g api.Gateway
	c.do("POST", base, `{"name":"etl","livyConf":"livy.x.password = `+planted+`\n","policyRules":"allow spark.x.token `+planted+`\n"}`, 201, &g)
	c.do("PATCH", base+"/etl", `{"queue":"root.etl","sparkDefaults":"spark.ssl.keyPassword `+planted+`\n"}`, 200, nil)
	c.do("PATCH", base+"/etl", `{"queue":"root.evil"}`, 400, nil)
	c.do("POST", base+"/etl/start", "", 202, nil)
	c.await("etl", gateway.StateRunning)
	c.do("POST", base+"/etl/restart", "", 202, nil)
	c.await("etl", gateway.StateRunning)
	c.do("POST", base+"/etl/stop", "", 202, nil)
	c.await("etl", gateway.StateStopped)
	var made api.NewToken
	c.do("POST", base+"/etl/tokens", `{"name":"airflow","token":"`+planted+`"}`, 201, &made)
	one := base + "/etl/tokens/" + made.ID
	c.do("PATCH", one, `{"queue":"root.adhoc"}`, 200, nil)
	var again api.NewToken
	c.do("POST", one+"/reset", `{"overlapHours":1}`, 200, &again)
	c.do("POST", one+"/disable", "", 200, nil)
	c.do("POST", one+"/enable", "", 200, nil)
	c.do("DELETE", one, "", 204, nil)
	c.do("DELETE", base+"/etl", "", 204, nil)

	var list api.AuditList
	c.do("GET", "/v1/audit", "", 200, &list)
	text := fmt.Sprintf("%+v", list)
	done := map[string]*store.AuditEntry{}
	for _, e := range list.Entries {
		done[e.Action] = e
		text += fmt.Sprintf("%+v", *e)
	}
	for _, secret := range []string{planted, made.Secret, again.Secret} {
		if strings.Contains(text, secret) {
			t.Errorf("the audit has the secret %q", secret)
		}
	}
	for _, action := range []string{
		"gateway.create", "gateway.update", "gateway.start", "gateway.restart", "gateway.stop", "gateway.delete",
		"token.create", "token.update", "token.reset", "token.disable", "token.enable", "token.revoke",
	} {
		e := done[action]
		if e == nil {
			t.Errorf("the audit has no %s", action)
			continue
		}
		if e.Actor != "tester" || e.Address != "192.0.2.1" || e.GatewayID != g.ID || e.Outcome != "done" {
			t.Errorf("%s: %+v", action, e)
		}
	}
	for _, action := range []string{"gateway.running", "gateway.stopped"} {
		if e := done[action]; e == nil || e.Actor != gateway.SystemActor || e.Address != "" {
			t.Errorf("%s: %+v", action, e)
		}
	}
	if e := done["gateway.update"]; e != nil && (e.Before["queue"] != nil || e.After["queue"] != "root.etl" || e.After["cpu"] != nil) {
		t.Errorf("a change is told as %v to %v", e.Before, e.After)
	}
	if e := done["token.disable"]; e != nil && (len(e.Before) != 0 || len(e.After) != 1 || e.After["disabled"] != true || e.Target != made.ID) {
		t.Errorf("disabling is told as %+v", e)
	}

	c.do("GET", "/v1/audit?gateway=etl&action=token&actor=tester", "", 200, &list)
	for _, e := range list.Entries {
		if !strings.HasPrefix(e.Action, "token.") {
			t.Errorf("a filter lets %s through", e.Action)
		}
	}
	c.do("GET", "/v1/audit?actor=nobody", "", 200, &list)
	if len(list.Entries) != 0 {
		t.Errorf("nobody did %d things", len(list.Entries))
	}

	var paged []string
	for next, pages := "?limit=3", 0; next != ""; pages++ {
		var page api.AuditList
		h := c.do("GET", "/v1/audit"+next, "", 200, &page)
		for _, e := range page.Entries {
			paged = append(paged, e.ID)
		}
		if next = ""; page.Next != "" {
			next = "?limit=3&cursor=" + page.Next
			if !strings.Contains(h.Get("Link"), page.Next) {
				t.Errorf("Link is %q", h.Get("Link"))
			}
		}
		if pages > 100 {
			t.Fatal("the pages do not end")
		}
	}
	w := httptest.NewRecorder()
	c.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/audit/export", http.NoBody))
	var exported []string
	for lines := bufio.NewScanner(w.Body); lines.Scan(); {
		var e store.AuditEntry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		exported = append(exported, e.ID)
	}
	if len(exported) < len(done) || fmt.Sprint(exported) != fmt.Sprint(paged) {
		t.Errorf("exported %d entries, paged through %d", len(exported), len(paged))
	}
}

func TestIfMatch(t *testing.T) {
	c := newClient(t)
	one := base + "/etl"
	tag := c.do("POST", base, `{"name":"etl"}`, 201, nil).Get("ETag")
	if !strings.HasPrefix(tag, `"1-`) || c.do("GET", one, "", 200, nil).Get("ETag") != tag {
		t.Fatalf("ETag %q", tag)
	}
	with := func(tag string) *client {
		return &client{t: t, handler: c.handler, header: http.Header{"If-Match": {tag}}}
	}
	next := with(tag).do("PATCH", one, `{"cpu":2}`, 200, nil).Get("ETag")
	if next == tag {
		t.Error("the ETag stays after a change")
	}
	for _, call := range [][2]string{{"PATCH", one}, {"DELETE", one}, {"POST", one + "/start"}, {"POST", one + "/stop"}, {"POST", one + "/restart"}} {
		body := ""
		if call[0] == "PATCH" {
			body = `{"cpu":4}`
		}
		with(tag).do(call[0], call[1], body, http.StatusPreconditionFailed, nil)
		with("nonsense").do(call[0], call[1], body, http.StatusBadRequest, nil)
	}
	with("*").do("PATCH", one, `{"cpu":1}`, 200, nil)
	// The revision counts; Caddy's encode handler adds its name.
	for _, form := range []string{`"%d"`, `"%d-gzip"`, `"%d-0123-zstd"`} {
		var g api.Gateway
		c.do("GET", one, "", 200, &g)
		with(fmt.Sprintf(form, g.Revision)).do("PATCH", one, `{"cpu":1}`, 200, nil)
		with(fmt.Sprintf(form, g.Revision+9)).do("PATCH", one, `{"cpu":1}`, http.StatusPreconditionFailed, nil)
	}

	var made api.NewToken
	tag = c.do("POST", one+"/tokens", `{"name":"a"}`, 201, &made).Get("ETag")
	token := one + "/tokens/" + made.ID
	if with(tag).do("PATCH", token, `{"name":"b"}`, 200, nil).Get("ETag") == tag {
		t.Error("the token's ETag stays after a change")
	}
	for _, call := range [][3]string{
		{"PATCH", "", `{"name":"c"}`},
		{"DELETE", "", ""},
		{"POST", "/disable", ""},
		{"POST", "/enable", ""},
		{"POST", "/reset", "{}"},
	} {
		with(tag).do(call[0], token+call[1], call[2], http.StatusPreconditionFailed, nil)
	}
	tag = c.do("GET", token, "", 200, nil).Get("ETag")
	with(tag).do("DELETE", token, "", 204, nil)
	tag = c.do("GET", one, "", 200, nil).Get("ETag")
	with(`"998", `+tag).do("DELETE", one, "", 204, nil)
}

func TestPages(t *testing.T) {
	c := newClient(t)
	for i := range 5 {
		c.do("POST", base, fmt.Sprintf(`{"name":"g%d"}`, i), 201, nil)
		c.do("POST", base+"/g0/tokens", fmt.Sprintf(`{"name":"t%d"}`, i), 201, nil)
	}
	var all api.GatewayList
	h := c.do("GET", "/v1/gateways?limit=2&offset=1", "", 200, &all)
	if all.Total != 5 || len(all.Gateways) != 2 || all.Gateways[0].Spec.Name != "g1" || h.Get("Link") != `<?limit=2&offset=3>; rel="next"` {
		t.Errorf("page %+v, %q", all, h.Get("Link"))
	}
	h = c.do("GET", base+"?offset=4", "", 200, &all)
	if all.Total != 5 || len(all.Gateways) != 1 || h.Get("Link") != "" {
		t.Errorf("last page %+v, %q", all, h.Get("Link"))
	}
	var list api.TokenList
	h = c.do("GET", base+"/g0/tokens?limit=4", "", 200, &list)
	if list.Total != 5 || len(list.Tokens) != 4 || list.Tokens[0].Name != "t0" || h.Get("Link") == "" {
		t.Errorf("page %+v, %q", list, h.Get("Link"))
	}
	for _, bad := range []string{"limit=0", "limit=1001", "offset=-1", "offset=x", "limit=1&limit=2"} {
		c.do("GET", base+"?"+bad, "", 400, nil)
	}
}

func TestHTTP(t *testing.T) {
	c := newClient(t)
	if allow := c.do("PUT", base, "{}", 405, nil).Get("Allow"); allow != "GET, HEAD, POST" {
		t.Errorf("Allow is %q", allow)
	}
	if allow := c.do("DELETE", base+"/etl/records/export", "", 404, nil).Get("Allow"); allow != "" {
		t.Errorf("Allow is %q", allow)
	}
	if allow := c.do("PATCH", base+"/etl/records/export", "", 405, nil).Get("Allow"); allow != "GET, HEAD" {
		t.Errorf("Allow is %q", allow)
	}
	c.do("GET", "/v1/audit?gatway=etl", "", 400, nil)
	c.do("GET", "/v1//gateways", "", 404, nil)
	c.do("GET", "/v1/gateways/", "", 404, nil)
	form := &client{t: t, handler: c.handler, header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}}
	form.do("POST", base, `{"name":"etl"}`, 415, nil)
	var doc map[string]any
	c.do("GET", "/v1/openapi.json", "", 200, &doc)
	if doc["openapi"] != "3.1.0" {
		t.Errorf("openapi is %v", doc["openapi"])
	}
	var h map[string]any
	c.do("POST", base, `{"name":"etl","start":true}`, 201, nil)
	c.await("etl", gateway.StateRunning) // so the gateways have been read
	c.do("GET", "/v1/health", "", 200, &h)
	if h["ready"] != true || h["live"] != true {
		t.Errorf("health %v", h)
	}
}

// Whoever is called as the gateway calls itself is told from it.
func TestNobodyPassesForTheGateway(t *testing.T) {
	c := newClient(t)
	for i, name := range []string{gateway.SystemActor, gateway.ConfigActor} {
		c.actor = name
		var g api.Gateway
		c.do("POST", base, fmt.Sprintf(`{"name":"g%d"}`, i), 201, &g)
		var list api.AuditList
		c.do("GET", "/v1/audit?limit=1", "", 200, &list)
		if e := list.Entries[0]; e.Actor != "user "+name || e.Address != "192.0.2.1" || g.CreatedBy != e.Actor || g.History[0].Actor != e.Actor {
			t.Errorf("what %q did is told as %+v; %+v", name, e, g.Gateway)
		}
	}
}
