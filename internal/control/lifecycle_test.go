package control

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/store/storetest"
	"github.com/livygateway/livygateway/upstream"
)

// configure changes the settings of a test's manager.
func configure(m *Manager, change func(*Settings)) {
	s := *m.settings.Load()
	change(&s)
	m.Configure(s)
}

func patch(t *testing.T, m *Manager, g *gateway.Gateway, restart bool, text string) *gateway.Gateway {
	t.Helper()
	g, err := m.Update(context.Background(), g, UpdateRequest{Patch: json.RawMessage(text), Restart: restart, Order: gateway.By("ann")})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestTransitionsAreOnRecord(t *testing.T) {
	s, _ := storetest.Mini(t)
	m := testManager(t, s, newFakeRuntime(t))
	ctx := context.Background()
	g, err := m.Create(ctx, CreateRequest{Spec: gateway.Spec{Name: "etl"}, Origin: gateway.Origin{Actor: "ann"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Start(ctx, g, gateway.By("bob")); err != nil {
		t.Fatal(err)
	}
	await(t, m, g.ID, "running", inState(gateway.StateRunning))
	if _, err := m.Stop(ctx, g, gateway.By("carol")); err != nil {
		t.Fatal(err)
	}
	g = await(t, m, g.ID, "stopped", inState(gateway.StateStopped))
	var got []string
	for i, tr := range g.History {
		got = append(got, string(tr.To)+" by "+tr.Actor)
		if tr.Time.IsZero() || i > 0 && tr.From != g.History[i-1].To {
			t.Errorf("transition %d: %+v", i, tr)
		}
	}
	want := []string{"Created by ann", "Starting by bob", "Running by gateway", "Stopping by carol", "Stopped by gateway"}
	if !slices.Equal(got, want) {
		t.Errorf("history %q, want %q", got, want)
	}
}

func TestUpdateSaysWhatNeedsARestart(t *testing.T) {
	s, _ := storetest.Mini(t)
	rt := newFakeRuntime(t)
	m := testManager(t, s, rt)
	g := create(t, m, "etl", true)
	g = await(t, m, g.ID, "running", inState(gateway.StateRunning))

	g = patch(t, m, g, true, `{"queue":"root.etl","public":true}`)
	if p := m.RestartNeeded(g); len(p) != 0 || g.Status.State != gateway.StateRunning {
		t.Errorf("pending %v in state %s after changes that hold at once", p, g.Status.State)
	}
	if e, _ := m.Lookup("default", "etl"); e.Gateway.Spec.Queue != "root.etl" {
		t.Errorf("the data path does not see the change: %+v", e.Gateway.Spec)
	}
	g = patch(t, m, g, false, `{"cpu":2,"memory":"8Gi","queue":null}`)
	if p := m.RestartNeeded(g); !slices.Equal(p, []string{"cpu", "memory"}) || g.Spec.Queue != "" {
		t.Errorf("pending %v, queue %q", p, g.Spec.Queue)
	}
	time.Sleep(100 * time.Millisecond) // three polls
	if _, starts := rt.count(); starts != 1 {
		t.Errorf("restarted without being told to: %d starts", starts)
	}
	// Telling it once more, with restart, is enough.
	patch(t, m, g, true, `{}`)
	g = await(t, m, g.ID, "the second server", func(g *gateway.Gateway) bool {
		return g.Status.State == gateway.StateRunning && g.Status.Epoch == 2
	})
	running, starts := rt.count()
	if p := m.RestartNeeded(g); len(p) != 0 || running != 1 || starts != 2 || g.Status.Restarts != 0 {
		t.Errorf("pending %v, %d running after %d starts, %+v", p, running, starts, g.Status)
	}
}

func TestUpdateRefusesBadInput(t *testing.T) {
	s, _ := storetest.Mini(t)
	m := testManager(t, s, newFakeRuntime(t))
	create(t, m, "taken", false)
	g := create(t, m, "etl", false)
	for text, want := range map[string]string{
		`{"cpu":3}`:                "cpu: must be one of",
		`{"cpu":"2"}`:              `cpu: must be a whole number (got "string")`,
		`{"colour":"red"}`:         `unknown field "colour"`,
		`{"name":"taken"}`:         "name: is already used",
		`{"name":null}`:            "name: must be",
		`[]`:                       "must be a JSON object",
		`null`:                     "must be a JSON object",
		`{} {}`:                    "must be a JSON object",
		`{"livyConf":"x y"}`:       "livy.conf line 1",
		`{"autoStop":{"no":1}}`:    `unknown field "autoStop.no"; known fields: enabled, minutes`,
		`{"autoStop":{"no":null}}`: `unknown field "autoStop.no"`,
		`{"policyrules":null}`:     `unknown field "policyrules" (did you mean policyRules?); known fields: `,
		`{"CPU":2}`:                `unknown field "CPU" (did you mean cpu?)`,
		`{"foo":null}`:             `unknown field "foo"; known fields: autoStart, autoStop, cluster, cpu,`,
		`{"policyRules":"what"}`:   "policy.rules",
	} {
		_, err := m.Update(context.Background(), g, UpdateRequest{Patch: json.RawMessage(text)})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", text, err, want)
		}
	}
	if now, _ := m.Get(context.Background(), "default", "etl"); now == nil || now.Revision != g.Revision {
		t.Errorf("changed all the same: %+v", now)
	}
}

func TestRename(t *testing.T) {
	s, _ := storetest.Mini(t)
	m := testManager(t, s, newFakeRuntime(t))
	g := create(t, m, "old", true)
	await(t, m, g.ID, "running", inState(gateway.StateRunning))
	g = patch(t, m, g, false, `{"name":"new"}`)
	if e, err := m.Lookup("default", "new"); err != nil || e.Gateway.ID != g.ID || e.Gateway.Status.State != gateway.StateRunning {
		t.Errorf("under the new name: %+v, %v", e, err)
	}
	if _, err := m.Lookup("default", "old"); gateway.KindOf(err) != gateway.KindNotFound {
		t.Errorf("under the old name: %v", err)
	}
	create(t, m, "old", false) // the name is free again
}

func TestStartingTwiceAtOnce(t *testing.T) {
	s, _ := storetest.Mini(t)
	rt := newFakeRuntime(t)
	m := testManager(t, s, rt)
	g := create(t, m, "etl", false)
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if _, err := m.Start(context.Background(), g, gateway.By("ann")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	await(t, m, g.ID, "running", inState(gateway.StateRunning))
	if running, starts := rt.count(); running != 1 || starts != 1 {
		t.Errorf("%d servers after %d starts", running, starts)
	}
}

func TestAnotherVersionIsNotTaken(t *testing.T) {
	s, _ := storetest.Mini(t)
	rt := newFakeRuntime(t)
	m := testManager(t, s, rt)
	configure(m, func(s *Settings) { s.Catalog.Engines[0].Livy = "0.7.1" })
	g := create(t, m, "etl", true)
	g = await(t, m, g.ID, "error", inState(gateway.StateError))
	if !strings.Contains(g.Status.Reason, "version 0.8.0-incubating instead of the promised 0.7.1") {
		t.Errorf("reason %q", g.Status.Reason)
	}
}

func TestOrphansAreStopped(t *testing.T) {
	s, _ := storetest.Mini(t)
	rt := newFakeRuntime(t)
	ctx := context.Background()
	ours, err := s.Installation(ctx, "in-ours")
	if err != nil {
		t.Fatal(err)
	}
	for id, installation := range map[string]string{"lc-orphan": ours, "lc-stranger": "in-theirs", "lc-unknown": ""} {
		if _, err := rt.Start(ctx, upstream.Launch{GatewayID: id, Installation: installation}); err != nil {
			t.Fatal(err)
		}
	}
	testManager(t, s, rt)
	for range 3000 {
		if _, there, _ := rt.Find(ctx, "lc-orphan"); !there {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond)
	for id, want := range map[string]bool{"lc-orphan": false, "lc-stranger": true, "lc-unknown": true} {
		if _, there, _ := rt.Find(ctx, id); there != want {
			t.Errorf("%s is there: %v", id, there)
		}
	}
}

func TestWhatIsUsedCannotBeDropped(t *testing.T) {
	s, _ := storetest.Mini(t)
	m := testManager(t, s, newFakeRuntime(t))
	env := gateway.Environment{Name: "analytics", Conf: map[string]string{"spark.x": "1"}, Env: map[string]string{"A": "b"}}
	configure(m, func(s *Settings) { s.Catalog.Environments = []gateway.Environment{env} })
	g, err := m.Create(context.Background(), CreateRequest{Spec: gateway.Spec{Name: "etl", Environment: "analytics"}})
	if err != nil {
		t.Fatal(err)
	}
	if used := m.UsedBy(func(s *gateway.Spec) bool { return s.Environment == "analytics" }); !slices.Equal(used, []string{"default/etl"}) {
		t.Errorf("used by %v", used)
	}
	without := m.settings.Load().Catalog
	without.Environments = nil
	err = m.CheckCatalog(&without, nil)
	if gateway.KindOf(err) != gateway.KindConflict || !strings.Contains(err.Error(), `"analytics" is used by gateway default/etl`) {
		t.Errorf("dropping what is used: %v", err)
	}
	launch, err := m.launch(g, m.resolve(g).wanted)
	if err != nil || launch.Env["A"] != "b" {
		t.Errorf("launch %+v, %v", launch.Env, err)
	}
	// A process that starts with such a configuration lives, and says so.
	configure(m, func(s *Settings) { s.Catalog = without })
	e, err := m.Lookup("default", "etl")
	if err != nil || e.PolicyError == nil || !strings.Contains(e.PolicyError.Error(), "analytics") {
		t.Errorf("policy error %v, %v", e.PolicyError, err)
	}
	if notes := m.Notes(g); len(notes) != 1 || !strings.Contains(notes[0], `environment "analytics" is no longer in the configuration`) {
		t.Errorf("notes %q", notes)
	}
	if err := m.CheckCatalog(&without, nil); err != nil {
		t.Errorf("the next reload of the same: %v", err)
	}
}

func TestNotes(t *testing.T) {
	s, _ := storetest.Mini(t)
	m := testManager(t, s, newFakeRuntime(t))
	configure(m, func(s *Settings) {
		s.Catalog.Fusion = []gateway.Fusion{gateway.Comet()}
		s.Catalog.Clusters = []gateway.Cluster{{Name: "lake", Master: "yarn"}}
	})
	g := &gateway.Gateway{ID: "lc-1", Spec: gateway.Spec{Name: "etl", Engine: "spark", CPU: 1, Memory: "4Gi", LivyVersion: "0.8.0", Queue: "q", Fusion: "comet"}}
	g.Status.FusionOff = `fusion "comet" is off: the CPU of the machine that it runs on has no AVX2`
	notes := strings.Join(m.Notes(g), "\n")
	if !strings.Contains(notes, `queue "q" is set in every job but has no effect: local[1] has no queues`) ||
		!strings.Contains(notes, g.Status.FusionOff) {
		t.Errorf("notes:\n%s", notes)
	}
	body := func() string {
		r, err := m.Explain(g, livy.KindSession, []byte(`{"kind":"sql"}`))
		if err != nil {
			t.Fatal(err)
		}
		return string(r.Body)
	}
	if strings.Contains(body(), "CometPlugin") {
		t.Error("the profile is used on a CPU without AVX2")
	}
	g.Status.FusionOff = ""
	g.Spec.Cluster = "lake"
	if notes := m.Notes(g); len(notes) != 0 {
		t.Errorf("notes %q", notes)
	}
	if !strings.Contains(body(), "CometPlugin") {
		t.Error("the profile is not used")
	}
}

func TestOffHeapMemoryCounts(t *testing.T) {
	s, _ := storetest.Mini(t)
	m := testManager(t, s, newFakeRuntime(t))
	comet := gateway.Comet()
	configure(m, func(s *Settings) { s.Catalog.Fusion = []gateway.Fusion{comet} })
	create := func(name string) error {
		_, err := m.Create(context.Background(), CreateRequest{Spec: gateway.Spec{Name: name, Fusion: "comet"}})
		return err
	}
	if err := create("fits"); err != nil {
		t.Error(err)
	}
	comet.Conf["spark.memory.offHeap.size"] = "3g"
	if err := create("large"); err == nil || !strings.Contains(err.Error(), "takes 3g off the heap") {
		t.Errorf("3g of 4Gi: %v", err)
	}
}

func TestTheCreatorsIdentity(t *testing.T) {
	s, _ := storetest.Mini(t)
	m := testManager(t, s, newFakeRuntime(t))
	for name, tt := range map[string]struct{ conf, spark, identity, creator, want string }{
		"impersonation":      {"livy.impersonation.enabled true", "", "", "ann", "ann"},
		"none":               {"", "", "", "ann", ""},
		"another identity":   {"livy.impersonation.enabled true", "", "etl", "ann", "etl"},
		"a default of Spark": {"livy.impersonation.enabled true", "spark.livy.proxyUser svc", "", "ann", "svc"},
		"no user name":       {"livy.impersonation.enabled true", "", "", "ann b.", ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := &gateway.Gateway{ID: "lc-1", CreatedBy: tt.creator, Spec: gateway.Spec{Engine: "spark", LivyConf: tt.conf, SparkDefaults: tt.spark, Identity: tt.identity}}
			r, err := m.Explain(g, livy.KindBatch, []byte(`{"file":"hdfs:///x.py","proxyUser":"mallory"}`))
			if err != nil {
				t.Fatal(err)
			}
			var body struct{ ProxyUser string }
			if err := json.Unmarshal(r.Body, &body); err != nil || body.ProxyUser != tt.want {
				t.Errorf("proxyUser %q, %v; want %q", body.ProxyUser, err, tt.want)
			}
		})
	}
}

func TestLivysBlacklistLetsForcedKeysPass(t *testing.T) {
	s, _ := storetest.Mini(t)
	m := testManager(t, s, newFakeRuntime(t))
	configure(m, func(s *Settings) {
		s.Catalog.Environments = []gateway.Environment{{Name: "e", Conf: map[string]string{"spark.sql.ansi.enabled": "true"}}}
	})
	g := create(t, m, "etl", false)
	g = patch(t, m, g, false, `{"environment":"e","sparkBlacklist":"spark.sql.ansi.enabled\nspark.executor.memory\nspark.livygateway.gateway\n"}`)
	files, err := m.resolve(g).wanted.Files(m.facts(g))
	if err != nil {
		t.Fatal(err)
	}
	if got := files[upstream.SparkBlacklist]; got != "spark.executor.memory\n" {
		t.Errorf("Livy's copy:\n%s", got)
	}
	r, err := m.Explain(g, livy.KindSession, []byte(`{"conf":{"spark.sql.ansi.enabled":"false"}}`))
	if err != nil || !strings.Contains(string(r.Body), `"spark.sql.ansi.enabled":"true"`) {
		t.Errorf("body %s, %v", r.Body, err)
	}
}

func TestDirectoriesOnKubernetes(t *testing.T) {
	s, _ := storetest.Mini(t)
	m := testManager(t, s, newFakeRuntime(t))
	configure(m, func(s *Settings) {
		s.Catalog.Clusters = []gateway.Cluster{
			{Name: "k", Master: "k8s://https://k:6443", DeployMode: "cluster"},
			{Name: "y", Master: "yarn"},
			{Name: "yc", Master: "yarn", DeployMode: "cluster"},
		}
		s.Catalog.Networks = []gateway.Network{{Name: "lake", VPC: "v"}}
		s.Catalog.Directories = []gateway.Directory{{Name: "Ware_house", Type: "nas", Source: "nas:/e", Path: "/mnt/w", VPC: "v", ReadOnly: true}}
	})
	spec := gateway.Spec{Name: "etl", Engine: "spark", LivyVersion: "0.8.0", Cluster: "k", Network: "lake", Directories: []string{"Ware_house"}}
	conf := func() map[string]string {
		r, err := m.Explain(&gateway.Gateway{ID: "lc-1", Spec: spec}, livy.KindBatch, []byte(`{"file":"file:/mnt/w/job.py"}`))
		if err != nil {
			t.Fatal(err)
		}
		var body struct{ Conf map[string]string }
		if err := json.Unmarshal(r.Body, &body); err != nil {
			t.Fatal(err)
		}
		return body.Conf
	}
	const driver, executor = "spark.kubernetes.driver.volumes.nfs.ware-house.", "spark.kubernetes.executor.volumes.nfs.ware-house."
	c := conf()
	if c[driver+"mount.path"] != "/mnt/w" || c[driver+"mount.readOnly"] != "true" || c[driver+"options.server"] != "nas" || c[driver+"options.path"] != "/e" || c[executor+"mount.path"] != "" {
		t.Errorf("conf %v", c)
	}
	spec.MountToExecutor = true
	if c := conf(); c[executor+"mount.path"] != "/mnt/w" {
		t.Errorf("conf with executors %v", c)
	}
	for cluster, says := range map[string]struct{ executors, drivers bool }{"k": {false, false}, "y": {true, false}, "yc": {true, true}} {
		spec.Cluster = cluster
		notes := strings.Join(m.Notes(&gateway.Gateway{Spec: spec}), "\n")
		if strings.Contains(notes, "mountToExecutor has no effect on yarn") != says.executors ||
			strings.Contains(notes, "drivers run on the machines of yarn") != says.drivers {
			t.Errorf("notes on cluster %s: %s", cluster, notes)
		}
	}
}

// Drivers beside the Livy server have its variables, and find archives unpacked
// that are files in the environment's directory.
func TestEnvironmentOfDriversBesideLivy(t *testing.T) {
	s, _ := storetest.Mini(t)
	m := testManager(t, s, newFakeRuntime(t))
	configure(m, func(s *Settings) {
		s.Catalog.Clusters = []gateway.Cluster{{Name: "away", Master: "yarn", DeployMode: "cluster"}, {Name: "near", Master: "yarn"}}
		s.Catalog.Environments = []gateway.Environment{{
			Name: "e", Dir: "/srv/e", Env: map[string]string{"STAGE": "prod"}, Archives: []string{"venv.tar.gz#venv", "sub/data.zip", "file:///srv/e/x.tgz#x", "hdfs:///far.zip#far", "file:/elsewhere.zip#y"},
		}}
	})
	want := []upstream.Archive{
		{Name: "venv", Path: "/srv/e/venv.tar.gz"}, {Name: "data.zip", Path: "/srv/e/sub/data.zip"}, {Name: "x", Path: "/srv/e/x.tgz"},
	}
	for cluster, want := range map[string][]upstream.Archive{"": want, "near": want, "away": nil} {
		g := &gateway.Gateway{ID: "lc-1", Spec: gateway.Spec{
			Name: "etl", Engine: "spark", LivyVersion: "0.8.0", CPU: 1, Memory: "4Gi", Environment: "e", Cluster: cluster,
		}}
		l, err := m.launch(g, m.resolve(g).wanted)
		if err != nil || !slices.Equal(l.Archives, want) || (l.Env["STAGE"] == "prod") != (cluster != "away") {
			t.Errorf("on cluster %q: %+v, %v, %v", cluster, l.Archives, l.Env, err)
		}
	}
}
