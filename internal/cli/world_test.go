package cli

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/alicebob/miniredis/v2"
	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/accesskeys"
	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/budgets"
	"github.com/livygateway/livygateway/internal/control"
	"github.com/livygateway/livygateway/internal/doctor"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/resolved"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
	"github.com/livygateway/livygateway/internal/tokens"
	"github.com/livygateway/livygateway/upstream"
	"github.com/livygateway/livygateway/upstream/static"
)

// world is a command line with the real API behind it: a Manager, Redis (a
// double), a Livy (a double) that the runtime finds.
type world struct {
	t       *testing.T
	address string
	dir     string
	livy    *livytest.Server
	livyURL string
	redis   *miniredis.Miniredis
	store   *store.Store
	manager *control.Manager
	keys    *accesskeys.Service
	vars    map[string]string // what $NAME in a command stands for
	report  doctor.Report
}

// talking is the static runtime with a log.
type talking struct{ *static.Runtime }

func (talking) Logs(context.Context, string, int) ([]string, error) {
	return []string{"INFO LivyServer: Using spark.submit.deployMode", "INFO WebServer: Starting server on http://livy:8998"}, nil
}

// List adds a server of another installation.
func (r talking) List(ctx context.Context) ([]upstream.Instance, error) {
	all, err := r.Runtime.List(ctx)
	return append(all, upstream.Instance{
		ID: "4711-86400", GatewayID: "lc-aaaaaaaaaaaaaaaa", Installation: "in-bbbbbbbbbbbbbbbb",
		Address: "127.0.0.1:8998", Started: time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC), Running: true,
	}), err
}

// newWorld makes one. poll is how often the Manager looks at what Livy does: an
// hour leaves records as a test wrote them.
func newWorld(t *testing.T, poll time.Duration) *world {
	t.Helper()
	double := livytest.New()
	double.Manual = true
	livy := httptest.NewServer(double)
	t.Cleanup(livy.Close)
	s, redis := storetest.Mini(t)
	log := zap.NewNop()
	runtime, err := static.New(log)
	if err != nil {
		t.Fatal(err)
	}
	service := tokens.New(s, tokens.Options{}, log)
	m := control.New(control.Options{
		Store: s, Runtime: talking{runtime}, Tokens: service, Logger: log,
		Ledger: sessions.New(s, log, time.Now, rand.Reader), PollInterval: poll,
	})
	m.Configure(control.Settings{Settings: resolved.Settings{Catalog: gateway.Catalog{
		Engines: []gateway.Engine{
			{Name: "spark-3.5", URL: livy.URL, Spark: "3.5.8", Scala: "2.12", Java: "17"},
			{Name: "spark-3.4-with-a-rather-long-name", URL: livy.URL, Spark: "3.4.4"},
		},
		Queues:       []string{"root.etl", "root.adhoc"},
		Clusters:     []gateway.Cluster{{Name: "lake", Master: "spark://spark.internal:7077"}},
		Environments: []gateway.Environment{{Name: "analytics", Conf: map[string]string{"spark.pyspark.python": "/opt/conda/bin/python"}, Env: map[string]string{"PASSWORD": "secret"}}},
	}}})
	m.Run()
	t.Cleanup(func() { m.Close(false) })
	for { // until the gateways have been read
		if _, err := m.Lookup("default", "none"); gateway.KindOf(err) != gateway.KindUnavailable {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	keys := accesskeys.New(s, time.Now, log)
	sealer, err := accesskeys.NewSealer([]string{"a sealing key of at least 32 characters"})
	if err != nil {
		t.Fatal(err)
	}
	keys.Configure(sealer)
	w := &world{t: t, keys: keys, dir: t.TempDir(), livy: double, livyURL: livy.URL, redis: redis, store: s, manager: m, vars: map[string]string{}}
	server := &api.Server{
		Manager: m, Tokens: service, Store: s, AccessKeys: keys, Logger: log, Patience: 50 * time.Millisecond,
		Budgets: budgets.New(budgets.Options{Store: s, Logger: log, Gateways: m.Snapshot}),
		Sites: func() []api.Site {
			return []api.Site{
				{Scheme: "https", Host: "livy.internal", Port: "8443"}, {Scheme: "https", Host: "livy.example.com", Public: true},
			}
		},
	}
	mux := http.NewServeMux()
	mux.Handle("/livy/", http.StripPrefix("/livy", server.Handler(func(*http.Request) gateway.Origin {
		return gateway.Origin{Actor: "ann", Address: "10.0.0.5", Surface: "admin"}
	})))
	mux.HandleFunc("/livy/doctor", func(rw http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(rw).Encode(w.report) })
	admin := httptest.NewServer(mux)
	t.Cleanup(admin.Close)
	w.address = strings.TrimPrefix(admin.URL, "http://")
	return w
}

type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit %d", int(e)) }

// command is a new command line, as each run of the program has one.
func (w *world) command() *cobra.Command {
	root := &cobra.Command{Use: "caddy"}
	livy := &cobra.Command{}
	Fill(livy, Options{
		Dial: func(address string) (*http.Client, string, error) {
			switch address {
			case "":
				address = w.address
			case "nonsense":
				return nil, "", errors.New("no such address")
			}
			return &http.Client{}, "http://" + address + "/livy", nil
		},
		DefaultAddress: "localhost:2019",
		Exit:           func(code int) error { return exitError(code) },
		Examine: func(_ context.Context, config, _ string) (doctor.Report, error) {
			if config != "Caddyfile" {
				return doctor.Report{}, fmt.Errorf("reading %s: no such file", config)
			}
			return w.report, nil
		},
		Poll: 20 * time.Millisecond,
	})
	root.AddCommand(livy)
	return root
}

// run runs "caddy livy" with a line of arguments.
func (w *world) run(line string) (out, errs string, code int) {
	w.t.Helper()
	args := strings.Fields(line)
	for i := range args {
		for name, value := range w.vars {
			args[i] = strings.ReplaceAll(args[i], "$"+name, value)
		}
	}
	return w.runArgs(append([]string{"livy"}, args...)...)
}

func (w *world) runArgs(args ...string) (out, errs string, code int) {
	var stdout, stderr bytes.Buffer
	root := w.command()
	root.SetOut(&stdout)
	root.SetErr(&stderr)
	root.SetIn(strings.NewReader("a-secret-of-my-own-choice\n"))
	root.SetArgs(args)
	if err := root.Execute(); err != nil {
		var exit exitError
		if !errors.As(err, &exit) {
			w.t.Fatalf("caddy %v: not an exit code: %v", args, err)
		}
		code = int(exit)
	}
	return stdout.String(), stderr.String(), code
}

// must runs a command that has to work and returns its JSON.
func (w *world) must(line string, into any) {
	w.t.Helper()
	out, errs, code := w.run(line + " --json")
	if code != 0 {
		w.t.Fatalf("caddy livy %s: exit code %d\n%s%s", line, code, out, errs)
	}
	if into != nil {
		if err := json.Unmarshal([]byte(out), into); err != nil {
			w.t.Fatalf("caddy livy %s: %v in %s", line, err, out)
		}
	}
}

// file writes a file for a command to read and returns its path.
func (w *world) file(name, text string) string {
	path := filepath.Join(w.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// transcript runs commands and writes down what they print: standard output as
// it is, standard error with "! " before each line, and the exit code.
func (w *world) transcript(lines []string) string {
	w.t.Helper()
	var b strings.Builder
	for _, line := range lines {
		out, errs, code := w.run(line)
		fmt.Fprintf(&b, "$ caddy livy %s\n%s", line, out)
		if out != "" && !strings.HasSuffix(out, "\n") {
			b.WriteString("(no line end)\n")
		}
		for e := range strings.Lines(errs) {
			b.WriteString("! " + e)
		}
		if code != 0 {
			fmt.Fprintf(&b, "exit code %d\n", code)
		}
		b.WriteByte('\n')
		if !strings.Contains(line, "--wide") {
			w.checkWidth(line, out)
		}
		if strings.Contains(line, "--json") {
			w.checkJSON(line, out, errs, code)
		}
	}
	return w.stable(b.String())
}

// checkWidth holds lines to 80 columns; one long word, which may be something to
// copy, can stand out.
func (w *world) checkWidth(command, text string) {
	w.t.Helper()
	if strings.Contains(command, "--json") || strings.Contains(command, "export") {
		return
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if n := utf8.RuneCountInString(line); n > 80 && !regexp.MustCompile(`\S{60,}`).MatchString(line) {
			w.t.Errorf("caddy livy %s: a line of %d columns: %s", command, n, line)
		}
	}
}

func (w *world) checkJSON(command, out, errs string, code int) {
	w.t.Helper()
	text := out
	if code != 0 && out == "" {
		text = errs
	}
	if strings.Contains(command, "export") || strings.HasPrefix(command, "events") {
		return
	}
	if !json.Valid([]byte(text)) {
		w.t.Errorf("caddy livy %s: not JSON: %s", command, text)
	}
}

var (
	idPattern       = regexp.MustCompile(`\b(lc|lctk|lcak|livy)-[a-z0-9]{16}\b`)
	secretPattern   = regexp.MustCompile(tokens.SecretPattern)
	instantPattern  = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)
	minutePattern   = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d`)
	dayPattern      = regexp.MustCompile(`\b2[1-9]\d\d-\d\d-\d\d\b|\b20[2-9]\d-\d\d-\d\d\b`)
	addressPattern  = regexp.MustCompile(`127\.0\.0\.1:\d+`)
	markPattern     = regexp.MustCompile(`"([\w. -]+)": "[0-9a-f]{12,64}"`)
	countPattern    = regexp.MustCompile(`"(revision|epoch)":( ?)\d+`)
	condemnPattern  = regexp.MustCompile(`(?m)^ *"condemned": \d+,\n`)
	signedPattern   = regexp.MustCompile(`livy_ui=[\w%.~-]+`)
	cutPattern      = regexp.MustCompile(`\b(lc|lctk|lcak|livy)-[a-z0-9]+…`)
	entryPattern    = regexp.MustCompile(`\b1[78]\d{11}-\d+\b`)
	resetPattern    = regexp.MustCompile(`(?m)^(reset|\{"event":"reset","data":\{\}\})\n`)
	startingPattern = regexp.MustCompile(`(?m)^! \w+: (Created|Starting|Stopping).*\n`)
)

// stable puts fixed texts in place of what is different each time: of the same
// length, so that tables stay as they are.
func (w *world) stable(text string) string {
	text = strings.ReplaceAll(text, w.dir, "DIR")
	text = resetPattern.ReplaceAllString(text, "")    // whether there are any is a matter of time
	text = startingPattern.ReplaceAllString(text, "") // which of them are seen is a matter of time
	text = cutPattern.ReplaceAllStringFunc(text, func(id string) string { return strings.Repeat("x", utf8.RuneCountInString(id)-1) + "…" })
	text = secretPattern.ReplaceAllStringFunc(text, func(s string) string { return "lgw_" + strings.Repeat("x", len(s)-4) })
	numbers := map[string]int{}
	text = idPattern.ReplaceAllStringFunc(text, func(id string) string {
		if numbers[id] == 0 {
			numbers[id] = len(numbers) + 1
		}
		kind, _, _ := strings.Cut(id, "-")
		return fmt.Sprintf("%s-%016d", kind, numbers[id])
	})
	text = instantPattern.ReplaceAllString(text, "2026-01-31T12:00:00Z")
	text = minutePattern.ReplaceAllString(text, "2026-01-31 12:00")
	text = dayPattern.ReplaceAllString(text, "2026-01-31")
	text = entryPattern.ReplaceAllString(text, "1769860800000-0")
	text = addressPattern.ReplaceAllStringFunc(text, func(a string) string { return "127.0.0.1:12345"[:min(len(a), 15)] })
	text = markPattern.ReplaceAllString(text, `"$1": "..."`)
	// How often a worker had to try is a matter of time.
	text = countPattern.ReplaceAllString(text, `"$1":${2}1`)
	text = condemnPattern.ReplaceAllString(text, "")
	return signedPattern.ReplaceAllString(text, "livy_ui=...")
}
