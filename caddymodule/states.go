package caddymodule

import (
	"bytes"
	"net/http"
)

// Livy's recovering is a state that some clients do not know (Airflow fails on
// it). The word put in its place is as long, so that replies keep their length.
var (
	recovering = []byte(`"state":"recovering"`)
	starting   = []byte(`"state":"starting"  `)
)

// showStates puts clients' words for states into a whole reply, in place.
func showStates(body []byte) []byte {
	for rest := body; ; {
		i := bytes.Index(rest, recovering)
		if i < 0 {
			return body
		}
		copy(rest[i:], starting)
		rest = rest[i+len(starting):]
	}
}

// stateWriter does the same to a reply that passes through. A quote within a
// string is escaped, so what it looks for is never text of a user.
type stateWriter struct {
	http.ResponseWriter
	off bool
	// look is given the beginning of the reply, as it came from Livy; nil when
	// nobody wants it.
	look func([]byte)
	// held is the end of what was written, as far as it may be the beginning of
	// what is looked for.
	held []byte
}

// Unwrap lets http.ResponseController through.
func (w *stateWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Write passes b on, but for an end that may go on.
func (w *stateWriter) Write(b []byte) (int, error) {
	if w.off {
		return w.ResponseWriter.Write(b)
	}
	if w.look != nil {
		w.look(b)
		w.look = nil
	}
	if len(w.held) == 0 && !mayBegin(b) && !bytes.Contains(b, recovering) {
		return w.ResponseWriter.Write(b)
	}
	all := showStates(append(bytes.Clone(w.held), b...))
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

// finish writes what is held.
func (w *stateWriter) finish() {
	if len(w.held) > 0 {
		_, _ = w.ResponseWriter.Write(w.held) // else the client is gone
		w.held = nil
	}
}

// whole writes a reply that was buffered.
func (w *stateWriter) whole(header http.Header, status int, body []byte) {
	writeWhole(w.ResponseWriter, header, status, showStates(body))
}
