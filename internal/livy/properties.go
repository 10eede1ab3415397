package livy

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Property is one setting of a configuration file.
type Property struct {
	Line  int // first line, counted from 1
	Key   string
	Value string
}

// PropertyError is a syntax error in a configuration file. It does not contain the line,
// which may hold secrets.
type PropertyError struct {
	Line int
	Rule string
}

// Error names the line and the rule it breaks.
func (e *PropertyError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Rule) }

// ParseProperties reads text in the format of Java's Properties, which is what
// Livy and Spark read their files with: a key ends at the first blank, '=' or
// ':', a line that ends in an odd number of backslashes goes on in the next,
// '#' and '!' begin comment lines, and backslashes escape. Values are trimmed,
// as Livy and Spark do. A byte order mark at the beginning is passed over, and a
// character that only looks like a blank is an error where it would be taken for part of
// a key or stand at the end of a value. The error is a *PropertyError.
func ParseProperties(text string) ([]Property, error) {
	if !utf8.ValidString(text) {
		line := 1 + strings.Count(text[:strings.IndexFunc(text,
			func(r rune) bool { return r == utf8.RuneError })], "\n")
		return nil, &PropertyError{line, "is not UTF-8 text"}
	}
	text = strings.TrimPrefix(text, ByteOrderMark)
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
	lines := strings.Split(text, "\n")
	var entries []Property
	for i := 0; i < len(lines); i++ {
		first := i + 1
		logical := strings.TrimLeft(lines[i], blanks)
		if logical == "" || logical[0] == '#' || logical[0] == '!' {
			continue
		}
		for continues(logical) {
			logical = logical[:len(logical)-1]
			if i++; i == len(lines) {
				break
			}
			logical += strings.TrimLeft(lines[i], blanks)
		}
		e, err := parseProperty(logical)
		if err != nil {
			return nil, &PropertyError{first, err.Error()}
		}
		e.Line = first
		entries = append(entries, e)
	}
	return entries, nil
}

const blanks = " \t\f"

// continues reports whether a line ends in an odd number of backslashes.
func continues(line string) bool {
	n := len(line) - len(strings.TrimRight(line, `\`))
	return n%2 == 1
}

// parseProperty splits a logical line into its key and value.
func parseProperty(line string) (Property, error) {
	end := 0
	for end < len(line) && !strings.ContainsRune(blanks+"=:", rune(line[end])) {
		if line[end] == '\\' {
			end++
		}
		end++
	}
	rest := strings.TrimLeft(line[end:], blanks)
	if rest != "" && (rest[0] == '=' || rest[0] == ':') {
		rest = strings.TrimLeft(rest[1:], blanks)
	}
	if odd := oddBlank(line[:end], rest); odd != "" {
		return Property{}, errors.New("holds " + odd + ", which looks like a blank and is none: write a blank")
	}
	key, err := unescape(line[:end])
	if err != nil {
		return Property{}, err
	}
	value, err := unescape(rest)
	if err != nil {
		return Property{}, err
	}
	return Property{Key: key, Value: strings.TrimSpace(value)}, nil
}

// oddBlank names a character that looks like a blank in a key or around a value. Within a
// value it may be meant.
func oddBlank(key, value string) string {
	if odd := OddBlank(key); odd != "" {
		return odd
	}
	value = strings.TrimSpace(value)
	first, _ := utf8.DecodeRuneInString(value)
	last, _ := utf8.DecodeLastRuneInString(value)
	return OddBlank(string(first) + string(last))
}

// unescape resolves \t, \n, \f, \r, \uXXXX and backslashes before other characters.
func unescape(s string) (string, error) {
	if !strings.Contains(s, `\`) {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		if i++; i == len(s) {
			break
		}
		switch s[i] {
		case 't':
			b.WriteByte('\t')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 'f':
			b.WriteByte('\f')
		case 'u':
			r, err := escaped(s[i:])
			if err != nil {
				return "", err
			}
			i += 4
			if utf16.IsSurrogate(r) { // must be followed by the other surrogate
				low, err := escaped(strings.TrimPrefix(s[i+1:], `\`))
				if r = utf16.DecodeRune(r, low); err != nil || s[i+1] != '\\' || r == utf8.RuneError {
					return "", errors.New(`a \u escape is half of a surrogate pair without the other half`)
				}
				i += 6
			}
			b.WriteRune(r)
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), nil
}

// escaped parses the number at the beginning of "uXXXX...".
func escaped(s string) (rune, error) {
	if len(s) < 5 || s[0] != 'u' {
		return 0, errors.New(`\u needs four hexadecimal digits`)
	}
	n, err := strconv.ParseUint(s[1:5], 16, 16)
	if err != nil {
		return 0, errors.New(`\u needs four hexadecimal digits`)
	}
	return rune(n), nil
}

// WriteProperties is the inverse of ParseProperties. It writes "key = value" lines in ASCII,
// so that the reader's character set does not matter.
func WriteProperties(b *strings.Builder, entries []Property) {
	for _, e := range entries {
		b.WriteString(escape(e.Key, true))
		if e.Value != "" {
			b.WriteString(" = ")
			b.WriteString(escape(e.Value, false))
		}
		b.WriteByte('\n')
	}
}

func escape(s string, key bool) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == '\\':
			b.WriteString(`\\`)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\f':
			b.WriteString(`\f`)
		case key && strings.ContainsRune(" =:#!", r), i == 0 && r == ' ':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r > 0xffff: // a surrogate pair in Java
			b.WriteRune(r)
		case r < 0x20 || r > 0x7e:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
