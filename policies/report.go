package policies

import (
	"fmt"
	"strings"
)

// Entry is one change that a policy made to a request.
type Entry struct {
	// Key is the field or the Spark key as the client wrote it, or as it was set.
	Key string `json:"key"`
	// Given is the client's value, redacted if it may be a secret and truncated to 200 bytes;
	// empty if there was none.
	Given string `json:"given,omitempty"`
	// Set is the new value.
	Set string `json:"set,omitempty"`
	// Rule is the reason.
	Rule string `json:"rule"`
	// Source is where the rule was defined: "spark-blacklist.conf:3", "environment
	// analytics", "built-in".
	Source string `json:"source"`
	// Quiet entries are in the report but not in the reply's headers, e.g. keys that Livy's
	// own clients always send.
	Quiet bool `json:"quiet,omitempty"`
}

// Report lists the changes that a policy made to a request, with reasons.
type Report struct {
	// Ignored lists the client's values that were dropped.
	Ignored []Entry `json:"ignored,omitempty"`
	// Forced lists the values that the gateway set, whatever the client requested.
	Forced []Entry `json:"forced,omitempty"`
	// Lowered lists values that were above a maximum, or not allowed, and were replaced.
	Lowered []Entry `json:"lowered,omitempty"`
	// Noted lists values that are sent on, with what is wrong with them.
	Noted []Entry `json:"noted,omitempty"`
	// Refused lists the reasons why the request is refused.
	Refused []Entry `json:"refused,omitempty"`
}

// IgnoredHeader returns the value of X-Livy-Gateway-Ignored: the keys that were ignored, separated
// by commas. It is empty if there are none.
func (r *Report) IgnoredHeader() string { return header(r.Ignored) }

// ForcedHeader returns the value of X-Livy-Gateway-Forced: the keys that were forced or lowered,
// separated by commas. It is empty if there are none.
func (r *Report) ForcedHeader() string { return header(r.Forced, r.Lowered) }

// maxHeader keeps the headers well below the limits of servers and proxies.
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

// Redact returns the value of a setting for display. It is redacted if key or value look like a
// secret, and for arguments of programs, which may contain secrets in any form.
func Redact(key, value string) string {
	if key == "args" || hasSecretWord(key) || strings.IndexByte(value, '=') >= 0 && hasSecretWord(value) ||
		hasUserInfo(value) {
		return redacted
	}
	return value
}

// hasSecretWord reports whether a text contains, in any case, the words of Spark's own default for
// spark.redaction.regex, or "credential". It runs for every setting of every request, so it does
// not use a regular expression.
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

// hasUserInfo reports whether a text contains a URL with a user name or password.
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

// shown is Redact, truncated for reports.
func shown(key, value string) string {
	const limit = 200
	if s := Redact(key, value); len(s) <= limit {
		return s
	} else {
		return strings.ToValidUTF8(s[:limit], "") + "…"
	}
}
