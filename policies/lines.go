package policies

import (
	"fmt"
	"strings"
	"unicode"
)

// maxLines bounds the lines about one request.
const maxLines = 20

// Lines returns the report for people who see neither headers nor records: the log of the
// session or batch begins with these lines. They tell what the client asked for and did not
// get, without quiet entries.
func (r *Report) Lines() []string {
	var lines []string
	add := func(entries []Entry, tell func(*Entry) string) {
		for i := range entries {
			if text := tell(&entries[i]); text != "" && !entries[i].Quiet {
				lines = append(lines, "Livy Gateway "+oneLine(text))
			}
		}
	}
	add(r.Ignored, func(e *Entry) string { return "ignored " + e.Key + ": " + e.reason() })
	add(r.Lowered, func(e *Entry) string { return "set " + e.Key + e.change() + ": " + e.reason() })
	add(r.Forced, func(e *Entry) string {
		if e.Given == "" || e.Given == e.Set {
			return "" // nothing of the client's was replaced
		}
		return "set " + e.Key + e.change() + ": " + e.reason()
	})
	if more := len(lines) - maxLines; more > 0 {
		lines = append(lines[:maxLines], fmt.Sprintf("Livy Gateway changed %d more settings; they are in the record", more))
	}
	return lines
}

// change describes the values that are not secret.
func (e *Entry) change() string {
	if e.Set == "" || Redact(e.Key, e.Set) != e.Set {
		return ""
	}
	if e.Given == "" || e.Given == redacted {
		return " to " + e.Set
	}
	return " to " + e.Set + " instead of " + e.Given
}

// reason names the place of the rule, or the rule itself if it has none that could be changed.
func (e *Entry) reason() string {
	switch e.Source {
	case "", builtIn, "Livy":
		return e.Rule
	}
	if file, line, ok := strings.Cut(e.Source, ":"); ok && line != "" && strings.Trim(line, "0123456789") == "" {
		return file + ", line " + line
	}
	return e.Source
}

// oneLine replaces control characters: keys and values come from clients.
func oneLine(text string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return ' '
		}
		return c
	}, text)
}
