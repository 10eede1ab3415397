package policies_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/policies"
)

func TestReportNamesRuleAndPlace(t *testing.T) {
	black, err := policies.ParseBlacklist(policies.File{Name: "black.conf", Text: "# one\nspark.executor.memory\n"})
	if err != nil {
		t.Fatal(err)
	}
	p, err := policies.Compile(policies.Settings{
		Blacklist:   black,
		Queue:       "etl",
		Environment: &policies.Environment{Name: "analytics", Conf: map[string]string{"spark.a": "1"}},
		Rules:       []policies.Rule{{Key: "driverMemory", Max: "4g", Action: policies.Lower, Source: "Caddyfile:42"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Create(livy.KindBatch, "", "", strings.NewReader(
		`{"file":"hdfs:///x","executorMemory":"9g","queue":"mine","driverMemory":"8g","conf":{"livy.uri":"http://x","spark.a":"2"}}`))
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%+v", r.Report)
	want := `{Ignored:[` +
		`{Key:executorMemory Given:9g Set: Rule:another way to set spark.executor.memory: blacklisted Source:black.conf:2 Quiet:false} ` +
		`{Key:livy.uri Given:http://x Set: Rule:belongs to Livy and the gateway Source:built-in Quiet:true}] Forced:[` +
		`{Key:queue Given:mine Set:etl Rule:the gateway's queue Source:gateway queue Quiet:false} ` +
		`{Key:spark.a Given:2 Set:1 Rule:the gateway's environment Source:environment analytics Quiet:false}] Lowered:[` +
		`{Key:driverMemory Given:8g Set:4g Rule:must be at most 4g Source:Caddyfile:42 Quiet:false}] Noted:[] Refused:[]}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if h := r.Report.IgnoredHeader(); h != "executorMemory" {
		t.Error(h)
	}
	if h := r.Report.ForcedHeader(); h != "queue, spark.a, driverMemory" {
		t.Error(h)
	}
}

func TestRefusalsAreInTheReport(t *testing.T) {
	p, err := policies.Compile(policies.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	for body, key := range map[string]string{
		`{"file":"file:/etc/passwd"}`:             "file",
		`{"file":"hdfs:///x","conf":{"a=b":"c"}}`: "conf key a=b",
		`{"file":`:   "body",
		`{"kind":1}`: "kind",
	} {
		r, err := p.Create(livy.KindBatch, "", "", strings.NewReader(body))
		if err == nil || len(r.Report.Refused) != 1 || r.Report.Refused[0].Key != key || r.Report.Refused[0].Rule == "" || r.Body != nil {
			t.Errorf("%s: %+v, %v", body, r, err)
		}
	}
}

func TestHeadersStayShort(t *testing.T) {
	var r policies.Report
	for i := range 500 {
		r.Ignored = append(r.Ignored, policies.Entry{Key: fmt.Sprintf("spark.some.setting.number%d", i)})
	}
	if h := r.IgnoredHeader(); len(h) > 1200 || !strings.HasSuffix(h, " more") {
		t.Errorf("%d bytes, ending in %q", len(h), h[len(h)-20:])
	}
	if h := r.ForcedHeader(); h != "" {
		t.Error(h)
	}
}

func TestRedact(t *testing.T) {
	for _, c := range []struct {
		key, value string
		hidden     bool
	}{
		{"spark.executor.memory", "4g", false},
		{"spark.ssl.keyPassword", "x", true},
		{"spark.hadoop.fs.s3a.secret.key", "x", true},
		{"spark.hadoop.fs.s3a.access.key", "x", true},
		{"spark.hadoop.fs.s3a.AccessKey", "x", true},
		{"spark.app.TOKEN", "x", true},
		{"spark.driver.extraJavaOptions", "-Ddb.password=x", true},
		{"spark.jars", "https://me:pw@host/x.jar", true},
		{"spark.jars", "https://host/x@1.jar", false},
		{"spark.jars", "hdfs:///a,https://me@host/x.jar", true},
		{"args", "--secret x", true},
		{"spark.acces", "tok", false},
	} {
		if got := policies.Redact(c.key, c.value); (got != c.value) != c.hidden {
			t.Errorf("%s=%s is shown as %s", c.key, c.value, got)
		}
	}
}
