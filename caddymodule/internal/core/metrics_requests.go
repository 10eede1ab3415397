package core

import (
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/tokens"
)

var (
	requestsTotal = counter("requests_total",
		"Requests by gateway, route of Livy's API and outcome. Routes have the names that "+
			"disable-routes takes; `none` is a path that is no route. Outcomes: `ok`; `livy_error` (Livy answered with an "+
			"error); `refused` (the gateway answered 4xx); `unavailable` (the gateway answered 503: the gateway is "+
			"stopped or starting, Livy or Redis does not answer); `failed` (a fault of the gateway); `gone` (the "+
			"client left).",
		labelGateway, "route", "outcome")
	ownSeconds = histogram("request_own_seconds",
		"The gateway's own part of the time of requests, by class: `read`, `write` or `create`. Waiting for Livy, or "+
			"for a gateway to start, does not count.",
		[]float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .1, .25, 1}, labelGateway, "class")
	livySeconds = histogram("request_livy_seconds",
		"Livy's part of the time of requests, by class: `read`, `write` or `create`. It ends with the last byte of the "+
			"reply.",
		[]float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 30, 120}, labelGateway, "class")
	wakeSeconds = histogram("wake_wait_seconds",
		"How long requests waited for their gateway to start, by outcome: `ready` or `gave_up`.",
		[]float64{1, 2.5, 5, 10, 15, 20, 30, 45, 60, 120, 300}, labelGateway, "outcome")
	refusalsTotal = counter("refusals_total",
		"Requests that the gateway answered with an error of its own, by reason: a reason of a token error "+
			"(`missing`, `unknown`, `expired` and so on), `policy`, `route` (no such route), `ended` (of a session or "+
			"batch that has ended), `livy` (the Livy server does not answer), or the kind of another error (`invalid`, "+
			"`not_found`, `conflict`, `limited`, `too_large`, `unavailable`, `internal`).",
		labelGateway, "reason")
)

// outcome is how a request ended.
type outcome int

const (
	outcomeOK outcome = iota
	outcomeLivyError
	outcomeRefused
	outcomeUnavailable
	outcomeFailed
	outcomeGone
	outcomes // their number
)

var outcomeNames = [outcomes]string{"ok", "livy_error", "refused", "unavailable", "failed", "gone"}

// RequestTimes are what a handler measured of a request.
type RequestTimes struct {
	Began time.Time
	// Livy is how long Livy took, 0 if nothing was sent. Waited is how long the request waited
	// for its gateway to start.
	Livy, Waited time.Duration
}

// meter has the metrics of one gateway, so that a request need not look for them by their labels.
type meter struct {
	ref       string
	routes    sync.Map // *[outcomes]prometheus.Counter by *livy.Route
	own, livy [classes]prometheus.Observer
}

// class is a class of routes.
type class int

const (
	classRead class = iota
	classWrite
	classCreate
	classes // their number
)

var classNames = [classes]string{"read", "write", "create"}

func classOf(r *livy.Route) class {
	switch {
	case r.Create:
		return classCreate
	case r.Method == http.MethodGet:
		return classRead
	}
	return classWrite
}

// meters are the meters by "workspace/name".
var meters sync.Map

func meterOf(ref string) *meter {
	if m, ok := meters.Load(ref); ok {
		return m.(*meter)
	}
	label := gatewayLabel(ref)
	m := &meter{ref: label}
	for c, name := range classNames {
		m.own[c] = ownSeconds.WithLabelValues(label, name)
		m.livy[c] = livySeconds.WithLabelValues(label, name)
	}
	known, _ := meters.LoadOrStore(ref, m)
	return known.(*meter)
}

func (m *meter) requests(r *livy.Route) *[outcomes]prometheus.Counter {
	if known, ok := m.routes.Load(r); ok {
		return known.(*[outcomes]prometheus.Counter)
	}
	var all [outcomes]prometheus.Counter
	for o, name := range outcomeNames {
		all[o] = requestsTotal.WithLabelValues(m.ref, r.Name, name)
	}
	known, _ := m.routes.LoadOrStore(r, &all)
	return known.(*[outcomes]prometheus.Counter)
}

// CountRequest counts a request. status is that of the reply; err is the error that the gateway
// answered with, nil if Livy's reply was passed on.
func CountRequest(ref string, route *livy.Route, status int, err error, t RequestTimes) {
	m := meterOf(ref)
	m.requests(route)[outcomeOf(status, err)].Inc()
	c := classOf(route)
	if t.Livy > 0 {
		m.livy[c].Observe(t.Livy.Seconds())
	}
	m.own[c].Observe((time.Since(t.Began) - t.Livy - t.Waited).Seconds())
}

// CountStray counts a request that matches no gateway or no route.
func CountStray(ref string, status int, err error) {
	requestsTotal.WithLabelValues(gatewayLabel(ref), "none", outcomeNames[outcomeOf(status, err)]).Inc()
}

// CountWait counts a request that waited for its gateway to start.
func CountWait(ref string, waited time.Duration, err error) {
	outcome := "ready"
	if err != nil {
		outcome = "gave_up"
	}
	wakeSeconds.WithLabelValues(gatewayLabel(ref), outcome).Observe(waited.Seconds())
}

// CountRefusal counts a request that was answered with an error. byPolicy is set if the gateway's
// policy refused it.
func CountRefusal(ref string, status int, err error, byPolicy bool) {
	if status == StatusClientGone {
		return
	}
	reason := refusalReason(err)
	if byPolicy {
		reason = "policy"
	}
	refusalsTotal.WithLabelValues(gatewayLabel(ref), reason).Inc()
}

func outcomeOf(status int, err error) outcome {
	switch {
	case status == StatusClientGone:
		return outcomeGone
	case err == nil && status < 400:
		return outcomeOK
	case err == nil:
		return outcomeLivyError
	case status == http.StatusServiceUnavailable:
		return outcomeUnavailable
	case status >= 500:
		return outcomeFailed
	}
	return outcomeRefused
}

func refusalReason(err error) string {
	var (
		match   *livy.Error
		token   *tokens.Error
		ended   *sessions.EndedError
		domain  *gateway.Error
		handler caddyhttp.HandlerError
	)
	switch {
	case errors.As(err, &match):
		return "route"
	case errors.As(err, &token):
		return string(token.Reason)
	case errors.As(err, &ended):
		return "ended"
	case errors.As(err, &domain):
		return domain.Kind.String()
	case errors.As(err, &handler):
		return "livy"
	}
	return gateway.KindInternal.String()
}
