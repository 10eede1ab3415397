package core

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"
)

// Metric describes a metric, for docs/metrics.md.
type Metric struct {
	Name string
	// Type is "counter", "gauge" or "histogram".
	Type string
	// Help is one or more sentences.
	Help   string
	Labels []string
}

// defined are all metrics. They are created once and registered with each configuration's
// registry, since Caddy creates a new registry at every reload.
var defined []Metric

// vectors are those of them that are counted as things happen; the others are read when metrics
// are collected. perGateway are the vectors with the label of the gateway.
var vectors, perGateway []vector

// vector is a metric of its own for each combination of labels.
type vector interface {
	prometheus.Collector
	Reset()
	DeletePartialMatch(prometheus.Labels) int
}

// Metrics lists all metrics, sorted by name.
func Metrics() []Metric {
	return slices.SortedFunc(slices.Values(defined), func(a, b Metric) int { return strings.Compare(a.Name, b.Name) })
}

// metricPrefix begins the names of all metrics.
const metricPrefix = "caddy_livy_"

// define adds a metric to the list.
func define(kind, name, help string, labels []string) string {
	name = metricPrefix + name
	defined = append(defined, Metric{Name: name, Type: kind, Help: help, Labels: labels})
	return name
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: define("counter", name, help, labels), Help: help}, labels)
	keep(v, labels)
	return v
}

func keep(v vector, labels []string) {
	vectors = append(vectors, v)
	if slices.Contains(labels, labelGateway) {
		perGateway = append(perGateway, v)
	}
}

// histogram defines a histogram of seconds. Prometheus servers that ask for native histograms get
// one, all others the buckets.
func histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: define("histogram", name, help, labels), Help: help, Buckets: buckets,
		NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100,
	}, labels)
	keep(v, labels)
	return v
}

// collected is a metric that is read when metrics are collected.
type collected struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	// perGateway is set if its first label is the gateway.
	perGateway bool
}

func gaugeOf(name, help string, labels ...string) *collected {
	return newCollected("gauge", prometheus.GaugeValue, name, help, labels)
}

func counterOf(name, help string, labels ...string) *collected {
	return newCollected("counter", prometheus.CounterValue, name, help, labels)
}

func newCollected(kind string, value prometheus.ValueType, name, help string, labels []string) *collected {
	return &collected{
		desc: prometheus.NewDesc(define(kind, name, help, labels), help, labels, nil), kind: value,
		perGateway: len(labels) > 0 && labels[0] == labelGateway,
	}
}

// labelGateway is the label with "workspace/name" of a gateway.
const labelGateway = "gateway"

// RegisterMetrics registers the metrics with a configuration's registry.
func RegisterMetrics(ctx caddy.Context) error {
	collectors := []prometheus.Collector{coreCollector{}}
	for _, v := range vectors {
		collectors = append(collectors, v)
	}
	for _, c := range collectors {
		err := ctx.GetMetricsRegistry().Register(c)
		var already prometheus.AlreadyRegisteredError
		if err != nil && !errors.As(err, &already) {
			return err
		}
	}
	return nil
}

// metricLabels has what is known of the values of the label "gateway".
var metricLabels struct {
	without atomic.Bool
	mu      sync.Mutex
	seen    map[string]bool // gateways that have metrics
}

// gatewayLabel returns the value of the label for a gateway.
func gatewayLabel(ref string) string {
	if metricLabels.without.Load() {
		return ""
	}
	return ref
}

// nameGateways switches the names of gateways in metrics on or off. Counts begin at 0 again when
// that changes.
func nameGateways(on bool) {
	if metricLabels.without.Swap(!on) == !on {
		return
	}
	metricLabels.mu.Lock()
	defer metricLabels.mu.Unlock()
	for _, v := range perGateway {
		v.Reset()
	}
	meters.Clear()
	metricLabels.seen = nil
}

// noteGateways begins the metrics of new gateways, and removes those of gateways that do not exist
// any more.
func noteGateways(refs map[string]bool) {
	metricLabels.mu.Lock()
	defer metricLabels.mu.Unlock()
	for ref := range refs {
		if !metricLabels.seen[ref] {
			beginAtZero(gatewayLabel(ref))
		}
	}
	for ref := range metricLabels.seen {
		if refs[ref] {
			continue
		}
		meters.Delete(ref)
		for _, v := range perGateway {
			v.DeletePartialMatch(prometheus.Labels{labelGateway: ref})
		}
	}
	metricLabels.seen = maps.Clone(refs)
}
