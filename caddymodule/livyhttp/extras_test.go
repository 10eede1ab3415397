package livyhttp_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy/livytest"
)

// logged is what a reply has of logs.
type logged struct {
	ID, From, Total int64
	Log             []string
	Conf            map[string]string
	ExecutorCores   int
	Sessions        []logged
}

func logOf(t *testing.T, r caddytest.Reply) (l logged) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.Text), &l); err != nil || r.StatusCode >= 300 {
		t.Fatalf("%d %s: %v", r.StatusCode, r.Text, err)
	}
	return l
}

// TestIgnoredInLogs shows what was ignored to people who see no headers: notebooks and Airflow.
func TestIgnoredInLogs(t *testing.T) {
	double := livytest.New()
	double.Manual = true
	s := caddytest.New(t, double)
	s.Respecify(func(spec *gateway.Spec) {
		spec.SparkBlacklist = "# more\nspark.executor.memory\nspark.sql.shuffle.partitions\n"
		spec.PolicyRules = "max spark.executor.cores 4 lower\n"
	})
	const create = `{"file":"local:/data/a.py","conf":{"spark.sql.shuffle.partitions":"9","spark.executor.cores":"16","spark.a":"1"}}`
	lines := []string{
		"Livy Gateway ignored spark.sql.shuffle.partitions: spark-blacklist.conf, line 3",
		"Livy Gateway set spark.executor.cores to 4 instead of 16: policy.rules, line 1",
	}
	for collection, body := range map[string]string{
		"sessions": strings.Replace(create, `"file":"local:/data/a.py",`, "", 1), "batches": create,
	} {
		at := "/" + collection
		made := logOf(t, s.Do("POST", at, body, headerRepeat+": a"))
		s.Do("POST", at, strings.Replace(body, `"spark.sql.shuffle.partitions":"9","spark.executor.cores":"16",`, "", 1))
		theirs := []string{"stdout: ", "\nstderr: "}
		all := slices.Concat(lines, theirs)
		one := at + "/" + fmt.Sprint(made.ID)
		for what, got := range map[string]logged{
			"the create":          made,
			"the create repeated": logOf(t, s.Do("POST", at, body, headerRepeat+": a")),
			"the object":          logOf(t, s.Do("GET", one, "")),
			"the list":            logOf(t, s.Do("GET", at, "")).Sessions[0],
			"the log":             logOf(t, s.Do("GET", one+"/log", "")),
		} {
			if !slices.Equal(got.Log, all) {
				t.Errorf("%s: %s has the log %q, want %q", at, what, got.Log, all)
			}
		}
		for query, want := range map[string]logged{
			"":                  {From: 0, Log: all},
			"?from=0":           {From: 0, Log: all},
			"?from=0&size=1":    {From: 0, Log: all[:1]},
			"?from=1&size=2":    {From: 1, Log: all[1:3]},
			"?from=3&size=100":  {From: 3, Log: all[3:]},
			"?size=3":           {From: 1, Log: all[1:]},
			"?from=-1&size=1":   {From: 3, Log: all[3:]},
			"?size=-1":          {From: 0, Log: all},
			"?from=100&size=10": {From: 100},
		} {
			got := logOf(t, s.Do("GET", one+"/log"+query, ""))
			if got.From != want.From || got.Total != 4 || !slices.Equal(got.Log, want.Log) || got.ID != made.ID {
				t.Errorf("%s/log%s: %+v, want from %d and %q", one, query, got, want.From, want.Log)
			}
		}
		other := at + "/1"
		if got := logOf(t, s.Do("GET", other+"/log", "")); got.Total != 2 || !slices.Equal(got.Log, theirs) {
			t.Errorf("%s, of which nothing was ignored: %+v", other, got)
		}
		if got := logOf(t, s.Do("GET", at, "")).Sessions[1]; !slices.Equal(got.Log, theirs) {
			t.Errorf("%s in the list: %+v", other, got)
		}
		if r := s.Do("HEAD", one+"/log", ""); r.StatusCode != 200 || r.Text != "" {
			t.Errorf("HEAD: %d %q", r.StatusCode, r.Text)
		}
	}
	got := logOf(t, s.Do("GET", "/sessions/0", ""))
	if got.ExecutorCores != 4 || got.Conf["spark.a"] != "1" || got.Conf["spark.sql.shuffle.partitions"] != "" {
		t.Errorf("%+v, which is not what is in force", got)
	}
}
