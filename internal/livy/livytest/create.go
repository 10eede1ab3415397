package livytest

import (
	"compress/gzip"
	"compress/zlib"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// MissingFile is the beginning of the names of batch files that do not exist:
// such a batch ends dead, here as on a real Livy and Spark. Livy does not check
// local: URIs, so they pass whatever it was told of directories.
const MissingFile = "local:/no/such/"

// The fields of create requests, with true for whole numbers.
var (
	commonFields = map[string]bool{
		"proxyUser": false, "jars": false, "pyFiles": false, "files": false, "archives": false, "driverMemory": false,
		"driverCores": true, "executorMemory": false, "executorCores": true, "numExecutors": true, "queue": false, "name": false, "conf": false,
	}
	onlyFields = map[string]map[string]bool{
		"sessions": {"kind": false, "heartbeatTimeoutInSecond": false, "ttl": false},
		"batches":  {"file": false, "args": false, "className": false},
	}
	wholeNumber = regexp.MustCompile(`^-?[0-9]+$`)
)

// body reads a request's JSON as loosely as Livy does: coded or not, the last
// of equal keys, nothing after the first value.
func body(r *http.Request) (map[string]json.RawMessage, *reply) {
	fail := func(status int, err error) *reply {
		rep := bare(status, err.Error())
		return &rep
	}
	var in io.Reader = r.Body
	var err error
	switch strings.ToLower(r.Header.Get("Content-Encoding")) {
	case "gzip":
		in, err = gzip.NewReader(r.Body)
	case "deflate":
		in, err = zlib.NewReader(r.Body)
	}
	if err != nil {
		return nil, fail(500, err)
	}
	var m map[string]json.RawMessage
	if err := json.NewDecoder(in).Decode(&m); err != nil {
		return nil, fail(400, err)
	}
	return m, nil
}

func (s *Server) create(collection string, r *http.Request) reply {
	m, bad := body(r)
	if bad != nil {
		return *bad
	}
	for name, raw := range m {
		number, ok := commonFields[name]
		if !ok {
			number, ok = onlyFields[collection][name]
		}
		if !ok {
			return bare(400, fmt.Sprintf("Unrecognized field %q", name))
		}
		if number && !wholeNumber.Match(raw) {
			// Livy finds out in the middle, with the id spent.
			s.next[collection]++
			return bare(500, "class java.lang.String cannot be cast to class java.lang.Integer")
		}
	}
	if collection == "batches" && text(m["file"]) == "" {
		return msg(400, "requirement failed: File is required.")
	}
	e := &entry{collection: collection, request: m, name: text(m["name"]), state: "starting", proxyUser: text(m["proxyUser"]), log: []string{"stdout: ", "\nstderr: "}}
	if e.kind = text(m["kind"]); e.kind == "" {
		e.kind = "shared"
	}
	e.id = s.next[collection]
	s.next[collection]++
	if _, err := strconv.Atoi(e.name); err == nil {
		return msg(400, "Rejected, Reason: requirement failed: Session name cannot be a number: %s", e.name)
	}
	if e.name != "" && s.find(collection, e.name) != nil {
		return msg(400, "Duplicate session name: Some(%s) for session %d", e.name, e.id)
	}
	s.entries[collection] = append(s.entries[collection], e)
	return reply{status: 201, body: e.view(), header: http.Header{"Location": {fmt.Sprintf("/%s/%d", collection, e.id)}}}
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// view is the object that Livy answers.
func (e *entry) view() map[string]any {
	v := map[string]any{
		"id": e.id, "name": orNull(e.name), "owner": nil, "proxyUser": orNull(e.proxyUser), "state": e.state, "appId": nil,
		"appInfo": map[string]any{"driverLogUrl": nil, "sparkUiUrl": nil}, "log": e.log[max(0, len(e.log)-10):],
	}
	if e.collection == "batches" {
		return v
	}
	v["kind"] = e.kind
	v["ttl"] = orNull(e.proxyUser) // Livy 0.8.0 shows the wrong value here
	for _, name := range []string{"driverMemory", "executorMemory", "queue"} {
		v[name] = orNull(text(e.request[name]))
	}
	for _, name := range []string{"driverCores", "executorCores", "numExecutors", "heartbeatTimeoutInSecond"} {
		v[name] = json.RawMessage("0")
		if raw := e.request[name]; raw != nil {
			v[name] = raw
		}
	}
	for _, name := range []string{"jars", "files", "archives", "pyFiles"} {
		v[name] = []string{}
		if raw := e.request[name]; raw != nil {
			v[name] = raw
		}
	}
	v["conf"] = map[string]string{}
	if raw := e.request["conf"]; raw != nil {
		v["conf"] = raw
	}
	return v
}
