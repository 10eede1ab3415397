package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/livygateway/livygateway/internal/require"
)

// axe is the text of axe-core, which finds what keeps people from using a page.
func axe(t *testing.T) string {
	t.Helper()
	out, err := exec.Command(filepath.Join(root, "scripts", "prepare-console"), "--where").Output()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(out)), "node_modules", "axe-core", "axe.min.js"))
	require.Need(t, require.Console, err == nil, "axe-core is not prepared (make console)")
	return string(text)
}

// finding is what axe-core says of a page.
type finding struct {
	ID, Impact, Help string
	Nodes            []struct {
		HTML    string
		Summary string `json:"failureSummary"`
	}
}

// TestConsoleLooks goes through all pages, wide and narrow, light and dark: axe-core finds
// nothing serious, nothing sticks out to the side, and the first view is small.
func TestConsoleLooks(t *testing.T) {
	script := axe(t)
	w := newConsole(t, "")
	w.mu.Lock()
	first := w.bytes
	w.mu.Unlock()
	t.Logf("the first view took %.0f bytes", first)
	if first > 200_000 {
		t.Errorf("the first view took %.0f bytes", first)
	}
	w.caddy.newGateway("etl", "--cpu", "2", "--memory", "8Gi", "--queue", "root.etl", "--auto-stop", "45", "--statement-audit", "code")
	w.caddy.newGateway("reports", "--queue", "root.default")
	w.caddy.livy("gateway", "create", "a-gateway-with-quite-a-long-name-for-a-narrow-page")
	w.caddy.livy("gateway", "update", "etl", "--memory", "16Gi")
	cl := client{t: t, base: w.caddy.url("etl"), token: w.caddy.newToken("etl", "--name", "airflow", "--cidr", "127.0.0.0/8").Token}
	for i := range 3 {
		cl.expect(http.StatusCreated, "POST", "/batches", map[string]any{"file": "s3a://bucket/daily.py", "name": fmt.Sprintf("daily-%d", i), "executorMemory": "4g"}, nil)
	}
	cl.expect(http.StatusCreated, "POST", "/sessions", map[string]any{"kind": "pyspark", "numExecutors": 2}, nil)
	for range 4 {
		w.livy.Step()
	}
	pages := []struct{ name, hash, shows, then string }{
		{"gateways", "#/gateways", "reports", ""},
		{"menu", "#/gateways", "reports", `document.querySelector('td.actions .iconbutton').click()`},
		{"none-found", "#/gateways?q=zzz", "No gateway is like that", ""},
		{"create", "#/new", "Configuration files", ""},
		{"edit", "#/edit/default/etl", "Edit etl", ""},
		{"gateway", "#/gateways/default/etl", "Restart needed", ""},
		{"sessions", "#/gateways/default/etl/sessions", "session 0", ""},
		{"record", "#/gateways/default/etl/sessions/session:0", "What the policy did", ""},
		{"tokens", "#/gateways/default/etl/tokens", "airflow", ""},
		{"create-token", "#/gateways/default/etl/tokens", "airflow", `document.querySelector('.head.sub .primary').click()`},
		{"policy", "#/gateways/default/etl/policy", "gateway queue", `[...document.querySelectorAll('.primary')].at(-1).click()`},
		{"logs", "#/gateways/default/etl/logs", "Logs", ""},
		{"usage", "#/gateways/default/etl/usage", "airflow", ""},
		{"gateway-audit", "#/gateways/default/etl/audit", "gateway.create", ""},
		{"configuration", "#/gateways/default/etl/configuration", "at the next start", ""},
		{"stop", "#/gateways/default/etl", "Restart needed", `[...document.querySelectorAll('.head button')].find(b => b.innerText.trim() === 'Stop').click()`},
		{"restart", "#/gateways/default/etl", "Restart needed", `[...document.querySelectorAll('.notice button')].find(b => b.innerText.trim() === 'Restart').click()`},
		{"overview", "#/overview", "Needs attention", ""},
		{"overview-end", "#/overview", "by user", `document.querySelector('.most').scrollIntoView({block: 'end'})`},
		{"all-sessions", "#/sessions", "session 0", ""},
		{"my-tokens", "#/tokens", "okens", ""},
		{"catalog", "#/catalog", "spark-3.5", ""},
		{"audit", "#/audit", "gateway.create", ""},
		{"palette", "#/gateways", "reports", `document.querySelector('.jump').click()`},
		{"nowhere", "#/nowhere", "There is no such page", ""},
	}
	looks := []struct {
		width, height int64
		scheme        string
	}{{1280, 800, "light"}, {390, 844, "dark"}, {1280, 800, "dark"}, {390, 844, "light"}}
	w.text("void (0, eval)(" + quoted(script) + ")")
	for _, look := range looks {
		w.look(look.width, look.height, look.scheme)
		for _, p := range pages {
			w.text(`document.querySelectorAll('dialog[open]').forEach(d => d.dispatchEvent(new Event('cancel')))`)
			w.place("#/nowhere")
			w.await("another page", `!document.querySelector('dialog')`)
			w.place(p.hash)
			w.shows(p.shows)
			if p.then != "" {
				w.text(p.then)
			}
			w.await("all that is loaded", `!document.querySelector('.skeleton')`)
			name := fmt.Sprintf("%s-%d-%s", p.name, look.width, look.scheme)
			w.picture(name)
			if wide := w.text(`document.documentElement.scrollWidth - innerWidth`); wide != "0" {
				t.Errorf("%s: %s pixels stick out: %s", name, wide, w.text(`[...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.tablebox, pre, .tabs')).slice(0, 4).map(e => e.outerHTML.slice(0, 160)).join('\n')`))
			}
			for _, f := range accessibility(t, w) {
				for _, n := range f.Nodes {
					t.Errorf("%s: %s (%s): %s\n%.300s\n%s", name, f.ID, f.Impact, f.Help, n.HTML, n.Summary)
				}
			}
		}
	}
	w.notLoadedAgain()
}

// accessibility are the serious findings of axe-core.
func accessibility(t *testing.T, w *consoleWorld) (serious []finding) {
	t.Helper()
	var all []finding
	text := inPage(w.browser, "axe-core", chromedp.Evaluate[string](
		`axe.run(document, {resultTypes: ['violations']}).then(r => JSON.stringify(r.violations.map(v => ({id: v.id, impact: v.impact, help: v.help, nodes: v.nodes.map(n => ({html: n.html, failureSummary: n.failureSummary}))}))))`,
		chromedp.EvalAwaitPromise))
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if f.Impact == "serious" || f.Impact == "critical" {
			serious = append(serious, f)
		} else {
			t.Logf("axe-core: %s (%s): %.200s", f.ID, f.Impact, f.Nodes[0].HTML)
		}
	}
	return serious
}
