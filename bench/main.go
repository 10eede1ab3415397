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
	flag.Parse()
	if err := run(*binary, *rounds, *during); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(binary string, rounds int, during time.Duration) error {
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
		gateway,
	}

	fmt.Printf("GET of a reply of %d bytes; %d rounds of %v for each path, in turn\n\n", len(session), rounds,
		during)
	fmt.Printf("%-12s %-11s %10s %10s %10s %10s %15s\n", "connections", "path", "replies/s", "p50", "p99",
		"cpu/reply", "of bare caddy")
	for _, connections := range []int{1, 16, 64} {
		if err := compare(targets, connections, rounds, during, redisAddr); err != nil {
			return err
		}
	}
	return comparePolicies(rounds)
}

// compare measures every target in turn, round after round, and prints a table.
func compare(targets []target, connections, rounds int, during time.Duration, redisAddr string) error {
	rates := make([][]float64, len(targets))
	latencies := make([][]time.Duration, len(targets))
	computed := make([]time.Duration, len(targets))
	for _, t := range targets { // warm up connections, caches and the Go heap
		if _, err := measure(t, connections, 300*time.Millisecond); err != nil {
			return err
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
				return err
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
	const bare = 1
	for i, t := range targets {
		slices.Sort(latencies[i])
		ratios := make([]float64, rounds)
		for r := range rounds {
			ratios[r] = rates[i][r] / rates[bare][r]
		}
		cpu := "-"
		if t.pid != 0 {
			cpu = fmt.Sprintf("%.0f µs", float64(computed[i].Microseconds())/float64(max(len(latencies[i]), 1)))
		}
		fmt.Printf("%-12d %-11s %10.0f %10s %10s %10s %15s\n", connections, t.name, median(rates[i]),
			quantile(latencies[i], 0.50), quantile(latencies[i], 0.99), cpu,
			fmt.Sprintf("%.2f", median(ratios)))
	}
	if redisAddr != "" {
		fmt.Printf("%-12s Redis commands per 1000 polls of the gateway: %.2f\n", "",
			1000*float64(commands)/float64(max(replies, 1)))
	}
	fmt.Println()
	return nil
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// quantile returns a quantile of sorted values.
func quantile(sorted []time.Duration, q float64) string {
	if len(sorted) == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f ms", float64(sorted[int(q*float64(len(sorted)-1))].Microseconds())/1000)
}
