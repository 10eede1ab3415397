package control

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/resolved"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// A server that runs was started with other settings than its gateway has by now:
// jobs get what it has, and it is not shown a login that it would pass on to the
// directory that it asks.
func TestChangesWaitForTheNextStart(t *testing.T) {
	s, _ := storetest.Mini(t)
	m := testManager(t, s, newFakeRuntime(t))
	catalog := *m.Catalog()
	catalog.Environments = []gateway.Environment{
		{Name: "old", Conf: map[string]string{"spark.sql.shuffle.partitions": "11"}},
		{Name: "new", Conf: map[string]string{"spark.sql.shuffle.partitions": "22"}},
	}
	m.Configure(Settings{Settings: resolved.Settings{Catalog: catalog, Logins: []Login{labLogin()}}, StartTimeout: time.Minute})
	g, err := m.Create(context.Background(), CreateRequest{Start: true, Spec: gateway.Spec{
		Name: "etl", Environment: "old", LivyConf: strings.ReplaceAll(ldapConf, "ldap://a:389", "ldap://evil:389"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	g = await(t, m, g.ID, "running", inState(gateway.StateRunning))

	check := func(when, partitions, login string, ldap bool) {
		t.Helper()
		e, err := m.Lookup("default", "etl")
		if err != nil || e.PolicyError != nil {
			t.Fatal(err, e.PolicyError)
		}
		for _, policy := range []string{"the data path", "explain"} {
			result, err := m.Explain(g, livy.KindSession, []byte(`{"kind":"sql"}`))
			if policy == "the data path" {
				result, err = e.Policy.Create(livy.KindSession, "", "application/json", strings.NewReader(`{"kind":"sql"}`))
			}
			if err != nil || !strings.Contains(string(result.Body), `"spark.sql.shuffle.partitions":"`+partitions+`"`) {
				t.Errorf("%s, %s: %s, %v; want %s partitions", when, policy, result.Body, err, partitions)
			}
		}
		if c := m.Livy(g); c.User != login || e.LDAP != ldap {
			t.Errorf("%s: the server is asked as %q, want %q; passwords are passed on: %v", when, c.User, login, e.LDAP)
		}
	}
	check("at first", "11", "", true)
	g = patch(t, m, g, false, `{"environment":"new","livyConf":`+quoted(ldapConf)+`}`)
	check("changed", "11", "", true)
	if pending := m.RestartNeeded(g); len(pending) != 2 {
		t.Errorf("a restart is needed for %q", pending)
	}
	without := catalog
	without.Environments = catalog.Environments[1:]
	if err := m.CheckCatalog(&without, nil); err == nil || !strings.Contains(err.Error(), `"old" is used by`) {
		t.Errorf("without what the running server has: %v", err)
	}
	patch(t, m, g, true, `{}`)
	g = await(t, m, g.ID, "the second server", func(g *gateway.Gateway) bool {
		return g.Status.State == gateway.StateRunning && g.Status.Epoch == 2
	})
	check("restarted", "22", "svc", true)
	g = patch(t, m, g, false, `{"livyConf":null}`)
	check("changed once more", "22", "svc", true)
	if err := m.CheckCatalog(&without, nil); err != nil {
		t.Errorf("without what nobody has: %v", err)
	}
}

func quoted(text string) string { return `"` + strings.ReplaceAll(text, "\n", `\n`) + `"` }
