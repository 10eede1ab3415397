package integration

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/require"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// sparkAccount is the service account of drivers, with its rights.
const sparkAccount = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: spark, namespace: NAMESPACE}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: spark, namespace: NAMESPACE}
rules:
- apiGroups: [""]
  resources: [pods, configmaps, services, persistentvolumeclaims]
  verbs: [get, list, watch, create, update, patch, delete, deletecollection]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: spark, namespace: NAMESPACE}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: spark}
subjects: [{kind: ServiceAccount, name: spark, namespace: NAMESPACE}]
`

// sparkOptions are the options of Caddy for jobs in the pods of a namespace.
func (k kubernetes) sparkOptions(namespace string) string {
	return fmt.Sprintf(`runtime kubernetes {
		kubeconfig %s
		namespace %s
		service_account spark
		image_pull_policy Never
		cpu_request 100m
		memory_request 512Mi
		allow 198.18.1.1/32
		usage off
	}
	engine spark-3.5 {
		livy %s
		image %s
	}
	cluster pods {
		master k8s://https://kubernetes.default.svc
		conf spark.kubernetes.container.image.pullPolicy Never
		conf spark.kubernetes.authenticate.driver.serviceAccountName spark
		conf spark.kubernetes.driver.request.cores 100m
		conf spark.kubernetes.executor.request.cores 100m
		conf spark.kubernetes.allocation.batch.delay 1s
	}
	local_dir /opt/spark/examples`, k.kubeconfig, namespace, imageLivy(), image())
}

// TestKubernetesSpark runs jobs in pods: a session with two executors, whose Spark UI is shown, which
// ends with its executors, and batches whose drivers are pods. Two instances of Caddy serve them. So
// do a notebook and Airflow.
func TestKubernetesSpark(t *testing.T) {
	k := startKubernetes(t)
	require.Need(t, require.Image, imageThere(), "image "+image()+" is not there (make image)")
	redis := storetest.StartServer(t)
	k.load(t, image())
	namespace := k.namespace(t, "spark")
	k.apply(t, strings.ReplaceAll(sparkAccount, "NAMESPACE", namespace))
	c := newCaddy(t, redis, k.sparkOptions(namespace))
	other := newCaddy(t, redis, k.sparkOptions(namespace))
	g := c.newGateway("kube", "--engine", "spark-3.5", "--cluster", "pods")
	token := c.newToken("kube").Token
	cl := client{t: t, base: c.url(g.ID), token: token}
	pods := func(selector, output string) []string { return k.pods(t, namespace, selector, output) }
	if servers := pods("app.kubernetes.io/name=livy", "{.metadata.name}"); len(servers) != 1 {
		t.Fatalf("two instances started %q", servers)
	}

	// A session, through both instances.
	began := time.Now()
	var made struct{ ID int }
	cl.expect(http.StatusCreated, http.MethodPost, "/sessions", map[string]any{
		"kind": "pyspark", "driverMemory": "512m", "executorMemory": "512m", "executorCores": 1, "numExecutors": 2,
	}, &made)
	path := fmt.Sprintf("/sessions/%d", made.ID)
	there := client{t: t, base: other.url(g.ID), token: token}
	eventually(t, 3*time.Minute, "an idle session", func() bool {
		var s struct{ State string }
		there.expect(http.StatusOK, http.MethodGet, path, nil, &s)
		return s.State == "idle"
	})
	t.Logf("create to idle: %v", time.Since(began).Round(100*time.Millisecond))
	there.statement(t, path, "sc.parallelize(range(1000), 2).sum()", "499500")
	// Tasks of a barrier run at the same time, so one in each executor.
	there.statement(t, path, `len(set(sc.parallelize(range(2), 2).barrier().mapPartitions(
    lambda _: [__import__("socket").gethostname()]).collect()))`, "2")
	both := func(s string) []string { return []string{s, s} }
	if owners := pods("spark-role=executor", "{.metadata.ownerReferences[0].name}"); !slices.Equal(owners, both("livygw-"+g.ID)) {
		t.Errorf("executors are owned by %q", owners)
	}
	record := k.checkSessionUI(t, c, token)
	want := both(g.ID + "," + record)
	if labels := pods("spark-role=executor", `{.metadata.labels.livygateway/gateway},{.metadata.labels.livygateway/record}`); !slices.Equal(labels, want) {
		t.Errorf("executors have the labels %q, want %q", labels, want)
	}
	// Caddy reaches Livy and Spark UIs, executors reach the drivers.
	if policy := k.kubectl(t, "get", "networkpolicy", "livygw-"+g.ID, "-n", namespace, "-o",
		`jsonpath={.spec.ingress[0].from[0].ipBlock.cidr} {.spec.ingress[0].ports[*].port} {.spec.ingress[1].from[0].podSelector.matchLabels.livygateway/gateway} {.spec.ingress[1].ports[*].port}`,
	); policy != "198.18.1.1/32 8998 4040 "+g.ID+" 1024 4141 8999 10091" {
		t.Errorf("the network policy is %q", policy)
	}

	t.Run("network policy", func(t *testing.T) { k.checkPolicies(t, namespace, g.ID) })

	t.Run("browser", func(t *testing.T) { k.checkBrowser(t, c, record) })

	// Its executors end with it.
	cl.expect(http.StatusOK, http.MethodDelete, path, nil, nil)
	eventually(t, time.Minute, "the executors' end", func() bool { return len(pods("spark-role=executor", "{.metadata.name}")) == 0 })

	t.Run("sparkmagic", func(t *testing.T) { k.checkNotebook(t, c, namespace, token) })

	// A batch, whose driver is a pod.
	began = time.Now()
	cl.expect(http.StatusCreated, http.MethodPost, "/batches", map[string]any{
		"file": "local:/opt/spark/examples/src/main/python/pi.py", "args": []string{"20"},
		"driverMemory": "512m", "executorMemory": "512m", "executorCores": 1, "numExecutors": 1,
	}, &made)
	k.checkBatchUI(t, c, token, made.ID)
	if state, log := cl.batchDoneWithin(5*time.Minute, made.ID); state != "success" {
		t.Fatalf("the batch is %s:\n%s", state, log)
	}
	t.Logf("batch: %v", time.Since(began).Round(100*time.Millisecond))
	if drivers := pods("spark-role=driver", "{.status.phase}"); !slices.Equal(drivers, []string{"Succeeded"}) {
		t.Errorf("drivers are %q", drivers)
	}
	if id := k.checkBatchRecord(t, c, made.ID); !strings.HasPrefix(id, "spark-") {
		t.Errorf("the application of the batch is %q", id)
	}
	t.Run("failed batch", func(t *testing.T) { k.checkFailedBatch(t, c, other, namespace, token) })
	t.Run("airflow", func(t *testing.T) { k.checkAirflow(t, c, namespace, token) })

	c.livy("gateway", "stop", "kube", "--wait")
	if left := k.kubectl(t, "get", "pods,configmaps,secrets,networkpolicies", "-n", namespace, "-l", "app.kubernetes.io/managed-by=livygateway", "-o", "name"); left != "" {
		t.Errorf("left behind:\n%s", left)
	}
	// One watch of Livy's pods and one of jobs for each instance, and what begins anew after five minutes.
	calls := k.audited(t, namespace)
	t.Logf("calls of the API: %v", calls)
	if calls["watch pods"] == 0 || calls["watch pods"] > 8 || calls["list pods"] > 8 {
		t.Errorf("calls of the API: %v", calls)
	}
}

// checkSessionUI looks at the Spark UI of the only session, whose driver is in the Livy server's
// pod, and returns the id of its record.
func (k kubernetes) checkSessionUI(t *testing.T, c *caddy, token string) string {
	t.Helper()
	var rec struct{ ID, SparkUI, AppID string }
	eventually(t, time.Minute, "the application's id", func() bool {
		c.json(&rec, "session", "show", "--gateway", "kube", "session:0", "--json")
		return rec.AppID != ""
	})
	checkLiveUI(t, client{t, "http://" + c.all, token}, rec.SparkUI)
	return rec.ID
}

// checkBatchUI looks at the Spark UI of a batch, whose driver is a pod of its own, while it runs.
func (k kubernetes) checkBatchUI(t *testing.T, c *caddy, token string, batch int) {
	t.Helper()
	var rec struct{ SparkUI, State string }
	site := client{t, "http://" + c.all, token}
	eventually(t, 3*time.Minute, "the driver's Spark UI", func() bool {
		c.json(&rec, "session", "show", "--gateway", "kube", fmt.Sprintf("batch:%d", batch), "--json")
		if rec.State == "success" || rec.State == "dead" {
			t.Fatalf("the batch is %s, and nobody saw its Spark UI", rec.State)
		}
		if rec.SparkUI == "" {
			return false
		}
		r := site.do(http.MethodGet, rec.SparkUI+"/jobs/", nil)
		return r.status == http.StatusOK && strings.Contains(string(r.body), "Spark Jobs")
	})
}

// checkBatchRecord waits for the end of the driver's log in the record of a batch that computed pi,
// and returns the id of its application.
func (k kubernetes) checkBatchRecord(t *testing.T, c *caddy, batch int) string {
	t.Helper()
	var rec struct {
		AppID string
		Log   []string
	}
	eventually(t, 30*time.Second, "the driver's log", func() bool {
		c.json(&rec, "session", "show", "--gateway", "kube", fmt.Sprintf("batch:%d", batch), "--json")
		return strings.Contains(strings.Join(rec.Log, "\n"), "Pi is roughly")
	})
	return rec.AppID
}

// checkFailedBatch runs a batch whose driver fails, which Livy calls a success, and asks both
// instances for its state all the time.
func (k kubernetes) checkFailedBatch(t *testing.T, c, other *caddy, namespace, token string) {
	began := time.Now()
	cl := client{t: t, base: c.url("kube"), token: token}
	there := client{t: t, base: other.url("kube"), token: token}
	var made struct{ ID int }
	cl.expect(http.StatusCreated, http.MethodPost, "/batches", map[string]any{
		"file": failingFile, "driverMemory": "512m", "executorMemory": "512m", "executorCores": 1, "numExecutors": 1,
	}, &made)
	path := fmt.Sprintf("/batches/%d", made.ID)
	told := map[string]int{}
	tell := func(at client, path string) string {
		var s struct{ State string }
		at.expect(http.StatusOK, http.MethodGet, path, nil, &s)
		told[s.State]++
		return s.State
	}
	eventually(t, 2*time.Minute, "the batch's end", func() bool {
		one, two := tell(cl, path+"/state"), tell(there, path)
		return one == "dead" && two == "dead"
	})
	t.Logf("a failed batch: %v, states %v", time.Since(began).Round(100*time.Millisecond), told)
	if told["success"] > 0 {
		t.Error("it was a success at first")
	}
	var all struct{ Sessions []struct{ State string } }
	there.expect(http.StatusOK, http.MethodGet, fmt.Sprintf("/batches?from=%d", made.ID), nil, &all)
	if len(all.Sessions) != 1 || all.Sessions[0].State != "dead" {
		t.Errorf("the list has %+v", all.Sessions)
	}
	var rec struct{ ID, State, Reason string }
	c.json(&rec, "session", "show", "--gateway", "kube", fmt.Sprintf("batch:%d", made.ID), "--json")
	if rec.State != "dead" || rec.Reason != "driver pod failed: exit code 2 (Error)" {
		t.Errorf("the record is %+v", rec)
	}
	if phase := k.pods(t, namespace, "spark-role=driver,livygateway/record="+rec.ID, "{.status.phase}"); !slices.Equal(phase, []string{"Failed"}) {
		t.Errorf("the driver is %q", phase)
	}
}

// failingFile is the program of a batch whose driver fails: Python does not find it.
const failingFile = "local:/opt/spark/examples/src/main/python/none.py"

// pods returns something of each pod that a selector finds.
func (k kubernetes) pods(t testing.TB, namespace, selector, output string) []string {
	t.Helper()
	return strings.Fields(k.kubectl(t, "get", "pods", "-n", namespace, "-l", selector, "-o", "jsonpath={range .items[*]}"+output+" {end}"))
}

// statement runs code in a session and compares its result.
func (c client) statement(t testing.TB, session, code, want string) {
	t.Helper()
	var s struct {
		ID     int
		Output struct{ Data map[string]any }
	}
	c.expect(http.StatusCreated, http.MethodPost, session+"/statements", map[string]any{"code": code}, &s)
	eventually(t, 2*time.Minute, "a statement", func() bool {
		c.expect(http.StatusOK, http.MethodGet, fmt.Sprintf("%s/statements/%d", session, s.ID), nil, &s)
		return s.Output.Data != nil
	})
	if got := fmt.Sprint(s.Output.Data["text/plain"]); got != want {
		t.Errorf("%s = %s, want %s", code, got, want)
	}
}
