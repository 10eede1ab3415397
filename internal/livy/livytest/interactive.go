package livytest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// interactive serves what only sessions have.
func (s *Server) interactive(m string, segs []string, e *entry, r *http.Request) reply {
	rest := segs[2:]
	switch {
	case m == http.MethodPost && len(rest) == 1:
		return s.post(rest[0], e, r)
	case m == http.MethodGet && len(rest) == 1 && rest[0] == "statements":
		return e.statementPage(r)
	case m == http.MethodGet && len(rest) == 2 && rest[0] == "statements":
		st := e.statement(rest[1])
		if st == nil {
			return bare(404, "Statement not found")
		}
		return s.shown(e, st.view())
	case m == http.MethodPost && len(rest) == 3 && rest[0] == "statements" && rest[2] == "cancel":
		if st := e.statement(rest[1]); st != nil && (st.state == "waiting" || st.state == "running") {
			st.state = "cancelling"
		}
		return msg(200, "canceled")
	case m == http.MethodGet && len(rest) == 2 && rest[0] == "jobs":
		id, err := strconv.ParseInt(rest[1], 10, 64)
		if err != nil || id >= e.jobs {
			return bare(500, "Invalid job id.")
		}
		return reply{status: 200, body: map[string]any{"id": id, "state": "SUCCEEDED", "result": nil, "error": nil}}
	case m == http.MethodPost && len(rest) == 3 && rest[0] == "jobs" && rest[2] == "cancel":
		return reply{status: 200}
	}
	return reply{status: 404}
}

func (s *Server) post(action string, e *entry, r *http.Request) reply {
	switch action {
	case "stop":
		s.remove(e)
		return reply{status: 204}
	case "interrupt":
		s.remove(e)
		return msg(200, "interrupted")
	case "connect":
		return reply{status: 200, body: e.view()}
	case "upload-jar", "upload-pyfile", "upload-file":
		return e.upload(action, r)
	case "statements", "completion", "submit-job", "run-job", "add-jar", "add-pyfile", "add-file":
	default:
		return reply{status: 404}
	}
	m, bad := body(r)
	if bad != nil {
		return *bad
	}
	if e.state != "idle" && e.state != "busy" {
		return bare(500, "requirement failed: Session is in state "+e.state)
	}
	switch action {
	case "statements":
		st := &statement{id: int64(len(e.statements)), code: text(m["code"]), state: "waiting"}
		e.statements = append(e.statements, st)
		return reply{status: 201, body: st.view(), header: http.Header{"Location": {fmt.Sprintf("/sessions/%d/statements/%d", e.id, st.id)}}}
	case "completion":
		return reply{status: 200, body: map[string]any{"candidates": []string{}}}
	case "submit-job", "run-job":
		e.jobs++
		return reply{status: 201, body: map[string]any{"id": e.jobs - 1, "state": "SENT", "result": nil, "error": nil}}
	}
	return reply{status: 200}
}

// upload notes the name of an uploaded file in the session's log.
func (e *entry) upload(action string, r *http.Request) reply {
	part := "file"
	if action == "upload-jar" {
		part = "jar"
	}
	if err := r.ParseMultipartForm(1 << 20); err != nil || len(r.MultipartForm.File[part]) == 0 {
		return reply{status: 400}
	}
	f := r.MultipartForm.File[part][0]
	e.log = append(e.log, fmt.Sprintf("%s %s %d", action, f.Filename, f.Size))
	return reply{status: 200}
}

func (e *entry) statement(id string) *statement {
	for _, st := range e.statements {
		if strconv.FormatInt(st.id, 10) == id {
			return st
		}
	}
	return nil
}

func (e *entry) statementPage(r *http.Request) reply {
	from, _ := number(r, "from", 0)
	size, _ := number(r, "size", len(e.statements))
	all := slices.Clone(e.statements)
	if strings.EqualFold(r.URL.Query().Get("order"), "desc") {
		slices.Reverse(all)
	}
	views := []any{}
	for _, st := range page(all, from, size) {
		views = append(views, st.view())
	}
	return reply{status: 200, body: map[string]any{"total_statements": len(e.statements), "statements": views}}
}

func (st *statement) view() map[string]any {
	progress := 0.0
	if st.state == "available" {
		progress = 1
	}
	return map[string]any{"id": st.id, "code": st.code, "state": st.state, "output": st.output, "progress": progress, "started": 0, "completed": 0}
}
