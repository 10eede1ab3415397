package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// printJSON writes v as JSON.
func (c *cli) printJSON(v any) error {
	e := json.NewEncoder(c.out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// print writes an API reply: as JSON, or by calling text.
func (c *cli) print(raw json.RawMessage, text func()) error {
	if c.json {
		return c.printJSON(raw)
	}
	text()
	return nil
}

const (
	defaultWidth = 80
	leastWidth   = 60
)

// width returns the maximum width of a line.
func (c *cli) width() int {
	if f, ok := c.out.(*os.File); ok {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil {
			return max(n, leastWidth)
		}
	}
	return defaultWidth
}

// column is a column of a table.
type column struct {
	head string
	// flex columns are truncated if the table is too wide. Ids, states and times are never
	// truncated.
	flex bool
	// wide columns are shown with --wide only.
	wide bool
}

// table is a table with a header.
type table struct {
	columns []column
	rows    [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// gap is the space between columns, leastFlex the minimum width of truncated cells.
const (
	gap       = 2
	leastFlex = 8
)

// write writes the table, or none if it has no rows.
func (c *cli) write(t *table, none string) {
	if len(t.rows) == 0 {
		fmt.Fprintln(c.err, none)
		return
	}
	var shown []int
	for i, col := range t.columns {
		if c.wide || !col.wide {
			shown = append(shown, i)
		}
	}
	widths := make([]int, len(t.columns))
	total := -gap
	for _, i := range shown {
		widths[i] = utf8.RuneCountInString(t.columns[i].head)
		for _, row := range t.rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
		total += widths[i] + gap
	}
	if !c.wide {
		t.shrink(shown, widths, total-c.width())
	}
	line := func(cell func(i int) string) {
		var b strings.Builder
		for _, i := range shown {
			text := cut(cell(i), widths[i])
			b.WriteString(text)
			b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text)+gap))
		}
		fmt.Fprintln(c.out, strings.TrimRight(b.String(), " "))
	}
	line(func(i int) string { return t.columns[i].head })
	for _, row := range t.rows {
		line(func(i int) string { return row[i] })
	}
}

// shrink reduces the widths of the widest flexible columns by excess.
func (t *table) shrink(shown, widths []int, excess int) {
	for ; excess > 0; excess-- {
		widest := -1
		for _, i := range shown {
			if t.columns[i].flex && widths[i] > max(leastFlex, utf8.RuneCountInString(t.columns[i].head)) &&
				(widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return
		}
		widths[widest]--
	}
}

// cut truncates a text to n characters, with a mark if something is missing.
func cut(s string, n int) string {
	s = oneLine(s)
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:max(n-1, 0)]) + "…"
}

// oneLine removes control characters, including line ends, which could move the cursor of a
// terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}

// details is a list of names and values, one per line.
type details struct {
	names, values []string
}

// add adds a line unless its value is empty.
func (d *details) add(name, value string) {
	if value != "" {
		d.names = append(d.names, name)
		d.values = append(d.values, value)
	}
}

// list adds values one below the other.
func (d *details) list(name string, values []string) {
	for _, value := range values {
		d.add(name, value)
		name = ""
	}
}

func (c *cli) writeDetails(d *details) {
	left := 0
	for _, name := range d.names {
		left = max(left, len(name))
	}
	left += len(":") + gap
	for i, name := range d.names {
		if name != "" {
			name += ":"
		}
		for _, line := range c.wrap(d.values[i], c.width()-left) {
			fmt.Fprintln(c.out, strings.TrimRight(fmt.Sprintf("%-*s%s", left, name, line), " "))
			name = ""
		}
	}
}

// wrap breaks a text between words. It does not break long words, which users may want to copy.
func (c *cli) wrap(s string, width int) []string {
	s = oneLine(s)
	if c.wide || utf8.RuneCountInString(s) <= width {
		return []string{s}
	}
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(s) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= width:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	return append(lines, line)
}

// dash returns s, or "-" if it is empty.
func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// minute formats a time for a table, whose header shows the zone.
func minute(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04")
}

// second formats a time for details, or returns "" for none.
func second(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// isTerminal reports whether w is a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
