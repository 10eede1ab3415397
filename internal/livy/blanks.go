package livy

import "fmt"

// oddBlanks are characters that look like a blank or like nothing. They come with text
// that was copied from web pages and word processors, and separate nothing.
var oddBlanks = map[rune]string{
	'\u00a0': "a no-break space", '\u1680': "a blank of another script", '\u2007': "a figure space", '\u202f': "a narrow no-break space",
	'\u3000': "an ideographic space", '\u200b': "a zero-width space", '\u200c': "a zero-width character", '\u200d': "a zero-width character",
	'\u2060': "a zero-width character", '\ufeff': "a byte order mark", '\u2028': "a line separator", '\u2029': "a paragraph separator",
}

// ByteOrderMark begins files that some editors write; it is no part of the text.
const ByteOrderMark = "\ufeff"

// OddBlank names the first character of text that looks like a blank and is none, with
// its number; it returns "" if there is none.
func OddBlank(text string) string {
	for _, r := range text {
		if name, ok := oddBlanks[r]; ok {
			return fmt.Sprintf("%s (U+%04X)", name, r)
		}
		if r >= '\u2000' && r <= '\u200a' {
			return fmt.Sprintf("a blank of another width (U+%04X)", r)
		}
	}
	return ""
}
