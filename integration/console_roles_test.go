package integration

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/store/storetest"
)

// rolesBlock gives each role to the user who is called so.
const rolesBlock = `
		roles {
			admin user admin
			workspace default {
				operator user operator
				member   user member
				viewer   user viewer
			}
		}`

// controls is JavaScript for the names of all controls of a page, between commas. Menus
// count too, whether open or not.
const controls = `',' + [...document.querySelectorAll('main button, main a')].map(e => e.textContent.trim()).join() + ','`

// offers compares the controls of the page with those that are to be there, and not.
func (w *consoleWorld) offers(role, shown, hidden string) {
	w.t.Helper()
	seen := w.text(controls)
	for name := range strings.SplitSeq(shown, ", ") {
		if name != "" && !strings.Contains(seen, ","+name+",") {
			w.t.Errorf("%s is not offered %s: %s", role, name, seen)
		}
	}
	for name := range strings.SplitSeq(hidden, ", ") {
		if name != "" && strings.Contains(seen, ","+name+",") {
			w.t.Errorf("%s is offered %s: %s", role, name, seen)
		}
	}
}

// refused makes a call from the page, past what it offers.
func (w *consoleWorld) refused(method, path, rule string) {
	w.t.Helper()
	var reply struct {
		Status int
		Detail string
	}
	body := ""
	if method == http.MethodPost && !strings.HasSuffix(path, "/stop") || method == http.MethodPatch {
		body = `headers: {'Content-Type': 'application/json'}, body: '{"name":"x"}'`
	}
	w.eval(fmt.Sprintf(`fetch(location.origin + %s, {method: %s, %s}).then(async r => ({status: r.status, detail: (await r.json()).detail}))`,
		quoted(path), quoted(method), body), &reply)
	if reply.Status != http.StatusForbidden || !strings.Contains(reply.Detail, rule) {
		w.t.Errorf("%s %s: %d %q, want 403 %q", method, path, reply.Status, reply.Detail, rule)
	}
}

// TestConsoleWithRoles logs in with each role, which the server itself decides: the page
// offers what it allows, and what the page does not offer is refused.
func TestConsoleWithRoles(t *testing.T) {
	needBrowser(t)
	_, block := livyDouble(t)
	c, site := startConsole(t, storetest.StartServer(t).Addr(), block+rolesBlock, "", "admin", "operator", "member", "viewer")
	c.newGateway("etl")
	const etl = "/v1/workspaces/default/gateways/etl"
	airflow := client{t: t, base: c.url("etl"), token: c.newToken("etl", "--name", "airflow").Token}
	airflow.expect(http.StatusCreated, "POST", "/sessions", map[string]any{"kind": "pyspark"}, nil)

	as := func(t *testing.T, role string) *consoleWorld {
		t.Helper()
		w := openConsole(t, c, site, role+":secret-of-ann")
		w.await("the list", `document.querySelector('tbody')?.innerText.includes('etl') && document.querySelector('.who')?.innerText.includes(`+quoted(role)+`)`)
		return w
	}
	t.Run("viewer", func(t *testing.T) {
		w := as(t, "viewer")
		w.await("the live session", `document.querySelector('td[data-label=Live]')?.innerText.trim() === '1'`)
		w.offers("a viewer", "etl, Sessions", "Create Livy Gateway, Start, Stop, Edit, Restart…, Tokens, Logs, Delete…")
		w.place("#/gateways/default/etl/sessions")
		w.shows("session 0")
		w.offers("a viewer", "session 0", "Close, Stop, Edit, Tokens, Logs, Audit, Delete…")
		w.refused("POST", etl+"/stop", "this requires the role operator")
		w.refused("POST", etl+"/start", "this requires the role member")
		w.refused("POST", etl+"/tokens", "this requires the role")
		w.refused("DELETE", etl, "this requires the role admin")
	})
	t.Run("member", func(t *testing.T) {
		w := as(t, "member")
		w.await("no live session that is not its own", `document.querySelector('td[data-label=Live]')?.innerText.trim() === '0'`)
		w.offers("a member", "Tokens, Sessions", "Create Livy Gateway, Stop, Edit, Restart…, Logs, Delete…")
		w.place("#/gateways/default/etl/tokens")
		w.press("Create Token")
		w.fill("Name", "mine")
		w.press("Create")
		w.shows("Copy the token now")
		mine := client{t: t, base: c.url("etl"), token: w.text("document.querySelector('[data-secret]').innerText")}
		w.tick("I have copied it")
		w.press("Done")
		w.await("its own token alone", `(rows => rows.length === 1 && rows[0].innerText.includes('mine'))(document.querySelectorAll('tbody tr'))`)
		mine.expect(http.StatusCreated, "POST", "/sessions", map[string]any{"kind": "pyspark"}, nil)
		w.place("#/gateways/default/etl/sessions")
		w.await("its own session alone", `(rows => rows.length === 1 && rows[0].innerText.includes('session 1'))(document.querySelectorAll('tbody tr'))`)
		w.press("Close session 1")
		w.press("Close the session")
		w.await("the session's end", `['killed', 'gone', 'dead'].includes(document.querySelector('tbody .state')?.innerText)`)
		w.refused("POST", etl+"/stop", "this requires the role operator")
		w.refused("GET", etl+"/logs", "this requires the role operator")
		w.refused("PATCH", etl, "this requires the role admin")
		w.refused("DELETE", etl, "this requires the role admin")
	})
	t.Run("operator", func(t *testing.T) {
		w := as(t, "operator")
		w.offers("an operator", "Stop, Restart…, Tokens, Logs, Sessions", "Create Livy Gateway, Edit, Delete…")
		w.press("Stop etl")
		w.press("Stop")
		w.await("the gateway stopped", `document.querySelector('tbody .state')?.innerText === 'Stopped'`)
		w.press("Start etl")
		w.await("the gateway running", `document.querySelector('tbody .state')?.innerText === 'Running'`)
		w.place("#/gateways/default/etl/tokens")
		w.shows("airflow")
		w.shows("mine")
		w.refused("PATCH", etl, "this requires the role admin")
		w.refused("DELETE", etl, "this requires the role admin")
		w.refused("POST", "/v1/workspaces/default/gateways", "this requires the role admin")
	})
	t.Run("admin", func(t *testing.T) {
		w := as(t, "admin")
		w.offers("an admin", "Create Livy Gateway, Stop, Edit, Restart…, Tokens, Logs, Sessions, Delete…", "")
	})
}

// TestConsoleShowsOtherInstances makes changes through one instance and looks at the
// console of another one on the same Redis.
func TestConsoleShowsOtherInstances(t *testing.T) {
	needBrowser(t)
	_, block := livyDouble(t)
	redis := storetest.StartServer(t).Addr()
	a := newCaddyOn(t, redis, block)
	b, site := startConsole(t, redis, block, "", "ann")
	w := openConsole(t, b, site, annLogin)
	w.shows("Create your first Livy Gateway")
	w.place("#/gateways")
	// seen waits for what the page is to show of a change that has just been made.
	seen := func(what, expression string) {
		t.Helper()
		begun := time.Now()
		w.await(what, expression)
		if took := time.Since(begun); took > 2*time.Second {
			t.Errorf("%s was seen after %s", what, took)
		}
	}
	a.newGateway("etl")
	seen("the gateway", `document.querySelector('tbody .state')?.innerText === 'Running'`)
	airflow := client{t: t, base: a.url("etl"), token: a.newToken("etl", "--name", "airflow").Token}
	airflow.expect(http.StatusCreated, "POST", "/sessions", map[string]any{"kind": "pyspark"}, nil)
	seen("the session in the list", `document.querySelector('td[data-label=Live]')?.innerText.trim() === '1'`)
	w.place("#/gateways/default/etl/tokens")
	w.shows("airflow")
	a.newToken("etl", "--name", "jupyter")
	seen("the token", `document.querySelector('tbody')?.innerText.includes('jupyter')`)
	a.livy("gateway", "update", "etl", "--cpu", "4")
	w.place("#/gateways/default/etl")
	seen("the change", `document.querySelector('main')?.innerText.includes('4 CPU')`)
	a.livy("gateway", "stop", "etl")
	seen("the stop", `['Stopping', 'Stopped'].includes(document.querySelector('.head .state')?.innerText.trim())`)
	w.notLoadedAgain()
}
