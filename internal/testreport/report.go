package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"
)

// event is one line of "go test -json" (see "go doc test2json").
type event struct {
	Action      string
	Package     string
	ImportPath  string // of build output, instead of Package
	FailedBuild string
	Test        string
	Elapsed     float64 // seconds
	Output      string
}

// slow is from how many seconds on a test is named when it ends.
const slow = 5

type result struct{ name, detail string }

// report gathers the events of one or more runs.
type report struct {
	out      io.Writer
	required func(need string) bool

	passed   int
	failures []result // name and output
	skips    []result // name and reason

	mu      sync.Mutex           // for running, which the ticker reads
	running map[string]time.Time // packages, and since when

	output   map[string]*strings.Builder // by package + " " + test, or import path
	children map[string]*outcome         // of tests that have subtests, and of packages
	reported int                         // failures when the last run began
}

// outcome counts what happened among the tests below one test or package.
type outcome struct{ passed, failed, skipped int }

func newReport(out io.Writer, required func(string) bool) *report {
	return &report{
		out: out, required: required, running: map[string]time.Time{},
		output: map[string]*strings.Builder{}, children: map[string]*outcome{},
	}
}

func (r *report) read(in io.Reader) error {
	r.reported = len(r.failures)
	defer r.sayWhatRuns()()
	br := bufio.NewReader(in)
	for {
		line, err := br.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) == nil {
				r.handle(&e)
			} else {
				fmt.Fprintf(r.out, "%s", line)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the output of go test: %w", err)
		}
	}
}

func (r *report) failedSinceLastRun() bool { return len(r.failures) > r.reported }

// sayWhatRuns says every minute which packages still run, until the function
// that it returns is called.
func (r *report) sayWhatRuns() (stop func()) {
	ticker := time.NewTicker(time.Minute)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-done:
				return
			case now := <-ticker.C:
				r.mu.Lock()
				for pkg, since := range r.running {
					fmt.Fprintf(r.out, "      still running: %s, for %v\n", short(pkg), now.Sub(since).Round(time.Second))
				}
				r.mu.Unlock()
			}
		}
	}()
	return func() {
		ticker.Stop()
		close(done)
	}
}

func (r *report) handle(e *event) {
	switch e.Action {
	case "start":
		r.mu.Lock()
		r.running[e.Package] = time.Now()
		r.mu.Unlock()
	case "output", "build-output":
		_, _ = r.buffer(e).WriteString(e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			r.packageEnd(e)
		} else {
			r.testEnd(e)
		}
	}
}

func key(e *event) string {
	if e.Test != "" {
		return e.Package + " " + e.Test
	}
	if e.ImportPath != "" {
		return e.ImportPath
	}
	return e.Package
}

func (r *report) buffer(e *event) *strings.Builder {
	b := r.output[key(e)]
	if b == nil {
		b = &strings.Builder{}
		r.output[key(e)] = b
	}
	return b
}

// take returns what was output under k and forgets it.
func (r *report) take(k string) string {
	b := r.output[k]
	delete(r.output, k)
	if b == nil {
		return ""
	}
	return b.String()
}

// testEnd counts a test if it is a leaf, and tells its parents and its package.
func (r *report) testEnd(e *event) {
	out := r.take(key(e))
	below := r.children[key(e)]
	name := short(e.Package) + " " + e.Test
	if e.Elapsed >= slow && !strings.Contains(e.Test, "/") {
		fmt.Fprintf(r.out, "      %-4s %s  %.0fs\n", e.Action, name, e.Elapsed)
	}
	switch {
	case e.Action == "pass" && below == nil:
		r.passed++
		r.tell(e, func(o *outcome) { o.passed++ })
	case e.Action == "fail" && (below == nil || below.failed == 0):
		r.fail(name, out)
		r.tell(e, func(o *outcome) { o.failed++ })
	case e.Action == "fail" && strings.TrimSpace(message(out)) != "":
		// The parent has something to say of its own beside its subtests' failures.
		fmt.Fprintf(r.out, "      %s says: %s\n", name, message(out))
	case e.Action == "skip" && (below == nil || below.skipped == 0):
		r.skip(e, name, message(out))
	}
}

func (r *report) skip(e *event, name, reason string) {
	if need, ok := needs(reason); ok && r.required(need) {
		r.fail(name, "skipped although REQUIRE names "+need+": "+reason+"\n")
		r.tell(e, func(o *outcome) { o.failed++ })
		return
	}
	r.skips = append(r.skips, result{name, reason})
	r.tell(e, func(o *outcome) { o.skipped++ })
}

func (r *report) fail(name, out string) {
	r.failures = append(r.failures, result{name, noise.ReplaceAllString(out, "")})
}

// tell updates the outcome of the package and of every test above e's test.
func (r *report) tell(e *event, update func(*outcome)) {
	keys := []string{e.Package}
	for i := len(e.Test) - 1; i > 0; i-- {
		if e.Test[i] == '/' {
			keys = append(keys, e.Package+" "+e.Test[:i])
		}
	}
	for _, k := range keys {
		if r.children[k] == nil {
			r.children[k] = &outcome{}
		}
		update(r.children[k])
	}
}

func (r *report) packageEnd(e *event) {
	r.mu.Lock()
	delete(r.running, e.Package)
	r.mu.Unlock()
	out := r.take(key(e))
	o := r.children[e.Package]
	delete(r.children, e.Package)
	if o == nil {
		o = &outcome{}
		if e.Action == "skip" || strings.Contains(out, "[no test") {
			return
		}
	}
	if e.Action == "fail" && o.failed == 0 {
		r.fail(short(e.Package), r.take(e.FailedBuild)+r.unfinished(e.Package)+out)
		o.failed++
	}
	mark := "ok"
	if e.Action == "fail" || o.failed > 0 {
		mark = "FAIL"
	}
	fmt.Fprintf(r.out, "%-5s %-28s %6.1fs  %d passed, %d failed, %d skipped\n",
		mark, short(e.Package), e.Elapsed, o.passed, o.failed, o.skipped)
}

// unfinished returns the output of tests that never ended: of a panic or a timeout.
func (r *report) unfinished(pkg string) string {
	var keys []string
	for k := range r.output {
		if strings.HasPrefix(k, pkg+" ") {
			keys = append(keys, k)
		}
	}
	sort.Strings(keys)
	var b strings.Builder
	for _, k := range keys {
		b.WriteString(r.take(k))
	}
	return b.String()
}

// summary prints failures, skips and the count; it returns the number of failures.
func (r *report) summary() int {
	for _, f := range r.failures {
		fmt.Fprintf(r.out, "\n--- FAILED: %s\n%s", f.name, f.detail)
	}
	if len(r.skips) > 0 {
		fmt.Fprintln(r.out, "\nSkipped:")
		causes := map[string]int{}
		for _, s := range r.skips {
			fmt.Fprintf(r.out, "  %s\n      %s\n", s.name, s.detail)
			causes[cause(s.detail)]++
		}
		names := make([]string, 0, len(causes))
		for c := range causes {
			names = append(names, c)
		}
		slices.Sort(names)
		fmt.Fprintln(r.out, "Skipped, by cause:")
		for _, c := range names {
			fmt.Fprintf(r.out, "  %4d  %s\n", causes[c], c)
		}
	}
	fmt.Fprintf(r.out, "\n%d passed, %d failed, %d skipped\n", r.passed, len(r.failures), len(r.skips))
	return len(r.failures)
}

// noise is what "go test -v" says between a test's own lines.
var noise = regexp.MustCompile(`(?m)^=== (RUN|PAUSE|CONT|NAME) .*\n`)

var logLine = regexp.MustCompile(`^\s+\S+\.go:\d+: `)

// message returns what a test logged last, e.g. the reason of its skip.
func message(out string) string {
	lines := strings.Split(out, "\n")
	for i, line := range slices.Backward(lines) {
		loc := logLine.FindStringIndex(line)
		if loc == nil {
			continue
		}
		var text strings.Builder
		text.WriteString(line[loc[1]:])
		for _, more := range lines[i+1:] { // a message of several lines is indented
			if !strings.HasPrefix(more, "        ") {
				break
			}
			text.WriteString(" " + strings.TrimSpace(more))
		}
		return text.String()
	}
	return ""
}

var needLine = regexp.MustCompile(`^needs ([a-z0-9._-]+):`)

// needs returns what a skipped test is missing.
func needs(reason string) (string, bool) {
	m := needLine.FindStringSubmatch(reason)
	if m == nil {
		return "", false
	}
	return m[1], true
}

func cause(reason string) string {
	if need, ok := needs(reason); ok {
		return "needs " + need
	}
	if reason == "" {
		return "no reason given"
	}
	return reason
}

// short drops the module's name from a package path.
func short(pkg string) string {
	const module = "github.com/livygateway/livygateway"
	if s := strings.TrimPrefix(pkg, module+"/"); s != "" {
		return s
	}
	return pkg
}
