package livy

import "bytes"

// Bounds of an Outline.
const (
	outlineString = 1 << 10
	outlineSize   = 1 << 20
)

// Outline is a writer that keeps what a large JSON text says on its upper levels, in little
// memory: objects and arrays below Depth become null, and strings of more than 1 KiB are empty.
type Outline struct {
	// Depth is how many levels of objects and arrays are kept.
	Depth int

	kept             bytes.Buffer
	depth            int
	inString, escape bool
	begin            int // of the string's text in kept
	cut              bool
}

// Bytes is the outline. It is no JSON if the text was none, or if the outline has more than
// 1 MiB.
func (o *Outline) Bytes() []byte { return o.kept.Bytes() }

// Write never fails.
func (o *Outline) Write(text []byte) (int, error) {
	for _, b := range text {
		switch {
		case o.inString:
			o.inText(b)
		case b == '{' || b == '[':
			if o.depth++; o.depth == o.Depth+1 {
				_, _ = o.kept.WriteString("null")
			}
			o.keep(b)
		case b == '}' || b == ']':
			o.keep(b)
			o.depth--
		case b == ' ' || b == '\n' || b == '\r' || b == '\t':
		default:
			o.keep(b)
			if b == '"' {
				o.inString, o.begin, o.cut = true, o.kept.Len(), false
			}
		}
	}
	return len(text), nil
}

// inText goes on in a string.
func (o *Outline) inText(b byte) {
	switch {
	case o.escape:
		o.escape = false
	case b == '\\':
		o.escape = true
	case b == '"':
		o.inString, o.cut = false, false
	}
	if o.cut {
		return
	}
	o.keep(b)
	if o.inString && o.kept.Len()-o.begin > outlineString {
		o.kept.Truncate(o.begin)
		o.cut = true
	}
}

func (o *Outline) keep(b byte) {
	if o.depth <= o.Depth && o.kept.Len() < outlineSize {
		_ = o.kept.WriteByte(b)
	}
}
