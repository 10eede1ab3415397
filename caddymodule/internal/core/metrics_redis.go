package core

import (
	"time"

	"github.com/livygateway/livygateway/internal/store"
)

var (
	redisSeconds = histogram("redis_seconds", "How long Redis took to answer a command or a group of commands.",
		[]float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, 1})
	redisErrors = counter("redis_errors_total",
		"Commands that Redis did not answer, or could not carry out: it is away, loading, full or read-only, or it "+
			"refuses the login.")
)

// observer counts and logs what the store tells.
func (c *Core) observer() store.Observer {
	took, failed := redisSeconds.WithLabelValues(), redisErrors.WithLabelValues()
	return store.Observer{
		Command: func(d time.Duration, err error) {
			took.Observe(d.Seconds())
			if err != nil {
				failed.Inc()
			}
		},
		Started: func(r *store.Record) { recordStarted(c.Manager, r); c.logStarted(r) },
		Ended:   func(r *store.Record) { recordEnded(c.Manager, r); c.logEnded(r); c.noticeEnd(r) },
	}
}
