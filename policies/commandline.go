package policies

import (
	"fmt"
	"strings"

	"github.com/livygateway/livygateway/internal/livy"
)

// longestArgument is how many bytes Linux passes to a program in one argument, without
// the NUL at its end.
const longestArgument = 128<<10 - 1

// screenCommandLine refuses what would not reach the program: Livy hands a batch to
// spark-submit on a command line, and so does YARN to a driver in its cluster. Sessions
// have a file for their settings.
func (c *creation) screenCommandLine() {
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
				// Spark quotes what else means something to the shell that YARN starts it by.
				if c.p.yarn() && c.p.set.DeployMode == "cluster" && strings.Contains(arg, "`") {
					c.refuse("args", arg, "must not have backticks: on YARN, in deploy mode cluster, what is between them would be run as a command; put the text into a file", builtIn)
				}
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
