package livy

import (
	"bytes"
	"encoding/json"
	"net/http"
)

// TellsState reports whether the reply to a request is about the state of one session or
// batch.
func (r *Request) TellsState() bool {
	switch r.Route.Name {
	case "session.get", "session.state", "batch.get", "batch.state":
		return r.Method == http.MethodGet
	}
	return false
}

// TellsStateOnly reports whether the reply has nothing but the id and the state.
func (r *Route) TellsStateOnly() bool { return r.Name == "session.state" || r.Name == "batch.state" }

// Brief is what replies about a session or batch tell of its state.
type Brief struct {
	ID    int64  `json:"id"`
	State string `json:"state"`
	AppID string `json:"appId"`
}

var stateField = []byte(`"state":"`)

// StateIn finds the state in a reply about one session or batch, or in the beginning of
// one. It costs a search of the reply's bytes, and what it finds may be another field's:
// only ReadBrief knows.
func StateIn(reply []byte) (state []byte, ok bool) {
	_, rest, found := bytes.Cut(reply, stateField)
	text, _, ended := bytes.Cut(rest, []byte(`"`))
	return text, found && ended
}

// ReadBrief reads a whole reply about one session or batch.
func ReadBrief(reply []byte) (b Brief, err error) {
	err = json.Unmarshal(reply, &b)
	return b, err
}

// duplicateName is in the answer to a create whose name is in use. Livy's message goes on
// with an id of its own counting.
var duplicateName = []byte("Duplicate session name")

// NameIsTaken reports whether Livy refused a create because another session or batch of
// the kind has its name.
func NameIsTaken(status int, reply []byte) bool {
	return status == http.StatusBadRequest && bytes.Contains(reply, duplicateName)
}

// Distribution is the file name of Livy 0.8.0 as Apache publishes it.
const Distribution = "apache-livy-0.8.0-incubating_2.12-bin.zip"

// batchesOnly is in the answer of a Livy server without the jars that sessions run on.
var batchesOnly = []byte("Cannot find Livy REPL jars")

// RunsBatchesOnly reports whether Livy refused a session because its installation has no
// jars for sessions.
func RunsBatchesOnly(status int, reply []byte) bool {
	return status == http.StatusBadRequest && bytes.Contains(reply, batchesOnly)
}

// Livy's recovering is a state that some clients do not know (Airflow fails on it). The
// word put in its place is as long, so that replies keep their length.
var (
	recovering = []byte(`"state":"recovering"`)
	starting   = []byte(`"state":"starting"  `)
)

// ShowStates puts clients' words for states into a whole reply, in place.
func ShowStates(body []byte) []byte {
	for rest := body; ; {
		i := bytes.Index(rest, recovering)
		if i < 0 {
			return body
		}
		copy(rest[i:], starting)
		rest = rest[i+len(starting):]
	}
}

// StateWriter does the same to a reply that passes through. A quote within a
// string is escaped, so what it looks for is never text of a user.
type StateWriter struct {
	http.ResponseWriter
	// Off passes everything on as it is.
	Off bool
	// held is the end of what was written, as far as it may be the beginning of
	// what is looked for.
	held []byte
}

// Unwrap lets http.ResponseController through.
func (w *StateWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Write passes b on, but for an end that may go on.
func (w *StateWriter) Write(b []byte) (int, error) {
	if w.Off {
		return w.ResponseWriter.Write(b)
	}
	if len(w.held) == 0 && !mayBegin(b) && !bytes.Contains(b, recovering) {
		return w.ResponseWriter.Write(b)
	}
	all := ShowStates(append(bytes.Clone(w.held), b...))
	keep := beginning(all)
	w.held = bytes.Clone(all[len(all)-keep:])
	if _, err := w.ResponseWriter.Write(all[:len(all)-keep]); err != nil {
		return 0, err
	}
	return len(b), nil
}

func mayBegin(b []byte) bool { return beginning(b) > 0 }

// beginning is how much of b's end could be the beginning of what is looked for.
func beginning(b []byte) int {
	for n := min(len(b), len(recovering)-1); n > 0; n-- {
		if bytes.HasSuffix(b, recovering[:n]) {
			return n
		}
	}
	return 0
}

// Finish writes what is held.
func (w *StateWriter) Finish() {
	if len(w.held) > 0 {
		_, _ = w.ResponseWriter.Write(w.held) // else the client is gone
		w.held = nil
	}
}
