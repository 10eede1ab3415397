package golden

import (
	"strings"
	"unicode/utf8"
)

// Columns is the width of lines in documents.
const Columns = 100

// Wrap breaks text into lines for a document: the first begins with first, all others
// with rest. Code between backquotes stays on one line.
func Wrap(text, first, rest string) string {
	var b strings.Builder
	line := first
	empty := true
	for _, word := range words(text) {
		if !empty && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > Columns {
			b.WriteString(line + "\n")
			line, empty = rest, true
		}
		if !empty {
			line += " "
		}
		line += word
		empty = false
	}
	return b.String() + line + "\n"
}

// words are what stands between blanks that are not within backquotes.
func words(text string) []string {
	var out []string
	var word strings.Builder
	inCode := false
	for field := range strings.FieldsSeq(text) {
		if word.Len() > 0 {
			word.WriteByte(' ')
		}
		word.WriteString(field)
		if strings.Count(field, "`")%2 == 1 {
			inCode = !inCode
		}
		if !inCode {
			out = append(out, word.String())
			word.Reset()
		}
	}
	if word.Len() > 0 { // a backquote without another one
		out = append(out, word.String())
	}
	return out
}
