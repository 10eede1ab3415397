package control

import (
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/store/storetest"
	"github.com/livygateway/livygateway/upstream"
)

// mounter is a runtime whose servers see only what they were started with.
type mounter struct{ upstream.Runtime }

func (mounter) MountsDirectories() {}

// TestEventLogs checks which jobs are made to write events, and which servers get
// the directory for them: a container that was started without it does not.
func TestEventLogs(t *testing.T) {
	s, _ := storetest.Mini(t)
	dir := t.TempDir()
	for _, tt := range []struct {
		name, runtime, logs string
		launched            map[string]string
		events              string // "" for none
		mounted             bool
		note                bool
	}{
		{"none", "mounter", "", nil, "", false, false},
		{"a place in the cluster", "mounter", "hdfs:///events", map[string]string{}, "hdfs:///events", false, false},
		{"not started", "mounter", dir, nil, "file:" + dir, true, false},
		{"a container that has it", "mounter", dir, map[string]string{"event logs": dir}, "file:" + dir, true, false},
		{"a container without it", "mounter", dir, map[string]string{}, "", true, true},
		{"a process", "plain", dir, map[string]string{}, "file:" + dir, true, false},
		{"somebody else's server", "external", dir, map[string]string{}, "file:" + dir, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var rt upstream.Runtime = newFakeRuntime(t)
			switch tt.runtime {
			case "mounter":
				rt = mounter{rt}
			case "external":
				rt = externalRuntime{newFakeRuntime(t)}
			}
			m := testManager(t, s, rt)
			configure(m, func(s *Settings) {
				if tt.logs != "" {
					s.History = &gateway.HistoryServer{URL: "http://h", EventLogs: tt.logs}
				}
			})
			g := &gateway.Gateway{ID: "lc-1", Spec: gateway.Spec{Name: "etl", Engine: "spark", CPU: 1, Memory: "4Gi", LivyVersion: "0.8.0"}}
			g.Status.Launched = tt.launched
			r, err := m.Explain(g, livy.KindSession, []byte(`{"kind":"sql"}`))
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Contains(string(r.Body), `"spark.eventLog.dir":"`+tt.events+`"`); got != (tt.events != "") || tt.events == "" && strings.Contains(string(r.Body), "eventLog") {
				t.Errorf("the job gets %s, want events in %q", r.Body, tt.events)
			}
			launch, err := m.launch(g, m.resolve(g).wanted)
			if err != nil {
				t.Fatal(err)
			}
			if got := len(launch.Directories) == 1 && launch.Directories[0].Path == dir && !launch.Directories[0].ReadOnly; got != tt.mounted {
				t.Errorf("directories %+v", launch.Directories)
			}
			if notes := strings.Join(m.Notes(g), "\n"); strings.Contains(notes, "until the next start") != tt.note {
				t.Errorf("notes %q", notes)
			}
			if prints := m.launchFingerprints(m.resolve(g).wanted); (prints[eventLogsKey] == dir) != strings.HasPrefix(tt.logs, "/") {
				t.Errorf("fingerprints %v", prints)
			}
		})
	}
}
