package policies

import (
	"fmt"

	"github.com/livygateway/livygateway/internal/livy"
)

// longestArgument is how many bytes Linux passes to a program in one argument, without
// the NUL at its end.
const longestArgument = 128<<10 - 1

// screenLengths refuses what Livy cannot start spark-submit with: it hands a batch over on
// a command line. Sessions have a file for their settings.
func (c *creation) screenLengths() {
	if c.req.kind != livy.KindBatch {
		return
	}
	check := func(name, what string, n int) {
		if n > longestArgument {
			c.report.Refused = append(c.report.Refused, Entry{
				Key: shown("", name), Given: fmt.Sprintf("%d bytes", n), Source: builtIn,
				Rule: fmt.Sprintf("%s must have at most %d bytes, as any argument of a program on Linux; put it into a file", what, longestArgument),
			})
		}
	}
	for i := range fields {
		v := &c.req.values[i]
		if i == fieldIndex["args"] {
			for _, arg := range v.list {
				check("args", "each argument", len(arg))
			}
			continue
		}
		n := len(v.text)
		for _, entry := range v.list {
			n += len(entry) + 1 // Livy makes one setting of them
		}
		check(fields[i].name, "it", n)
	}
	for i := range c.req.conf {
		if s := &c.req.conf[i]; !s.dropped {
			check(s.key, "key and value together", len(s.key)+1+len(s.value))
		}
	}
}
