package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

type options struct {
	binary, results, only string
	rounds                int
	during                time.Duration
	connections           int
	quick                 bool
}

func main() {
	var o options
	flag.StringVar(&o.binary, "binary", "bin/caddy", "the Caddy to measure")
	flag.IntVar(&o.rounds, "rounds", 5, "number of measurements of each path")
	flag.DurationVar(&o.during, "for", 2*time.Second, "duration of one measurement")
	flag.BoolVar(&o.quick, "quick", false, "polls alone, in three short rounds of 64 connections")
	flag.IntVar(&o.connections, "connections", 0, "number of connections (default 1, 64 and 512 for polls)")
	flag.StringVar(&o.only, "only", "", "only work whose name contains this text, e.g. \"create\"")
	flag.StringVar(&o.results, "results", "bench/results", "folder for the results")
	scale := flag.String("scale", "", "instead, the cost of large installations: \"some\", or \"full\" with a million records")
	flag.Parse()
	if o.quick {
		o.rounds, o.during = 3, time.Second
	}
	var err error
	switch *scale {
	case "":
		err = run(&o)
	case "some":
		err = runScale(&o, sizes)
	case "full":
		err = runScale(&o, fullSizes)
	default:
		err = errors.New("-scale must be some or full")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(o *options) error {
	dir, err := os.MkdirTemp("", "livygateway-bench-")
	if err != nil {
		return fmt.Errorf("creating a directory: %w", err)
	}
	defer os.RemoveAll(dir)
	s := &servers{binary: o.binary, dir: dir}
	defer s.stop()

	backend, err := startBackend()
	if err != nil {
		return err
	}
	redis, redisAddr, err := s.redis()
	if err != nil {
		return err
	}
	bare, _, err := s.caddy("bare.Caddyfile", backend, "")
	if err != nil {
		return err
	}
	barePID := s.pid()
	idle, _, err := s.caddy("idle.Caddyfile", backend, "")
	if err != nil {
		return err
	}
	idlePID := s.pid()
	site, admin, err := s.caddy("gateway.Caddyfile", backend, redis)
	if err != nil {
		return err
	}
	gatewayPID := s.pid()
	gateway, err := s.gateway(site, admin)
	if err != nil {
		return err
	}
	gateway.pid = gatewayPID
	targets := []target{
		{name: "direct", addr: backend},
		{name: "bare caddy", addr: bare, pid: barePID},
		{name: "caddy, idle 512", addr: idle, pid: idlePID},
		gateway,
	}
	peers, skipped, err := s.peers(backend, redisAddr)
	if err != nil {
		return err
	}
	targets = append(targets, peers...)
	for _, name := range skipped {
		fmt.Println("skipped:", name)
	}

	fmt.Printf("%d rounds of %v for each path, in turn\n\n", o.rounds, o.during)
	b := bench{targets: targets, rounds: o.rounds, during: o.during, redisAddr: redisAddr}
	for _, w := range works() {
		if !strings.Contains(w.name, o.only) || o.only == "" && o.quick && w.name != polls {
			continue
		}
		counts := w.connections
		switch {
		case o.connections > 0:
			counts = []int{o.connections}
		case o.quick:
			counts = []int{64}
		}
		for _, connections := range counts {
			if err := b.compare(&w, connections); err != nil {
				return err
			}
		}
	}
	if err := writeResults(o.results, b.rows, skipped, o.rounds, o.during); err != nil {
		return err
	}
	if o.quick {
		return nil
	}
	return comparePolicies(o.rounds)
}

// bench is a run, and its results so far.
type bench struct {
	targets   []target
	rounds    int
	during    time.Duration
	redisAddr string
	rows      []row
}

// compare does some work through every target in turn, round after round, and prints a table. Polls
// are followed by an open loop at half of bare Caddy's rate.
func (b *bench) compare(w *work, connections int) error {
	var targets []target
	for _, t := range b.targets {
		if w.name == polls || !t.pollsOnly {
			targets = append(targets, t)
		}
	}
	rows, err := b.measureAll(targets, w, load{connections: connections, during: b.during})
	if err != nil {
		return err
	}
	if w.name == polls && connections > 1 {
		half, err := b.measureAll(targets, w, load{connections: connections, during: b.during, rate: rows[barePath].Rate / 2})
		if err != nil {
			return err
		}
		rows = append(rows, half...)
	}
	b.rows = append(b.rows, rows...)
	fmt.Println()
	return nil
}

func (b *bench) measureAll(targets []target, w *work, l load) ([]row, error) {
	rates := make([][]float64, len(targets))
	latencies := make([][]time.Duration, len(targets))
	computed := make([]time.Duration, len(targets))
	warm := l
	warm.during = 300 * time.Millisecond
	for i := range targets { // connections, caches and the Go heap
		if _, err := measure(&targets[i], w, warm); err != nil {
			return nil, err
		}
	}
	commands, replies := 0, 0
	for range b.rounds {
		for i := range targets {
			t := &targets[i]
			before := 0
			if b.redisAddr != "" {
				before, _ = redisCommands(b.redisAddr)
			}
			cpu := cpuTime(t.pid)
			s, err := measure(t, w, l)
			if err != nil {
				return nil, err
			}
			computed[i] += cpuTime(t.pid) - cpu
			rates[i] = append(rates[i], s.rate)
			latencies[i] = append(latencies[i], s.latencies...)
			if after, err := redisCommands(b.redisAddr); b.redisAddr != "" && err == nil && t.name == "gateway" {
				commands += after - before - 1
				replies += len(s.latencies)
			}
		}
	}
	rows := make([]row, len(targets))
	for i := range targets {
		slices.Sort(latencies[i])
		r := row{
			Work: w.name, Connections: l.connections, Path: targets[i].name, HalfLoad: l.rate > 0, Rate: median(rates[i]),
			P50: quantile(latencies[i], 0.50), P99: quantile(latencies[i], 0.99),
		}
		if targets[i].pid != 0 {
			r.CPU = float64(computed[i].Microseconds()) / float64(max(len(latencies[i]), 1))
		}
		r.OfBare, r.Least, r.Most = ratios(rates[i], rates[barePath])
		r.OfIdle, _, _ = ratios(rates[i], rates[idlePath])
		rows[i] = r
	}
	printRows(rows)
	if b.redisAddr != "" {
		fmt.Printf("Redis commands per 1000 requests of the gateway: %.2f\n", 1000*float64(commands)/float64(max(replies, 1)))
	}
	return rows, nil
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// quantile returns a quantile of sorted values, in milliseconds.
func quantile(sorted []time.Duration, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return float64(sorted[int(q*float64(len(sorted)-1))].Microseconds()) / 1000
}
