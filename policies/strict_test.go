package policies

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/golden"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/policies/sparkconf"
)

// TestStrictSettingsDoc holds the list in docs/strict-settings.md to the one in force.
// To write it: go test ./policies -run TestStrictSettingsDoc -update
func TestStrictSettingsDoc(t *testing.T) {
	var b strings.Builder
	b.WriteString("\n| clients may set | why |\n|---|---|\n")
	for _, s := range StrictSettings() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", s.Key, s.Why)
	}
	b.WriteString("\n")
	golden.Part(t, "../docs/strict-settings.md", "<!-- strict settings -->", "<!-- end of strict settings -->", b.String())
}

// TestStrictSettingsAreSound: every line has a reason, none stands twice or opens a
// whole key space, and nothing that moves a job, names code or files that the path
// rule does not know, or weakens who may look at it is on the list.
func TestStrictSettingsAreSound(t *testing.T) {
	var seen []string
	for _, s := range StrictSettings() {
		if s.Why == "" || slices.Contains(seen, s.Key) {
			t.Errorf("%s: no reason, or twice on the list", s.Key)
		}
		seen = append(seen, s.Key)
		prefix, wild := strings.CutSuffix(s.Key, "*")
		if badKey(prefix) != "" || !strings.HasPrefix(s.Key, "spark.") || strings.Contains(prefix, "*") {
			t.Errorf("%s is no key", s.Key)
		}
		if wild && (!strings.HasSuffix(prefix, ".") || strings.Count(prefix, ".") < 2) {
			t.Errorf("%s opens too much", s.Key)
		}
	}
	for _, key := range []string{
		"spark.master", "spark.submit.deployMode", "spark.remote", "spark.api.mode", "spark.home", "spark.local.dir",
		"spark.driver.extraJavaOptions", "spark.driver.defaultJavaOptions", "spark.executor.extraJavaOptions", "spark.executor.defaultJavaOptions",
		"spark.yarn.am.extraJavaOptions", "spark.driver.extraClassPath", "spark.executor.extraClassPath", "spark.driver.extraLibraryPath",
		"spark.executor.extraLibraryPath", "spark.driver.userClassPathFirst", "spark.executor.userClassPathFirst",
		"spark.jars.packages", "spark.jars.repositories", "spark.jars.ivy", "spark.jars.ivySettings", "spark.repl.local.jars",
		"spark.yarn.jars", "spark.yarn.archive", "spark.yarn.stagingDir", "spark.yarn.keytab", "spark.kerberos.keytab", "spark.kerberos.principal",
		"spark.yarn.config.gatewayPath", "spark.yarn.am.memory", "spark.yarn.populateHadoopClasspath", "spark.yarn.appMasterEnv.X",
		"spark.kubernetes.namespace", "spark.kubernetes.container.image", "spark.kubernetes.driver.podTemplateFile", "spark.kubernetes.driverEnv.X",
		"spark.executorEnv.X", "spark.executorEnv.SPARK_USER", "spark.plugins", "spark.extraListeners", "spark.sql.extensions",
		"spark.sql.queryExecutionListeners", "spark.sql.streaming.streamingQueryListeners", "spark.sql.catalog.x", "spark.sql.catalog.x.uri",
		"spark.sql.warehouse.dir", "spark.sql.hive.metastore.jars", "spark.sql.hive.metastore.version", "spark.sql.hive.thriftServer.singleSession",
		"spark.sql.maven.additionalRemoteRepositories", "spark.sql.cache.serializer", "spark.sql.redaction.options.regex",
		"spark.sql.sources.commitProtocolClass", "spark.sql.parquet.output.committer.class", "spark.sql.streaming.checkpointFileManagerClass",
		"spark.sql.streaming.stateStore.providerClass", "spark.sql.artifact.isolation.enabled", "spark.shuffle.manager",
		"spark.shuffle.sort.io.plugin.class", "spark.shuffle.service.port", "spark.authenticate", "spark.authenticate.secret", "spark.acls.enable",
		"spark.admin.acls", "spark.modify.acls", "spark.ui.view.acls", "spark.ui.filters", "spark.ui.port", "spark.ui.enabled", "spark.ui.proxyBase",
		"spark.ui.killEnabled", "spark.ui.threadDumpsEnabled", "spark.ui.reverseProxy", "spark.ui.store.path", "spark.ui.allowFramingFrom",
		"spark.eventLog.dir", "spark.eventLog.enabled", "spark.metrics.conf", "spark.redaction.regex", "spark.ssl.enabled", "spark.io.encryption.enabled",
		"spark.network.crypto.enabled", "spark.driver.host", "spark.driver.port", "spark.driver.bindAddress", "spark.blockManager.port",
		"spark.pyspark.python", "spark.pyspark.driver.python", "spark.r.command", "spark.r.driver.command", "spark.r.shell.command",
		"spark.python.daemon.module", "spark.python.worker.module", "spark.driver.resource.gpu.discoveryScript", "spark.resources.discoveryPlugin",
		"spark.scheduler.allocation.file", "spark.user.groups.mapping", "spark.security.credentials.hive.enabled", "spark.decommission.enabled",
		"spark.hadoop.fs.defaultFS", "spark.hadoop.fs.s3a.endpoint", "spark.hadoop.fs.s3a.aws.credentials.provider", "spark.hadoop.fs.s3a.impl",
		"spark.hadoop.hadoop.security.credential.provider.path", "spark.hadoop.hadoop.security.authentication", "spark.hadoop.yarn.resourcemanager.address",
		"spark.hadoop.hive.metastore.uris", "spark.hive.metastore.uris", "spark.hadoop.javax.jdo.option.ConnectionURL", "spark.app.id",
		"spark.app.initial.jar.urls", "spark.livy.proxyUser", "livy.rsc.jars", "spark.jar", "spark", "spark.", "spark.sql.", "spark.sql.unheard.of",
	} {
		if strictNames.has(key) {
			t.Errorf("%s is on the list", key)
		}
	}
}

// TestStrictSettingsAreKnown: each line is a setting of Spark 3.5, or begins some,
// but for those of libraries and those that Spark reads without declaring them.
func TestStrictSettingsAreKnown(t *testing.T) {
	elsewhere := newNames("spark.sql.streaming.stateStore.rocksdb.", "spark.streaming.kafka.", "spark.shuffle.io.", "spark.python.profile", "spark.python.worker.memory", "spark.hadoop.", "spark.databricks.delta.", "spark.sql.iceberg.", "spark.job.", "spark.jobGroup.")
	var unknown []string
	for _, s := range StrictSettings() {
		prefix, wild := strings.CutSuffix(s.Key, "*")
		_, known := sparkconf.Lookup(s.Key)
		if wild {
			known = slices.ContainsFunc(sparkconf.Names(), func(name string) bool { return strings.HasPrefix(name, prefix) })
		}
		if !known && !elsewhere.has(prefix) && !elsewhere.has(s.Key) {
			unknown = append(unknown, s.Key)
		}
	}
	if len(unknown) > 0 {
		t.Errorf("not known to Spark 3.5:\n%s", strings.Join(unknown, "\n"))
	}
}

func TestCompileGrants(t *testing.T) {
	for _, c := range []struct {
		name     string
		settings Settings
		want     string // in the error; empty: there is none
	}{
		{"an unknown mode", Settings{Guards: Guards{Mode: "closed"}}, "policy: must be open or strict"},
		{"everything", Settings{Grants: []Grant{{GrantConf, "*", "policy.rules:1"}}}, "policy.rules:1: a lone *"},
		{"a star in the middle", Settings{Grants: []Grant{{GrantConf, "spark.*.x", "policy.rules:1"}}}, "policy.rules:1: a * is allowed at the end only"},
		{"a key with =", Settings{Grants: []Grant{{GrantConf, "spark.a=b", "policy.rules:1"}}}, "policy.rules:1: the key must not contain ="},
		{"a key of Livy", Settings{Grants: []Grant{{GrantConf, "livy.rsc.jars", "policy.rules:1"}}}, "policy.rules:1: cannot be allowed: it belongs to Livy"},
		{"a key of Spark itself", Settings{Grants: []Grant{{GrantConf, "spark.app.initial.jar.urls", ""}}}, "allow-conf: cannot be allowed: it is internal to Spark"},
		{"a class of Spark", Settings{Grants: []Grant{{GrantClass, "org.apache.spark.repl.Main", "policy.rules:2"}}}, "policy.rules:2: cannot be allowed"},
		{"all classes of Spark", Settings{Grants: []Grant{{GrantClass, "org.apache.spark.*", "policy.rules:2"}}}, "policy.rules:2: cannot be allowed"},
		{"every class", Settings{Grants: []Grant{{GrantClass, "*", "policy.rules:2"}}}, "policy.rules:2: must be the name of a class"},
		{"a scheme in capitals", Settings{Grants: []Grant{{GrantScheme, "HTTPS", "policy.rules:3"}}}, "policy.rules:3: must be a URI scheme"},
		{"local files", Settings{Grants: []Grant{{GrantScheme, "file", "policy.rules:3"}}}, "policy.rules:3: must be a URI scheme"},
		{"what is there already", Settings{Grants: []Grant{{GrantScheme, "hdfs", ""}, {GrantConf, "spark.app.name", ""}}}, ""},
		{"a blacklisted key", Settings{Blacklist: blacklist(t, "spark.x"), Grants: []Grant{{GrantConf, "spark.x", ""}}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Compile(c.settings)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

// blacklist reads the lines of a blacklist.
func blacklist(t testing.TB, text string) []Denied {
	t.Helper()
	list, err := ParseBlacklist(File{Text: text})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestGrantsLoseToTheBlacklist: and to internal keys below a granted beginning.
func TestGrantsLoseToTheBlacklist(t *testing.T) {
	p, err := Compile(Settings{
		Guards: Guards{Mode: ModeStrict}, Blacklist: blacklist(t, "spark.x.secret"),
		Grants: []Grant{{What: GrantConf, Name: "spark.x.*"}, {What: GrantConf, Name: "spark.app.*"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Create(livy.KindBatch, "", "", bytes.NewBufferString(`{"file":"hdfs:///a.py","conf":{"spark.x.a":"1","spark.x.secret":"2","spark.app.initial.file.urls":"3"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"file":"hdfs:///a.py","conf":{"spark.x.a":"1"}}`; string(r.Body) != want {
		t.Errorf("sent %s, want %s", r.Body, want)
	}
}

// TestEnvironmentMayUseWhatClientsMayNot: the guards are for clients.
func TestEnvironmentMayUseWhatClientsMayNot(t *testing.T) {
	p, err := Compile(Settings{
		Guards: Guards{Mode: ModeStrict}, Master: "yarn",
		Environment: &Environment{Name: "e", Env: map[string]string{"JAVA_HOME": "/opt/java"}, Conf: map[string]string{"spark.plugins": "com.example.P"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Create(livy.KindBatch, "", "", bytes.NewBufferString(`{"file":"hdfs:///a.py"}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(r.Body); !strings.Contains(got, `"spark.yarn.appMasterEnv.JAVA_HOME":"/opt/java"`) || !strings.Contains(got, "com.example.P") {
		t.Errorf("sent %s", got)
	}
}
