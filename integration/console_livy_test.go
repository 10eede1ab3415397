package integration

import (
	"net/http"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/require"
)

// TestConsoleWithRealLivy creates and starts a gateway whose Livy and Spark are real, runs
// a session with a token that the page showed, follows its server's output, and closes it.
func TestConsoleWithRealLivy(t *testing.T) {
	l := processLive(t)
	require.Need(t, require.Livy080, l.interactive, "this engine runs no interactive sessions")
	w := newConsoleOn(t, l.livyBlock, "")
	w.press("Create Livy Gateway")
	w.fill("Name", "etl")
	w.text(`[...document.querySelectorAll('[data-field=statementAudit] input')].at(-1).click()`)
	w.tick("Start it right away") // off: it is started by hand
	w.press("Create")
	w.await("the gateway's page", `document.querySelector('h1')?.innerText === 'etl'`)
	w.state("Created")
	w.press("Start")
	w.longer("the gateway running", `document.querySelector('.head .state')?.innerText.trim() === 'Running'`)

	w.press("Tokens")
	w.press("Create Token")
	w.fill("Name", "airflow")
	w.press("Create")
	w.shows("Copy the token now")
	secret := w.text("document.querySelector('[data-secret]').innerText")
	w.tick("I have copied it")
	w.press("Done")

	cl := client{t: t, base: w.caddy.url("etl"), token: secret}
	w.press("Sessions")
	cl.expect(http.StatusCreated, "POST", "/sessions", map[string]any{"kind": "pyspark"}, nil)
	w.longer("the session being idle", `document.querySelector('tbody .state')?.innerText === 'idle'`)
	cl.expect(http.StatusCreated, "POST", "/sessions/0/statements", map[string]any{"code": "spark.range(101).selectExpr('sum(id)').collect()"}, nil)
	eventually(t, 3*time.Minute, "the statement's result", func() bool {
		var statement struct{ State string }
		cl.expect(http.StatusOK, "GET", "/sessions/0/statements/0", nil, &statement)
		return statement.State == "available"
	})
	w.picture("real-sessions")
	w.press("session 0")
	w.shows("spark.range(101)")
	w.press("Logs")
	w.await("the output", `(document.querySelector('pre.log')?.innerText || '').split('\n').length > 5`)
	w.picture("real-logs")
	w.press("Sessions")
	w.press("Close session 0")
	w.press("Close the session")
	w.longer("the session's end", `document.querySelector('tbody .state')?.innerText === 'killed'`)
	w.press("Usage")
	w.shows("airflow")
	w.press("Stop")
	w.press("Stop")
	w.longer("the gateway stopped", `document.querySelector('.head .state')?.innerText.trim() === 'Stopped'`)
	w.notLoadedAgain()
}

// longer is await for what takes a real server's time.
func (w *consoleWorld) longer(what, expression string) {
	w.t.Helper()
	eventually(w.t, 5*time.Minute, what, func() bool { return w.text(expression) == "true" })
}
