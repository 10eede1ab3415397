package tokens

import (
	"encoding/base64"
	"strings"
)

// masked replaces a secret.
const masked = "REDACTED"

// Mask replaces everything in a text that has the form of a generated secret, even if
// characters are percent-encoded, once or several times, or have changed case, as in header
// names. It ignores the checksum. A text without a secret is returned unchanged; for most
// texts that costs only a check of the length.
func Mask(text string) string {
	if len(text) < secretLength {
		return text
	}
	var out strings.Builder
	done := 0
	for i := 0; i+secretLength <= len(text); {
		switch text[i] {
		case 'l', 'L', '%':
		default:
			i++
			continue
		}
		end, ok := secretAt(text, i)
		if !ok {
			i++
			continue
		}
		out.WriteString(text[done:i])
		out.WriteString(masked)
		i, done = end, end
	}
	if done == 0 {
		return text
	}
	out.WriteString(text[done:])
	return out.String()
}

// MaskCredentials is Mask for the value of a header. It also masks a Basic login that contains
// a secret, as a whole.
func MaskCredentials(value string) string {
	if len(value) < secretLength {
		return value
	}
	trimmed := strings.TrimSpace(value)
	if at := max(0, strings.IndexAny(trimmed, " \t")); strings.EqualFold(trimmed[:at], "Basic") {
		scheme, rest := trimmed[:at], trimmed[at:]
		// The decoder stops at invalid Base64 and returns what comes before.
		login, _ := base64.StdEncoding.DecodeString(strings.TrimSpace(rest))
		if text := string(login); Mask(text) != text {
			return scheme + " " + masked
		}
	}
	return Mask(value)
}

// secretAt reports whether a generated secret begins at an index, and where it ends.
func secretAt(text string, i int) (end int, ok bool) {
	for n := range secretLength {
		if i >= len(text) {
			return 0, false
		}
		var c byte
		c, i = charAt(text, i)
		switch {
		case n < len(secretPrefix):
			if lower(c) != secretPrefix[n] {
				return 0, false
			}
		case n == len(secretPrefix)+idLength, n == secretLength-1-crcLength:
			if c != '_' {
				return 0, false
			}
		default:
			if l := lower(c); (l < 'a' || l > 'z') && (l < '0' || l > '9') {
				return 0, false
			}
		}
	}
	return i, true
}

// charAt returns the character at an index with all percent-encoding undone, and the index of
// the next one.
func charAt(text string, i int) (c byte, next int) {
	c, i = text[i], i+1
	for c == '%' && i+1 < len(text) {
		high, low := hexDigit(text[i]), hexDigit(text[i+1])
		if high < 0 || low < 0 {
			break
		}
		c, i = byte(high<<4|low), i+2
	}
	return c, i
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case lower(c) >= 'a' && lower(c) <= 'f':
		return int(lower(c)-'a') + 10
	}
	return -1
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
