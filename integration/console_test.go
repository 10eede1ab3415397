package integration

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestConsole does in a browser what people come for: create a gateway, start it, make a
// token, look at what clients run, change settings, stop and delete it; all of it without
// loading the page again.
func TestConsole(t *testing.T) {
	w := newConsole(t, "")
	w.shows("Create your first Livy Gateway")
	w.picture("empty")

	// What the page asks for again and again costs a 304.
	var statuses []int
	w.eval(`(async () => {
		const ask = (headers) => fetch(location.origin + '/v1/catalog', {cache: 'no-store', headers});
		const first = await ask({}), again = await ask({'If-None-Match': first.headers.get('ETag')});
		return [first.status, again.status];
	})()`, &statuses)
	if !slices.Equal(statuses, []int{200, 304}) {
		t.Errorf("the catalog is answered %v", statuses)
	}

	// Mistakes are shown where they are, and nothing that was typed is lost.
	w.press("Create Livy Gateway")
	w.fill("Name", "Etl")
	w.fill("spark-defaults.conf", "spark.driver.memory 1g\nno key of Spark\n")
	w.press("Create")
	w.shows("must be 1 to 63 lowercase letters")
	w.fill("Name", "etl")
	w.press("Create")
	w.shows("Line 2: a key must begin with spark.")
	if got := w.text(field("spark-defaults.conf") + ".value"); !strings.Contains(got, "no key of Spark") {
		t.Errorf("the file is now %q", got)
	}
	w.fill("spark-defaults.conf", "spark.driver.memory 1g\n")

	// What mounted directories cost is told while one types.
	w.tick("warehouse")
	w.shows("Mounting takes 0.3 CPU and 1 GB of each driver of 1 CPU and 1g")
	w.fill("spark-defaults.conf", "spark.driver.memory 16g\nspark.driver.cores=4\n")
	w.shows("Mounting takes 0.4 CPU and 1.6 GB of each driver of 4 CPU and 16g")
	w.tick("warehouse")
	w.fill("spark-defaults.conf", "spark.driver.memory 1g\n")
	w.press("spark-blacklist.conf")
	w.fill("spark-blacklist.conf", "spark.executor.memory\n")
	w.press("Create")
	w.await("the gateway's page", `document.querySelector('h1')?.innerText === 'etl'`)
	w.state("Running")
	w.shows("http://" + w.caddy.all + "/api/v1/workspace/default/livycompute/etl")

	// A token is shown once.
	w.press("Tokens")
	w.press("Create Token")
	w.fill("Name", `<img src=x onerror="window.hostile=1">`)
	w.press("Create")
	w.shows("Copy the token now")
	secret := w.text("document.querySelector('[data-secret]').innerText")
	w.tick("I have copied it")
	w.press("Done")
	w.await("the dialog gone", `!document.querySelector('dialog')`)
	w.shows(`<img src=x onerror="window.hostile=1">`)
	if strings.Contains(w.text("document.documentElement.outerHTML"), secret) {
		t.Error("the token is still in the page")
	}

	// What its clients run is seen, with what the policy did; hostile names are text.
	cl := client{t: t, base: w.caddy.url("etl"), token: secret}
	w.press("Sessions")
	w.shows("No sessions yet")
	hostile := `"><script>window.hostile=2</script>`
	cl.expect(http.StatusCreated, "POST", "/sessions", map[string]any{"kind": "pyspark", "executorMemory": "9g", "conf": map[string]string{"spark.app.name": hostile}}, nil)
	w.await("the session", `document.querySelector('tbody tr')?.innerText.includes('session 0')`)
	w.shows("1 ignored")
	w.livy.Step()
	w.livy.Step()
	w.await("the session being idle", `document.querySelector('tbody .state')?.innerText === 'idle'`)
	w.press("session 0")
	w.shows("What the policy did")
	w.shows("spark-blacklist.conf:1")
	w.press("Close")
	w.press("Close the session")
	w.await("the session's end", `['killed', 'gone', 'dead'].includes(document.querySelector('.head.sub .state')?.innerText)`)

	// A change shows which settings need a restart.
	w.press("Edit")
	w.await("the form", `document.querySelector('h1')?.innerText === 'Edit etl'`)
	w.text(`[...document.querySelectorAll('[data-field=cpu] input')].at(-1).click()`)
	w.shows("Restart needed CPU")
	w.tick("Restart now")
	w.press("Save")
	w.await("the gateway's page", `document.querySelector('h1')?.innerText === 'etl'`)
	w.shows("4 CPU")
	w.state("Running")

	// A restart that keeps sessions is refused here: the engine's server cannot be replaced.
	w.text(`document.querySelector('.head .iconbutton').click()`)
	w.press("Restart…")
	w.shows("which ends all of its sessions")
	w.fill("Sessions and batches", "7200")
	w.shows("starts beside this one")
	w.press("Restart")
	w.shows("cannot be drained")
	w.press("Cancel")

	// The policy explains a body.
	w.press("Policy")
	w.fill("Body of the request", `{"kind":"pyspark","executorMemory":"3g"`)
	w.press("Explain")
	w.shows("Line 1:")
	w.fill("Body of the request", `{"kind":"pyspark","executorMemory":"3g"}`)
	w.press("Explain")
	w.shows("ignored executorMemory")

	// The audit has all of it, by whoever is logged in.
	w.press("Audit")
	w.shows("token.create")

	w.press("Stop")
	w.press("Stop")
	w.state("Stopped")
	w.text(`document.querySelector('.head .iconbutton').click()`)
	w.press("Delete…")
	w.shows("This cannot be undone")
	if w.text(named("button", "Delete this gateway")+".disabled") != "true" {
		t.Error("the gateway can be deleted without its name")
	}
	w.fill("Type etl", "etl")
	w.press("Delete this gateway")
	w.shows("Create your first Livy Gateway")
	w.notLoadedAgain()
	if got := w.text("window.hostile"); got != "undefined" {
		t.Errorf("a script of a client's ran: %s", got)
	}
}

// TestConsoleByKeyboard does the main things without a mouse.
func TestConsoleByKeyboard(t *testing.T) {
	w := newConsole(t, "")
	w.caddy.newGateway("etl")
	w.caddy.newGateway("reports")
	w.shows("reports")
	key := func(keys string, modifiers ...chromedp.Modifier) {
		t.Helper()
		inPage(w.browser, "the keys "+keys, chromedp.KeyEvent(keys, chromedp.KeyModifiers(modifiers...)))
	}
	// tab goes on until a control with this name has the focus, which is to be seen.
	tab := func(name string) {
		t.Helper()
		for range 80 {
			key("\t")
			if got := w.text(`(e => (e.getAttribute('aria-label') || e.innerText || e.labels?.[0]?.innerText || '').trim().split('\n')[0])(document.activeElement)`); got == name {
				if w.text(`getComputedStyle(document.activeElement).outlineStyle`) == "none" && w.text(`document.activeElement.matches('input')`) != "true" {
					t.Errorf("the focus on %s cannot be seen", name)
				}
				return
			}
		}
		t.Fatalf("Tab does not lead to %s", name)
	}
	key("k", chromedp.ModifierCtrl)
	w.shows("Jump to")
	w.await("the gateways in the palette", `[...document.querySelectorAll('[role=option]')].some(e => e.innerText.includes('reports'))`)
	key("repor")
	w.await("the first hit", `document.querySelector('[role=option][aria-selected=true]')?.innerText.includes('reports')`)
	key("\r")
	w.await("the gateway's page", `document.querySelector('h1')?.innerText === 'reports'`)
	tab("Tokens")
	key("\r")
	tab("Create Token")
	key("\r")
	w.await("the focus in the name", `document.activeElement?.closest('dialog') && document.activeElement.matches('input')`)
	key("by keyboard")
	key("\r")
	w.shows("Copy the token now")
	key(" ") // the box "I have copied it" has the focus
	tab("Done")
	key("\r")
	w.await("the token", `document.querySelector('tbody')?.innerText.includes('by keyboard')`)
	tab("Stop")
	key("\r")
	w.shows("Stop reports?")
	key("\x1b")
	w.await("the dialog closed by Escape", `!document.querySelector('dialog')`)
	if got := w.text(`document.activeElement.innerText.trim()`); got != "Stop" {
		t.Errorf("the focus went to %q", got)
	}
	key("\r")
	w.shows("Stop reports?")
	tab("Stop")
	key("\r")
	w.state("Stopped")
	w.notLoadedAgain()
}
