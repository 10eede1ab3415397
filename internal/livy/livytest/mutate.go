package livytest

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Line is a request line and a header, as a client of bad intent might send them.
type Line struct {
	Method string
	// Target is what stands between method and version: path and query, raw.
	Target string
	// Header is one more header line, "" for none.
	Header string
}

var (
	plainMethods = []string{"GET", "POST", "DELETE", "HEAD", "PUT", "PATCH", "OPTIONS", "TRACE"}
	oddMethods   = []string{"get", "post", "Post", "delete", "pOST", "CONNECT", "PROPFIND", "GETT", "X"}
	plainPaths   = []string{
		"/version", "/sessions", "/batches", "/sessions/0", "/batches/0", "/sessions/0/state", "/batches/0/state", "/sessions/0/log",
		"/batches/0/log", "/sessions/0/statements", "/sessions/0/statements/0", "/sessions/0/statements/0/cancel", "/sessions/0/completion",
		"/sessions/0/connect", "/sessions/0/stop", "/sessions/0/interrupt", "/sessions/0/submit-job", "/sessions/0/run-job", "/sessions/0/jobs/0",
		"/sessions/0/jobs/0/cancel", "/sessions/0/upload-jar", "/sessions/0/upload-file", "/sessions/0/upload-pyfile", "/sessions/0/add-jar",
		"/sessions/0/add-file", "/sessions/0/add-pyfile", "/metrics", "/metrics/threads", "/ui", "/ui/session/0", "/static/js/all-sessions.js",
		"/", "/thriftserver", "/ping", "/sessions/2147483647", "/batches/name", "/batches/name.with-marks_~",
	}
	oddPieces = []string{
		";", ";x", ";x=y", "%3B", "%3b", "//", "/./", "/../", "/..", "/.", "..;", "/;/", "%2F", "%2f", "%5C", "%5c", "\\", "%25", "%252F", "%2e", "%2e%2e/",
		"%00", "%0a", "%0d%0a", "%20", "%09", "+", "%2B", "@", ":", "*", "'", "\"", "<", "|", "^", "`", "{", "}", "~", "!", "$", "&", "(", ",", "=", "[", "]",
		"%62", "%41", "%c0%af", "%e2%80%ae", "%D9%A3", "%EF%BC%91", "\u0663", "\u00e9", "%", "%4", "%zz", "0", "00", "-1", "+1", "1e1", "0x1", " ", "/",
		"metrics", "/metrics", "ui/../", "/sessions/1", "?x", "#x",
	}
	queries = []string{
		"", "", "", "from=0", "size=10", "from=0&size=-1", "order=desc", "doAs=hdfs", "_method=DELETE", "_method=delete&from=0", "user.name=root",
		"id=1", "from=x", "from=0&from=1", "from=%30", "fr%6fm=0", "size=99999999999", "order=desc;doAs=x", "_method=GET", "&&&", "=", "from=0;_method=DELETE",
	}
	headers = []string{"", "", "", "X-HTTP-Method-Override: DELETE", "X-HTTP-Method: DELETE", "X-Method-Override: delete", "x-http-method-override: GET", "Cookie: hadoop.auth=u"}
)

// Mutations returns n request lines, the same ones for the same seed: plain
// ones, and plain ones with a few odd pieces inserted, doubled or re-cased.
func Mutations(seed uint64, n int) []Line {
	r := rand.New(rand.NewPCG(seed, 0x6c697679)) // the same numbers again for every run
	out := make([]Line, n)
	for i := range out {
		out[i] = mutate(r)
	}
	return out
}

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

func mutate(r *rand.Rand) Line {
	l := Line{Method: pick(r, plainMethods[:4]), Target: pick(r, plainPaths), Header: pick(r, headers)}
	if r.IntN(4) == 0 {
		l.Method = pick(r, append(plainMethods, oddMethods...))
	}
	for range max(0, r.IntN(6)-2) {
		at := r.IntN(len(l.Target) + 1)
		switch r.IntN(6) {
		case 0: // a letter in its percent form
			if at < len(l.Target) {
				l.Target = l.Target[:at] + fmt.Sprintf("%%%02x", l.Target[at]) + l.Target[at+1:]
			}
		case 1: // another case
			l.Target = l.Target[:at] + strings.ToUpper(l.Target[at:])
		case 2: // a slash more
			l.Target = l.Target[:at] + "/" + l.Target[at:]
		case 3: // at the end
			l.Target += pick(r, oddPieces)
		case 4: // a part left out
			l.Target = l.Target[:at/2] + l.Target[at:]
		default:
			l.Target = l.Target[:at] + pick(r, oddPieces) + l.Target[at:]
		}
	}
	if q := pick(r, queries); q != "" {
		l.Target += "?" + q
	}
	return l
}
