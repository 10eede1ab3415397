package policies

import (
	"fmt"
	"strings"
)

// Entry is one thing that a policy did to a request.
type Entry struct {
	// Key is the field or the Spark key as the client wrote it, or as it was set.
	Key string `json:"key"`
	// Given is the client's value, redacted where it may be a secret and cut to
	// 200 bytes; empty if it gave none.
	Given string `json:"given,omitempty"`
	// Set is the value that was put in place.
	Set string `json:"set,omitempty"`
	// Rule says why, in words.
	Rule string `json:"rule"`
	// Source is where the rule stands: "spark-blacklist.conf:3", "environment
	// analytics", "built-in".
	Source string `json:"source"`
	// Quiet entries are in the report, but not in the reply's headers: what
	// Livy's own clients send out of habit.
	Quiet bool `json:"quiet,omitempty"`
}

// Report is what a policy did to a request and why.
type Report struct {
	// Ignored is what the client said and the gateway left out.
	Ignored []Entry `json:"ignored,omitempty"`
	// Forced is what the gateway set, whatever the client said.
	Forced []Entry `json:"forced,omitempty"`
	// Lowered is what was above a cap, or not allowed, and was set to what is.
	Lowered []Entry `json:"lowered,omitempty"`
	// Refused is why the request is not sent at all.
	Refused []Entry `json:"refused,omitempty"`
}

// IgnoredHeader is the value of X-Livy-Gateway-Ignored: the keys that were
// ignored, separated by commas. Empty when there are none.
func (r *Report) IgnoredHeader() string { return header(r.Ignored) }

// ForcedHeader is the value of X-Livy-Gateway-Forced: the keys that were forced
// or lowered, separated by commas. Empty when there are none.
func (r *Report) ForcedHeader() string { return header(r.Forced, r.Lowered) }

// maxHeader keeps the headers well below what servers and proxies take.
const maxHeader = 1024

func header(lists ...[]Entry) string {
	var b strings.Builder
	left := 0
	for _, entries := range lists {
		for _, e := range entries {
			switch {
			case e.Quiet:
			case left > 0 || b.Len()+len(e.Key) > maxHeader:
				left++
			default:
				if b.Len() > 0 {
					b.WriteString(", ")
				}
				b.WriteString(e.Key)
			}
		}
	}
	if left > 0 {
		fmt.Fprintf(&b, ", and %d more", left)
	}
	return strings.TrimPrefix(b.String(), ", ")
}

const redacted = "(redacted)"

// Redact returns the value of a setting as it may be shown: not at all if key
// or value look like a secret, nor the arguments of a program, in which nobody
// can tell.
func Redact(key, value string) string {
	if key == "args" || hasSecretWord(key) || strings.IndexByte(value, '=') >= 0 && hasSecretWord(value) || hasUserInfo(value) {
		return redacted
	}
	return value
}

// hasSecretWord looks, in any case, for the words of Spark's own default for
// spark.redaction.regex, and for "credential". It runs for every setting of
// every request, so it does without a regular expression.
func hasSecretWord(s string) bool {
	for i := 0; i+5 <= len(s); i++ {
		found := false
		switch s[i] | 0x20 {
		case 's':
			found = foldPrefix(s[i:], "secret")
		case 'p':
			found = foldPrefix(s[i:], "password")
		case 't':
			found = foldPrefix(s[i:], "token")
		case 'a':
			found = foldPrefix(s[i:], "accesskey") || foldPrefix(s[i:], "access.key")
		case 'c':
			found = foldPrefix(s[i:], "credential")
		}
		if found {
			return true
		}
	}
	return false
}

func foldPrefix(s, lower string) bool {
	return len(s) >= len(lower) && s[1]|0x20 == lower[1] && strings.EqualFold(s[:len(lower)], lower)
}

// hasUserInfo finds a name or password in a URL.
func hasUserInfo(s string) bool {
	_, rest, ok := strings.Cut(s, "://")
	if !ok {
		return false
	}
	if end := strings.IndexAny(rest, "/ \t\n"); end >= 0 && strings.Contains(rest[:end], "@") {
		return true
	} else if end < 0 {
		return strings.Contains(rest, "@")
	}
	return hasUserInfo(rest)
}

// shown is Redact, cut to what fits a report.
func shown(key, value string) string {
	const limit = 200
	if s := Redact(key, value); len(s) <= limit {
		return s
	} else {
		return strings.ToValidUTF8(s[:limit], "") + "…"
	}
}
