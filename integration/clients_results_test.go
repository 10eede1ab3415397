package integration

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/golden"
)

// clientRun is a row of the table in docs/clients.md: a client that did its work through
// the gateway. Runs by hand are in the file as well, without the name of a test.
type clientRun struct {
	Client  string `json:"client"`
	Version string `json:"version"`
	Pin     string `json:"pin,omitempty"`     // the file that pins the version
	Package string `json:"package,omitempty"` // of that file
	Login   string `json:"login"`             // how the token was sent
	Ran     string `json:"ran"`
	Result  string `json:"result"`
	Seconds int    `json:"seconds"`
	Test    string `json:"test,omitempty"`
}

var clientRuns sync.Mutex // the file, which tests write that run beside each other

// ran notes that a client did what it was to do: the flag -update writes it into the
// file that the table is made of. Without the flag, a run that is not in the file fails.
func (r clientRun) ran(t testing.TB, started time.Time) {
	t.Helper()
	if t.Failed() {
		return
	}
	r.Test, _, _ = strings.Cut(t.Name(), "/")
	r.Seconds = int(time.Since(started).Round(time.Second).Seconds())
	clientRuns.Lock()
	defer clientRuns.Unlock()
	path := filepath.Join(root, "integration", "testdata", "clients.json")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var runs []clientRun
	if err := json.Unmarshal(text, &runs); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	i := slices.IndexFunc(runs, func(other clientRun) bool { return other.Client == r.Client && other.Login == r.Login })
	if flag.Lookup("update").Value.String() == "true" {
		if i >= 0 {
			runs[i] = r
		} else {
			runs = append(runs, r)
		}
		slices.SortStableFunc(runs, func(a, b clientRun) int { return strings.Compare(strings.ToLower(a.Client), strings.ToLower(b.Client)) })
		text, err := json.MarshalIndent(runs, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		golden.File(t, path, string(text)+"\n")
		return
	}
	if i < 0 {
		t.Errorf("%+v is not in %s (the test's flag -update writes it)", r, path)
		return
	}
	there := runs[i]
	there.Seconds = r.Seconds
	if r.Pin == "" { // the program of this machine
		there.Version = r.Version
	}
	if there != r {
		t.Errorf("%s has\n%+v, and what ran is\n%+v (the test's flag -update writes it)", path, there, r)
	}
}

// pinned is a run of a package whose version a file of integration/clients pins, for pip
// or Maven.
func pinned(t testing.TB, client, file, name string) clientRun {
	t.Helper()
	pin := filepath.Join("integration", "clients", file)
	text, err := os.ReadFile(filepath.Join(root, pin))
	if err != nil {
		t.Fatal(err)
	}
	quoted := regexp.QuoteMeta(name)
	version := regexp.MustCompile(`(?m)^` + quoted + `==(\S+)|<artifactId>` + quoted + `</artifactId><version>([\d.]+)`).FindSubmatch(text)
	if version == nil {
		t.Fatalf("%s does not pin %s", pin, name)
	}
	return clientRun{Client: client, Version: string(version[1]) + string(version[2]), Pin: pin, Package: name, Result: "passed"}
}
