package livy

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
)

func TestStatesInPieces(t *testing.T) {
	const text = `{"id":1,"state":"recovering","log":["\"state\":\"recovering\""],"x":[{"state":"recovering"}],"state":"recover"`
	want := strings.ReplaceAll(text, `"state":"recovering"`, `"state":"starting"  `)
	for size := 1; size <= len(text); size++ {
		var got bytes.Buffer
		w := &StateWriter{ResponseWriter: &bodyWriter{&got}}
		for rest := []byte(text); len(rest) > 0; {
			n := min(size, len(rest))
			if _, err := w.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if w.Finish(); got.String() != want {
			t.Fatalf("in pieces of %d: %s", size, got.String())
		}
	}
}

type bodyWriter struct{ *bytes.Buffer }

func (bodyWriter) Header() http.Header { return http.Header{} }
func (bodyWriter) WriteHeader(int)     {}

var _ http.ResponseWriter = bodyWriter{}

func TestStateIn(t *testing.T) {
	for reply, want := range map[string]string{
		`{"id":1,"state":"idle","log":[]}`:              "idle",
		`{"id":1,"state":"id`:                           "",
		`{"id":1}`:                                      "",
		`{"log":["\"state\":\"dead\""],"state":"busy"}`: "busy",
	} {
		got, ok := StateIn([]byte(reply))
		if ok != (want != "") || ok && string(got) != want {
			t.Errorf("%s: %q, %v; want %q", reply, got, ok, want)
		}
	}
}
