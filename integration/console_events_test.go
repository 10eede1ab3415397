package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// newsServer is a double of the calls that tell a page what happened, who is logged in and
// how all gateways are. Its stream of events is what the test sends.
type newsServer struct {
	*httptest.Server
	events chan string

	mu   sync.Mutex
	me   map[string]any
	over map[string]any
}

func startNews(t *testing.T) *newsServer {
	t.Helper()
	n := &newsServer{events: make(chan string), me: map[string]any{"user": "ann", "roles": []any{}, "rolesConfigured": false, "version": "v0"}}
	mux := http.NewServeMux()
	answer := func(v func() any) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			n.mu.Lock()
			defer n.mu.Unlock()
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(v())
		}
	}
	mux.HandleFunc("GET /v1/me", answer(func() any { return n.me }))
	mux.HandleFunc("GET /v1/overview", answer(func() any { return n.over }))
	mux.HandleFunc("GET /v1/events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, ": hello\n\n")
		_ = http.NewResponseController(w).Flush()
		for {
			select {
			case e := <-n.events:
				// In two pieces, as networks do.
				fmt.Fprint(w, e[:len(e)/2])
				_ = http.NewResponseController(w).Flush()
				fmt.Fprint(w, e[len(e)/2:]+"\n\n")
				_ = http.NewResponseController(w).Flush()
			case <-r.Context().Done():
				return
			}
		}
	})
	n.Server = httptest.NewServer(mux)
	t.Cleanup(n.CloseClientConnections)
	return n
}

func (n *newsServer) site() string {
	return "\thandle /v1/me* {\n\t\treverse_proxy " + n.Listener.Addr().String() + "\n\t}\n\thandle /v1/overview* {\n\t\treverse_proxy " + n.Listener.Addr().String() +
		"\n\t}\n\thandle /v1/events* {\n\t\treverse_proxy " + n.Listener.Addr().String() + " {\n\t\t\tflush_interval -1\n\t\t}\n\t}"
}

// TestConsoleFollowsEvents shows what an event tells at once, long before the page would
// ask again, and goes on after the stream broke.
func TestConsoleFollowsEvents(t *testing.T) {
	news := startNews(t)
	w := newConsole(t, news.site())
	w.shows("Create your first Livy Gateway")
	w.await("the stream of events", `document.querySelector('.who')?.innerText.includes('ann')`)
	news.events <- `event: reset` + "\n" + `data: {}` // read: the stream is there

	g := w.caddy.newGateway("etl")
	w.text(`window.seen = Date.now()`)
	news.events <- `event: gateway` + "\n" + `data: {"workspace":"default","gateway":"` + g.ID + `","name":"etl","state":"Running","revision":1,"deleted":false}`
	w.await("the gateway", `document.querySelector('tbody')?.innerText.includes('etl')`)
	if took := w.text(`Date.now() - window.seen`); len(took) > 4 {
		t.Errorf("the gateway was seen after %s ms", took)
	}
	w.place("#/gateways/default/etl/tokens")
	w.shows("No tokens yet")
	w.caddy.newToken("etl", "--name", "airflow")
	news.events <- `event: tokens` + "\n" + `data: {"workspace":"default","gateway":"` + g.ID + `"}`
	w.shows("airflow")

	// Overview, by the server's own sums.
	var usage []any
	for i := range 30 {
		usage = append(usage, map[string]any{"day": time.Now().AddDate(0, 0, i-29).UTC().Format(time.DateOnly), "vcoreHours": i % 7 * 3, "gbHours": i % 5 * 11, "creates": i, "refused": i % 3})
	}
	news.mu.Lock()
	news.over = map[string]any{
		"gateways": map[string]any{"total": 3, "byState": map[string]any{"running": 2, "error": 1}}, "live": map[string]any{"sessions": 7, "batches": 2},
		"attention": []any{map[string]any{"kind": "error", "workspace": "default", "gateway": "etl", "message": "<b>the disk is full</b>"}}, "usage": usage,
	}
	news.mu.Unlock()
	w.place("#/overview")
	w.shows("<b>the disk is full</b>")
	w.await("the plots", `document.querySelectorAll('.plot canvas').length === 4`)
	w.picture("overview-plots")
	w.notLoadedAgain()
}

// TestConsoleShowsWhatOneMayDo hides from each role what the server would refuse.
func TestConsoleShowsWhatOneMayDo(t *testing.T) {
	news := startNews(t)
	w := newConsole(t, news.site())
	w.caddy.newGateway("etl")
	w.caddy.newToken("etl", "--name", "airflow")
	tests := []struct {
		role, workspace string
		shown, hidden   string
	}{
		{"admin", "*", "Create Livy Gateway, Stop, Edit, Tokens, Logs, Create Token, Reset", ""},
		{"operator", "default", "Stop, Tokens, Logs, Create Token", "Create Livy Gateway, Edit, Reset"},
		{"member", "default", "Tokens, Create Token", "Create Livy Gateway, Stop, Edit, Logs, Reset"},
		{"viewer", "default", "Sessions", "Create Livy Gateway, Stop, Edit, Tokens, Logs, Create Token, Reset"},
		{"admin", "other", "", "Stop, Edit, Tokens, Create Token, Reset"},
	}
	for _, tt := range tests {
		news.mu.Lock()
		news.me = map[string]any{"user": "ann", "roles": []any{map[string]any{"workspace": tt.workspace, "role": tt.role}}, "rolesConfigured": true, "version": "v0"}
		news.mu.Unlock()
		w.open("about:blank")
		w.open("http://" + w.site + "/#/gateways")
		w.await("the list", `document.querySelector('tbody')?.innerText.includes('etl') && document.querySelector('.who')?.innerText.includes('ann')`)
		controls := `[...document.querySelectorAll('main button, main a')].map(e => e.innerText.trim()).join()`
		seen := w.text(controls)
		w.place("#/gateways/default/etl/tokens")
		w.shows("airflow")
		seen = "," + seen + "," + w.text(controls) + ","
		for name := range strings.SplitSeq(tt.shown, ", ") {
			if name != "" && !strings.Contains(seen, ","+name+",") {
				t.Errorf("%s of %s is not offered %s: %s", tt.role, tt.workspace, name, seen)
			}
		}
		for name := range strings.SplitSeq(tt.hidden, ", ") {
			if name != "" && strings.Contains(seen, ","+name+",") {
				t.Errorf("%s of %s is offered %s", tt.role, tt.workspace, name)
			}
		}
	}
}

// TestConsoleOutlivesItsServer shows that the page reports a lost server, keeps what was typed,
// and goes on by itself when it is back.
func TestConsoleOutlivesItsServer(t *testing.T) {
	w := newConsole(t, "")
	w.press("Create Livy Gateway")
	w.fill("Name", "typed-before")
	w.caddy.stop()
	w.press("Create")
	w.shows("The server cannot be reached. Trying again; what you typed is kept.")
	w.caddy.start()
	w.await("the bar gone", `!document.querySelector('.lost')`)
	if got := w.text(field("Name") + ".value"); got != "typed-before" {
		t.Errorf("the name is now %q", got)
	}
	w.press("Create")
	w.await("the gateway's page", `document.querySelector('h1')?.innerText === 'typed-before'`)
	w.state("Running")
	w.notLoadedAgain()

	// What was typed and not saved outlives leaving the page, and loading it again.
	w.place("#/new")
	w.fill("Name", "a-draft")
	w.open("about:blank")
	w.open("http://" + w.site + "/#/new")
	w.shows("What you typed before is still here")
	if got := w.text(field("Name") + ".value"); got != "a-draft" {
		t.Errorf("the draft's name is %q", got)
	}
}
