package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// The paths that others are compared with, by their place in the list of targets.
const (
	barePath = 1
	idlePath = 2
)

// row is the result for one path and number of connections: medians over the rounds.
type row struct {
	Work        string  `json:"work"`
	Connections int     `json:"connections"`
	Path        string  `json:"path"`
	HalfLoad    bool    `json:"halfLoad,omitempty"` // an open loop at half of bare Caddy's rate
	Rate        float64 `json:"repliesPerSecond"`
	P50         float64 `json:"p50Milliseconds"`
	P99         float64 `json:"p99Milliseconds"`
	CPU         float64 `json:"cpuMicrosecondsPerReply,omitempty"` // of a Caddy
	// The rate divided by that of bare Caddy in the same round: the median, the least, the most.
	OfBare float64 `json:"ofBareCaddy"`
	Least  float64 `json:"ofBareCaddyLeast"`
	Most   float64 `json:"ofBareCaddyMost"`
	OfIdle float64 `json:"ofCaddyWithIdleConnections"`
}

// ratios returns the median, the least and the most of a's values divided by b's of the same round.
func ratios(a, b []float64) (middle, least, most float64) {
	all := make([]float64, len(a))
	for i := range a {
		all[i] = a[i] / b[i]
	}
	return median(all), slices.Min(all), slices.Max(all)
}

const headline = "| work | connections | path | replies/s | p50 ms | p99 ms | CPU µs | of bare Caddy | of Caddy, idle 512 |\n" +
	"|---|---|---|---|---|---|---|---|---|\n"

func (r *row) String() string {
	cpu, of, ofIdle := "-", "-", "-"
	if r.CPU > 0 {
		cpu = fmt.Sprintf("%.0f", r.CPU)
	}
	work := r.Work
	if r.HalfLoad {
		work += ", half load"
	} else {
		of, ofIdle = fmt.Sprintf("%.2f (%.2f to %.2f)", r.OfBare, r.Least, r.Most), fmt.Sprintf("%.2f", r.OfIdle)
	}
	return fmt.Sprintf("| %s | %d | %s | %.0f | %.2f | %.2f | %s | %s | %s |\n", work, r.Connections, r.Path, r.Rate, r.P50, r.P99, cpu, of, ofIdle)
}

func printRows(rows []row) {
	fmt.Print(headline)
	for i := range rows {
		fmt.Print(rows[i].String())
	}
}

// writeResults writes requests.md and requests.json into a folder.
func writeResults(folder string, rows []row, skipped []string, rounds int, during time.Duration) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("creating the folder of results: %w", err)
	}
	var text strings.Builder
	fmt.Fprintf(&text, "# Requests through several paths\n\n%d CPUs, %s/%s, %s; %d rounds of %v for each path, in turn.\n\n%s",
		runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), rounds, during, headline)
	for i := range rows {
		text.WriteString(rows[i].String())
	}
	for _, name := range skipped {
		fmt.Fprintf(&text, "\nSkipped: %s\n", name)
	}
	data, err := json.MarshalIndent(map[string]any{"cpus": runtime.NumCPU(), "rounds": rounds, "skipped": skipped, "rows": rows}, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the results: %w", err)
	}
	for name, content := range map[string]string{"requests.md": text.String(), "requests.json": string(data) + "\n"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o644); err != nil {
			return fmt.Errorf("writing the results: %w", err)
		}
	}
	return nil
}
