package integration

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/require"
	"github.com/livygateway/livygateway/upstream"
)

// yarn is a YARN on this machine with the queues default, etl and adhoc.
type yarn struct {
	t       *testing.T
	confDir string // the clients' configuration
	web     string // host:port of the ResourceManager's pages

	site   map[string]string // what confDir's yarn-site.xml says
	server func(class, confDir string)
}

// startYarn starts a ResourceManager and a NodeManager, which end with the test.
func startYarn(t *testing.T) yarn {
	t.Helper()
	dir := os.Getenv("LIVYGW_YARN")
	if dir == "" {
		out, err := exec.Command(filepath.Join(root, "scripts", "prepare-yarn"), "--where").Output()
		if err == nil {
			dir = strings.TrimSpace(string(out))
		}
	}
	_, err := os.Stat(filepath.Join(dir, "jars"))
	require.Need(t, require.Yarn, err == nil, "not prepared (make yarn)")
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}

	work, serverConf := t.TempDir(), t.TempDir()
	y := yarn{t: t, confDir: t.TempDir(), web: "127.0.0.1:" + sparePort(t)}
	y.site = map[string]string{
		"yarn.resourcemanager.address":           "127.0.0.1:" + sparePort(t),
		"yarn.resourcemanager.scheduler.address": "127.0.0.1:" + sparePort(t),
		"yarn.resourcemanager.webapp.address":    y.web,
	}
	writeHadoopConf(t, filepath.Join(y.confDir, "yarn-site.xml"), y.site)
	site := maps.Clone(y.site)
	maps.Copy(site, map[string]string{
		"yarn.resourcemanager.resource-tracker.address": "127.0.0.1:" + sparePort(t),
		"yarn.resourcemanager.admin.address":            "127.0.0.1:" + sparePort(t),
		"yarn.nodemanager.address":                      "127.0.0.1:0",
		"yarn.nodemanager.localizer.address":            "127.0.0.1:" + sparePort(t),
		"yarn.nodemanager.webapp.address":               "127.0.0.1:0",
		"yarn.nodemanager.local-dirs":                   filepath.Join(work, "local"),
		"yarn.nodemanager.log-dirs":                     filepath.Join(work, "logs"),
		"yarn.nodemanager.resource.memory-mb":           "6144",
		"yarn.nodemanager.vmem-check-enabled":           "false",
		"yarn.nodemanager.env-whitelist":                "JAVA_HOME,PATH,LANG",
		"yarn.scheduler.minimum-allocation-mb":          "256",
		// A nearly full disk is none of the tests' business.
		"yarn.nodemanager.disk-health-checker.max-disk-utilization-per-disk-percentage": "100",
	})
	writeHadoopConf(t, filepath.Join(serverConf, "yarn-site.xml"), site)
	// Who runs the Livy servers may run jobs as anybody.
	writeHadoopConf(t, filepath.Join(serverConf, "core-site.xml"), map[string]string{
		"hadoop.proxyuser." + me.Username + ".hosts":  "*",
		"hadoop.proxyuser." + me.Username + ".groups": "*",
	})
	args := append([]string{"-Xmx512m", "--add-opens=java.base/java.security=ALL-UNNAMED"}, strings.Fields(upstream.JavaOptions())...)
	y.server = func(class, confDir string) {
		path := strings.Join([]string{confDir, filepath.Join(root, "integration", "yarn"), filepath.Join(dir, "jars", "*")}, ":")
		daemon(t, work, nil, "java", append(slices.Clone(args), "-cp", path, "org.apache.hadoop.yarn.server."+class)...)
	}
	y.server("resourcemanager.ResourceManager", serverConf)
	y.server("nodemanager.NodeManager", serverConf)
	eventually(t, 4*time.Minute, "YARN having a node", func() bool {
		var m struct{ ClusterMetrics struct{ ActiveNodes int } }
		status, err := y.ask("metrics", &m)
		return err == nil && status == http.StatusOK && m.ClusterMetrics.ActiveNodes == 1
	})
	return y
}

// withProxy starts a proxy before the applications' pages that is not the
// ResourceManager, and returns the YARN of clients that are told of it.
func (y yarn) withProxy() yarn {
	y.confDir, y.site = y.t.TempDir(), maps.Clone(y.site)
	y.site["yarn.web-proxy.address"] = "127.0.0.1:" + sparePort(y.t)
	writeHadoopConf(y.t, filepath.Join(y.confDir, "yarn-site.xml"), y.site)
	y.server("webproxy.WebAppProxyServer", y.confDir)
	return y
}

// writeHadoopConf writes one of Hadoop's configuration files.
func writeHadoopConf(t testing.TB, path string, conf map[string]string) {
	t.Helper()
	var b strings.Builder
	b.WriteString("<configuration>\n")
	for _, key := range slices.Sorted(maps.Keys(conf)) {
		fmt.Fprintf(&b, "  <property><name>%s</name><value>%s</value></property>\n", key, conf[key])
	}
	b.WriteString("</configuration>\n")
	write(t, path, b.String())
}

// ask asks the ResourceManager's REST API.
func (y yarn) ask(path string, into any) (status int, err error) {
	req, err := http.NewRequest(http.MethodGet, "http://"+y.web+"/ws/v1/cluster/"+path, http.NoBody)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Accept", "application/json") // or else it speaks XML
	res, err := (&http.Client{Timeout: 10 * time.Second}).Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	return res.StatusCode, json.NewDecoder(res.Body).Decode(into)
}

// application is a report of the ResourceManager.
type application struct {
	ID, User, Name, Queue, State, FinalStatus, ApplicationTags string
}

// app is what the ResourceManager says of an application.
func (y yarn) app(t testing.TB, id string) application {
	t.Helper()
	var report struct{ App application }
	if status, err := y.ask("apps/"+id, &report); err != nil || status != http.StatusOK {
		t.Fatalf("application %q: %d %v", id, status, err)
	}
	return report.App
}

// block is a Caddyfile's cluster of that YARN.
func (y yarn) block(name, deployMode string) string {
	return fmt.Sprintf("\ncluster %s {\nmaster yarn\ndeploy_mode %s\nconf_dir %s\n}", name, deployMode, y.confDir)
}

// sparkDefaults lets jobs find Spark without copying it, and be small.
func (y yarn) sparkDefaults() string {
	staging := y.t.TempDir()
	if err := os.Chmod(staging, 0o777); err != nil { // jobs of several users write there
		y.t.Fatal(err)
	}
	return `spark.yarn.jars local:` + preparedEngine().SparkHome + `/jars/*
spark.yarn.stagingDir file:` + staging + `
spark.driver.memory 512m
spark.executor.memory 512m
spark.executor.instances 1
spark.yarn.am.memory 512m
`
}
