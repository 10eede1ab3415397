package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"time"
)

func main() {
	binary := flag.String("binary", "bin/caddy", "the Caddy to measure")
	rounds := flag.Int("rounds", 5, "number of measurements of each path")
	during := flag.Duration("for", 2*time.Second, "duration of one measurement")
	quick := flag.Bool("quick", false, "three short rounds of 64 connections")
	results := flag.String("results", "bench/results", "folder for the results")
	flag.Parse()
	connections := []int{1, 64, 512}
	if *quick {
		connections, *rounds, *during = []int{64}, 3, time.Second
	}
	if err := run(*binary, *rounds, *during, connections, *results); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(binary string, rounds int, during time.Duration, counts []int, results string) error {
	dir, err := os.MkdirTemp("", "livygateway-bench-")
	if err != nil {
		return fmt.Errorf("creating a directory: %w", err)
	}
	defer os.RemoveAll(dir)
	s := &servers{binary: binary, dir: dir}
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
		{name: "direct", addr: backend, path: "/sessions/0"},
		{name: "bare caddy", addr: bare, path: "/sessions/0", pid: barePID},
		{name: "caddy, idle 512", addr: idle, path: "/sessions/0", pid: idlePID},
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

	fmt.Printf("GET of a reply of %d bytes; %d rounds of %v for each path, in turn\n\n", len(session), rounds,
		during)
	var all []row
	for _, connections := range counts {
		rows, err := compare(targets, connections, rounds, during, redisAddr)
		if err != nil {
			return err
		}
		all = append(all, rows...)
	}
	if err := writeResults(results, all, skipped, rounds, during); err != nil {
		return err
	}
	return comparePolicies(rounds)
}

// compare measures every target in turn, round after round, and prints a table.
func compare(targets []target, connections, rounds int, during time.Duration, redisAddr string) ([]row, error) {
	rates := make([][]float64, len(targets))
	latencies := make([][]time.Duration, len(targets))
	computed := make([]time.Duration, len(targets))
	for _, t := range targets { // warm up connections, caches and the Go heap
		if _, err := measure(t, connections, 300*time.Millisecond); err != nil {
			return nil, err
		}
	}
	commands, replies := 0, 0
	for range rounds {
		for i, t := range targets {
			before := 0
			if redisAddr != "" {
				before, _ = redisCommands(redisAddr)
			}
			cpu := cpuTime(t.pid)
			s, err := measure(t, connections, during)
			if err != nil {
				return nil, err
			}
			computed[i] += cpuTime(t.pid) - cpu
			rates[i] = append(rates[i], s.rate)
			latencies[i] = append(latencies[i], s.latencies...)
			if after, err := redisCommands(redisAddr); redisAddr != "" && err == nil && t.name == "gateway" {
				commands += after - before - 1
				replies += len(s.latencies)
			}
		}
	}
	rows := make([]row, len(targets))
	for i, t := range targets {
		slices.Sort(latencies[i])
		r := row{Connections: connections, Path: t.name, Rate: median(rates[i]), P50: quantile(latencies[i], 0.50), P99: quantile(latencies[i], 0.99)}
		if t.pid != 0 {
			r.CPU = float64(computed[i].Microseconds()) / float64(max(len(latencies[i]), 1))
		}
		r.OfBare, r.Least, r.Most = ratios(rates[i], rates[barePath])
		r.OfIdle, _, _ = ratios(rates[i], rates[idlePath])
		rows[i] = r
	}
	printRows(rows)
	if redisAddr != "" {
		fmt.Printf("Redis commands per 1000 polls of the gateway: %.2f\n", 1000*float64(commands)/float64(max(replies, 1)))
	}
	fmt.Println()
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
