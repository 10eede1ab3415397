package policies

import (
	"regexp"

	"github.com/livygateway/livygateway/internal/livy"
)

// timeoutKeys are settings by which people ask for the time after which an idle session
// ends. The one is another product's, the other that of Livy's server; neither means
// anything in a request to Livy, where a field says it.
var timeoutKeys = []string{"spark.livy.session.idle.timeout", "livy.server.session.timeout"}

// lengthOfTime is what Livy takes for one; without a unit it is milliseconds.
var lengthOfTime = regexp.MustCompile(`^[0-9]{1,18}(us|ms|s|m|min|h|d)?$`)

// idleField is the field for it in a version of Livy: since 0.9 ttl bounds the whole life
// of a session. It is -1 where there is none.
func (c *creation) idleField() int {
	for _, name := range []string{"idleTimeout", "ttl"} {
		if i := fieldIndex[name]; fields[i].known(c.req.kind, c.p.version) {
			return i
		}
	}
	return -1
}

// adoptTimeout puts a time-out that is asked for in conf into the field for it, where
// rules hold for it as for any other. What cannot be heeded is named in the report.
func (c *creation) adoptTimeout() {
	field := c.idleField()
	for _, key := range timeoutKeys {
		text, ok := c.req.get(key)
		if !ok || c.p.livyKeys[key] {
			continue
		}
		var reason string
		switch {
		case c.req.kind != livy.KindSession:
			reason = "is for sessions, and a batch ends by itself"
		case field < 0:
			reason = "cannot be asked for at this version of Livy"
		case c.req.values[field].given:
			reason = fields[field].name + " wins over it"
		case !lengthOfTime.MatchString(text):
			reason = "must be a length of time, such as 30m"
		default:
			c.req.values[field] = value{given: true, text: text}
		}
		c.req.drop(key)
		if reason != "" {
			c.ignore(key, text, reason, builtIn)
		}
	}
}
