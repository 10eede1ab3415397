package sessions

import (
	"encoding/json"

	"github.com/livygateway/livygateway/internal/livy"
)

// Livy forgets what has finished after ten minutes. Whoever asks for a batch later than
// that, such as a scheduler that polls seldom, would take the 404 for a failure and run a
// job again that succeeded.

// kept is what the cache holds of it: logs are read again only where they are told.
func (e *EndedError) kept() *EndedError {
	if e.remembered() {
		return e
	}
	r := *e.record
	r.Log = nil
	return &EndedError{record: &r}
}

// remembered reports whether clients are told of it as Livy did while it knew it.
func (e *EndedError) remembered() bool {
	r := e.record
	return r.Kind == string(livy.KindBatch) && r.State == "success" && !r.Live()
}

// Reply is what Livy would have answered to a GET of a batch that succeeded, by the name
// of the route; ok is false for everything else.
func (e *EndedError) Reply(route string) (body []byte, ok bool) {
	if !e.remembered() {
		return nil, false
	}
	var err error
	switch route {
	case "batch.state":
		body, err = json.Marshal(map[string]any{"id": e.record.PublicID, "state": e.record.State})
	case "batch.get":
		body, err = objectOf(e.record, e.log())
	case "batch.log":
		log := e.log()
		body, err = json.Marshal(map[string]any{"id": e.record.PublicID, "from": 0, "total": len(log), "log": log})
	default:
		return nil, false
	}
	return body, err == nil
}

// RecordID returns the id of its record.
func (e *EndedError) RecordID() string { return e.record.ID }

// SparkUI reports whether the gateway served its Spark UI.
func (e *EndedError) SparkUI() bool { return extraOf(e.record).SparkUI }

// log is what the policy changed, and the end of its log with where that is from.
func (e *EndedError) log() []string {
	return append(append(linesOf(e.record), "Livy no longer has this log. The gateway's record "+e.record.ID+" has its end:"), e.record.Log...)
}
