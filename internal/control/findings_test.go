package control

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/doctor"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// TestAdviceIsPossible: what the doctor advises is not refused when somebody does it.
func TestAdviceIsPossible(t *testing.T) {
	s, _ := storetest.Mini(t)
	m := testManager(t, s, newFakeRuntime(t))
	spec := func(change func(*gateway.Spec)) gateway.Spec {
		s := gateway.Spec{Name: "etl", Engine: "spark"}
		change(&s)
		return s
	}
	queue := spec(func(s *gateway.Spec) { s.Queue = "root.etl" })
	for name, tt := range map[string]struct {
		g        gateway.Gateway
		says     string   // part of the summary
		mend     []string // parts of the advice
		mendsNot string
	}{
		"a setting": {
			gateway.Gateway{Spec: queue},
			"has no queues",
			[]string{"caddy livy gateway update etl --workspace lab", "leave it if it is meant"},
			"configuration",
		},
		"a setting of the configuration": {
			gateway.Gateway{Spec: queue, Declared: true},
			"has no queues",
			[]string{"change gateway etl in Caddy's configuration", "reload"},
			"gateway update",
		},
		"an error of the policy": {
			gateway.Gateway{Spec: spec(func(s *gateway.Spec) { s.PolicyRules = "max" }), Declared: true},
			"cannot be compiled",
			[]string{"change gateway etl in Caddy's configuration"},
			"gateway update",
		},
		"an entry that is gone": {
			gateway.Gateway{Spec: spec(func(s *gateway.Spec) { s.Environment = "analytics" }), Declared: true},
			"no longer in the configuration",
			[]string{"put it back into the livy block"},
			"gateway update",
		},
		"an identity": {
			gateway.Gateway{Spec: spec(func(s *gateway.Spec) { s.Identity = "etl" })},
			`identity "etl" is set in every job but has no effect`,
			[]string{"livy.impersonation.enabled = true", "gateway update etl"},
			"reload",
		},
		"a server that does not answer": {
			gateway.Gateway{Spec: spec(func(*gateway.Spec) {}), Status: gateway.Status{UnresponsiveSince: time.Now()}},
			"has not answered since",
			[]string{"gateway logs etl", "gateway restart etl"},
			"gateway update",
		},
		"a login": {
			gateway.Gateway{Spec: spec(func(s *gateway.Spec) { s.LivyConf = "livy.server.auth.type kerberos" })},
			"sessions and batches are not followed",
			[]string{"ldap_login"},
			"gateway update",
		},
	} {
		t.Run(name, func(t *testing.T) {
			tt.g.ID, tt.g.Workspace = "lc-1", "lab"
			found := m.examineGateway(t.Context(), &tt.g)
			i := slices.IndexFunc(found, func(r doctor.Result) bool { return strings.Contains(r.Summary, tt.says) })
			if i < 0 {
				t.Fatalf("found %+v", found)
			}
			for _, part := range tt.mend {
				if !strings.Contains(found[i].Mend, part) {
					t.Errorf("advice %q lacks %q", found[i].Mend, part)
				}
			}
			if strings.Contains(found[i].Mend, tt.mendsNot) {
				t.Errorf("advice %q", found[i].Mend)
			}
			for _, r := range found {
				if strings.Contains(r.Summary, "can be changed only there") {
					t.Errorf("that it is declared is no problem: %+v", r)
				}
			}
		})
	}
}
