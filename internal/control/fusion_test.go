package control

import (
	"context"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// Whether an acceleration works is looked for where the server runs, when it starts.
func TestFusionIsProbedAtTheStart(t *testing.T) {
	for name, tt := range map[string]struct {
		cpu        []string
		noFiles    bool
		cluster    string
		state      gateway.State
		note, used string // used: in a job's conf
	}{
		"works":              {[]string{"sse2", "avx2"}, false, "", gateway.StateRunning, "", "CometPlugin"},
		"an old CPU":         {[]string{"sse2"}, false, "", gateway.StateRunning, "the machine that it runs on has no AVX2", ""},
		"no jar":             {[]string{"avx2"}, true, "", gateway.StateError, "", ""},
		"jobs run elsewhere": {nil, true, "lake", gateway.StateRunning, "", "CometPlugin"},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := storetest.Mini(t)
			rt := newFakeRuntime(t)
			rt.cpu, rt.noFiles = tt.cpu, tt.noFiles
			m := testManager(t, s, rt)
			configure(m, func(s *Settings) {
				s.Catalog.Fusion = []gateway.Fusion{gateway.Comet()}
				s.Catalog.Clusters = []gateway.Cluster{{Name: "lake", Master: "yarn"}}
			})
			g, err := m.Create(context.Background(), CreateRequest{
				Spec: gateway.Spec{Name: "etl", Fusion: "comet", Cluster: tt.cluster}, Start: true,
			})
			if err != nil {
				t.Fatal(err)
			}
			g = await(t, m, g.ID, string(tt.state), inState(tt.state))
			if tt.state == gateway.StateError {
				if want := `fusion comet: jars: is not in engine spark (got "local:/opt/fusion/comet.jar")`; g.Status.Reason != want {
					t.Errorf("reason %q, want %q", g.Status.Reason, want)
				}
				return
			}
			if notes := strings.Join(m.Notes(g), "\n"); !strings.Contains(notes, tt.note) || tt.note == "" && notes != "" {
				t.Errorf("notes %q", notes)
			}
			e, err := m.Lookup("default", "etl")
			if err != nil {
				t.Fatal(err)
			}
			r, err := e.Policy.Create(livy.KindSession, "", "application/json", strings.NewReader(`{"kind":"sql"}`))
			if err != nil || strings.Contains(string(r.Body), "CometPlugin") != (tt.used != "") {
				t.Errorf("a job gets %s, %v", r.Body, err)
			}
		})
	}
}
