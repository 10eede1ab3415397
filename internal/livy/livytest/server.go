// Package livytest is a double of Livy 0.8.0 for fast tests, and the contract
// that it and every real Livy are held to, so that it cannot drift.
package livytest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Server is a double of a Livy server: an http.Handler with sessions and
// batches whose states move when they are told to. It shares Livy's habits as
// far as a gateway can trip over them: method overrides, lower-case methods,
// the first of two readings of a path, the last of two equal keys. It is safe
// for concurrent use.
type Server struct {
	// Manual stops states from moving by themselves: only Step moves them.
	// Without it every answer that shows a state also moves it one on.
	Manual bool
	// Version is what /version answers; default "0.8.0-incubating".
	Version string
	// Before, if set, sees every request first and may answer it (returning true).
	Before func(w http.ResponseWriter, r *http.Request) bool

	mu      sync.Mutex
	next    map[string]int64
	entries map[string][]*entry // by collection, in order of creation
}

// entry is a session or a batch.
type entry struct {
	id         int64
	collection string
	request    map[string]json.RawMessage
	name       string
	kind       string
	state      string
	proxyUser  string
	log        []string
	statements []*statement
	jobs       int64
}

type statement struct {
	id     int64
	code   string
	state  string
	output any
}

// New returns a server without sessions.
func New() *Server {
	s := &Server{Version: "0.8.0-incubating"}
	s.Restart()
	return s
}

// Restart forgets everything, as Livy does without recovery: ids begin at 0 again.
func (s *Server) Restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = map[string]int64{}
	s.entries = map[string][]*entry{}
}

// Step moves every session, batch and statement to its next state.
func (s *Server) Step() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, entries := range s.entries {
		for _, e := range entries {
			e.step()
		}
	}
}

// SetState puts a session ("sessions") or batch ("batches") into a state, e.g.
// "dead". It reports whether there is one of this id.
func (s *Server) SetState(collection string, id int64, state string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries[collection] {
		if e.id == id {
			e.state = state
			return true
		}
	}
	return false
}

// Requests returns the create requests of a collection that were accepted, in
// order, as they were received.
func (s *Server) Requests(collection string) []map[string]json.RawMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []map[string]json.RawMessage
	for _, e := range s.entries[collection] {
		out = append(out, e.request)
	}
	return out
}

func (e *entry) step() {
	switch {
	case e.state == "starting" && e.collection == "sessions":
		e.state = "idle"
	case e.state == "starting":
		e.state = "running"
		e.log = append(e.log, "running")
	case e.state == "running" && strings.HasPrefix(text(e.request["file"]), MissingFile):
		e.state = "dead"
		e.log = append(e.log, "no such file")
	case e.state == "running":
		e.state = "success"
	case e.state == "idle" || e.state == "busy":
		e.stepStatements()
	}
}

func (e *entry) stepStatements() {
	e.state = "idle"
	for i, st := range e.statements {
		switch st.state {
		case "waiting":
			st.state = "running"
			e.state = "busy"
			return
		case "running":
			st.state = "available"
			st.output = run(st.code, i)
			return
		case "cancelling":
			st.state = "cancelled"
			return
		}
	}
}

// run knows two programs and echoes all others.
func run(code string, count int) any {
	if strings.HasPrefix(code, "raise") {
		return map[string]any{"status": "error", "execution_count": count, "ename": "Exception", "evalue": code, "traceback": []string{}}
	}
	if code == "1+1" {
		code = "2"
	}
	return map[string]any{"status": "ok", "execution_count": count, "data": map[string]string{"text/plain": code}}
}

func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return strings.Trim(string(raw), `"`)
	}
	return s
}

// reply is what ends a request.
type reply struct {
	status int
	body   any
	header http.Header
}

func msg(status int, format string, args ...any) reply {
	return reply{status: status, body: map[string]string{"msg": fmt.Sprintf(format, args...)}}
}

// bare is how Livy reports what its JSON parser complains of.
func bare(status int, text string) reply { return reply{status: status, body: text} }

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.Before != nil && s.Before(w, r) {
		return
	}
	s.mu.Lock()
	rep := s.route(r)
	s.mu.Unlock()
	maps.Copy(w.Header(), rep.header)
	if rep.body == nil {
		w.WriteHeader(rep.status)
		return
	}
	out, err := json.Marshal(rep.body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	w.WriteHeader(rep.status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(out)
	}
}

// method is the method that Scalatra runs.
func method(r *http.Request) string {
	m := strings.ToUpper(r.Method)
	if m == http.MethodHead {
		return http.MethodGet
	}
	if m != http.MethodPost {
		return m
	}
	override := r.URL.Query().Get("_method")
	for _, h := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"} {
		override = cmp.Or(override, r.Header.Get(h))
	}
	return cmp.Or(strings.ToUpper(override), m)
}

func (s *Server) route(r *http.Request) reply {
	p, _, _ := strings.Cut(r.URL.Path, ";")
	segs := strings.Split(strings.TrimPrefix(p, "/"), "/")
	if len(segs) == 2 && segs[1] == "" {
		segs = segs[:1]
	}
	m := method(r)
	switch {
	case segs[0] == "version" && len(segs) == 1 && m == http.MethodGet:
		return reply{status: 200, body: map[string]string{"url": "https://github.com/apache/incubator-livy.git", "branch": "HEAD", "revision": "0", "version": s.Version, "date": "", "user": ""}}
	case segs[0] != "sessions" && segs[0] != "batches":
		return reply{status: 404}
	case len(segs) == 1 && m == http.MethodGet:
		return s.list(segs[0], r)
	case len(segs) == 1 && m == http.MethodPost:
		return s.create(segs[0], r)
	case len(segs) == 1:
		return reply{status: 405, header: http.Header{"Allow": {"GET, HEAD, POST"}}}
	}
	return s.one(m, segs, r)
}

func (s *Server) one(m string, segs []string, r *http.Request) reply {
	e := s.find(segs[0], segs[1])
	if e == nil {
		return msg(404, "Session '%s' not found.", segs[1])
	}
	rest := strings.Join(segs[2:], "/")
	switch {
	case m == http.MethodGet && rest == "":
		return s.shown(e, e.view())
	case m == http.MethodGet && rest == "state":
		return s.shown(e, map[string]any{"id": e.id, "state": e.state})
	case m == http.MethodGet && rest == "log":
		return e.logPage(r)
	case m == http.MethodDelete && rest == "":
		s.remove(e)
		return msg(200, "deleted")
	case e.collection == "sessions":
		return s.interactive(m, segs, e, r)
	}
	return reply{status: 404}
}

// shown moves the state on after it was seen.
func (s *Server) shown(e *entry, view any) reply {
	if !s.Manual {
		e.step()
	}
	return reply{status: 200, body: view}
}

func (s *Server) find(collection, ref string) *entry {
	id, err := strconv.ParseInt(ref, 10, 32)
	for _, e := range s.entries[collection] {
		if err == nil && e.id == id || err != nil && e.name == ref {
			return e
		}
	}
	return nil
}

func (s *Server) remove(gone *entry) {
	s.entries[gone.collection] = slices.DeleteFunc(s.entries[gone.collection], func(e *entry) bool { return e == gone })
}

func (s *Server) list(collection string, r *http.Request) reply {
	from, err1 := number(r, "from", 0)
	size, err2 := number(r, "size", 100)
	if err := cmp.Or(err1, err2); err != nil {
		return msg(400, "%v", err)
	}
	views := []any{}
	for _, e := range page(s.entries[collection], from, size) {
		views = append(views, e.view())
		if !s.Manual {
			e.step()
		}
	}
	return reply{status: 200, body: map[string]any{"from": from, "total": len(s.entries[collection]), "sessions": views}}
}

func number(r *http.Request, key string, def int) (int, error) {
	text := r.URL.Query().Get(key)
	if text == "" {
		return def, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("for input string: %q", text)
	}
	return n, nil
}

func page[T any](all []T, from, size int) []T {
	from = min(max(from, 0), len(all))
	if size < 0 {
		size = 0
	}
	return all[from:min(from+size, len(all))]
}

// logPage answers .../log: from < 0 is the tail, size < 0 is everything.
func (e *entry) logPage(r *http.Request) reply {
	from, err1 := number(r, "from", -1)
	size, err2 := number(r, "size", 100)
	if err := cmp.Or(err1, err2); err != nil {
		return msg(400, "%v", err)
	}
	if size < 0 {
		size = len(e.log)
	}
	if from < 0 {
		from = max(0, len(e.log)-size)
	}
	return reply{status: 200, body: map[string]any{"id": e.id, "from": from, "total": len(e.log), "log": page(e.log, from, size)}}
}
