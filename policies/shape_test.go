package policies_test

import (
	"encoding/json"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/policies"
)

// shapeOf rules a create of a session and returns the result and its shape.
func shapeOf(t *testing.T, p *policies.Policy, body string) (policies.Result, string) {
	t.Helper()
	r, err := p.Create(livy.KindSession, "", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	shape, err := r.Shape(map[string]string{"spark.ui.proxyBase": "/ui/" + r.Effective.Name})
	if err != nil || shape == "" {
		t.Fatalf("%s: shape %q, %v", body, shape, err)
	}
	return r, shape
}

func TestShape(t *testing.T) {
	defaults := map[string]string{"spark.driver.memory": "2g", "spark.executor.cores": "2"}
	for name, test := range map[string]struct {
		a, b string
		same bool
	}{
		"nothing":                    {`{}`, `{}`, true},
		"name":                       {`{"name":"a"}`, `{"name":"b"}`, true},
		"name and none":              {`{"name":"a"}`, `{}`, true},
		"app name":                   {`{"conf":{"spark.app.name":"a"}}`, `{}`, true},
		"kind left out":              {`{"kind":"shared"}`, `{}`, true},
		"kind of another name":       {`{"kind":"python"}`, `{"kind":"pyspark"}`, true},
		"kind":                       {`{"kind":"spark"}`, `{"kind":"pyspark"}`, false},
		"memory in another unit":     {`{"driverMemory":"3g"}`, `{"driverMemory":"3072m"}`, true},
		"memory in capitals":         {`{"driverMemory":"3G"}`, `{"driverMemory":"3g"}`, true},
		"memory as a setting":        {`{"driverMemory":"3g"}`, `{"conf":{"spark.driver.memory":"3g"}}`, true},
		"memory of the defaults":     {`{"driverMemory":"2g"}`, `{}`, true},
		"memory":                     {`{"driverMemory":"3g"}`, `{}`, false},
		"executor memory":            {`{"executorMemory":"1g"}`, `{}`, true},
		"other executor memory":      {`{"executorMemory":"1025m"}`, `{}`, false},
		"driver cores":               {`{"driverCores":1}`, `{"conf":{"spark.driver.cores":"1"}}`, true},
		"other driver cores":         {`{"driverCores":2}`, `{}`, false},
		"executor cores":             {`{"executorCores":2}`, `{}`, true},
		"other executor cores":       {`{"executorCores":3}`, `{}`, false},
		"executors":                  {`{"numExecutors":3}`, `{"conf":{"spark.executor.instances":"3"}}`, true},
		"other executors":            {`{"numExecutors":3}`, `{"numExecutors":4}`, false},
		"queue":                      {`{"queue":"a"}`, `{"conf":{"spark.yarn.queue":"a"}}`, true},
		"other queue":                {`{"queue":"a"}`, `{"queue":"b"}`, false},
		"user":                       {`{"proxyUser":"ann"}`, `{"proxyUser":"bob"}`, false},
		"jars":                       {`{"jars":["hdfs:///a.jar"]}`, `{}`, false},
		"order of jars":              {`{"jars":["hdfs:///a.jar","hdfs:///b.jar"]}`, `{"jars":["hdfs:///b.jar","hdfs:///a.jar"]}`, false},
		"files":                      {`{"files":["hdfs:///a"]}`, `{"archives":["hdfs:///a"]}`, false},
		"heartbeat":                  {`{"heartbeatTimeoutInSecond":60}`, `{}`, false},
		"ttl":                        {`{"ttl":"1h"}`, `{"ttl":"60m"}`, false},
		"conf":                       {`{"conf":{"spark.x":"1"}}`, `{"conf":{"spark.x":"2"}}`, false},
		"conf left out":              {`{"conf":{"spark.x":"1"}}`, `{}`, false},
		"order of conf":              {`{"conf":{"spark.x":"1","spark.y":"2"}}`, `{"conf":{"spark.y":"2","spark.x":"1"}}`, true},
		"spaces and order of fields": {`{"kind":"spark","driverMemory":"3g"}`, "{ \"driverMemory\" : \"3g\",\n\"kind\":\"spark\"}", true},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := policies.Compile(policies.Settings{SparkDefaults: defaults, Master: "yarn", LivyVersion: "0.8.0", Guards: policies.Guards{ClientIdentity: true}})
			if err != nil {
				t.Fatal(err)
			}
			if _, a := shapeOf(t, p, test.a); true {
				if _, b := shapeOf(t, p, test.b); (a == b) != test.same {
					t.Errorf("%s and %s: the same shape is %v, want %v", test.a, test.b, a == b, test.same)
				}
			}
		})
	}
}

// TestShapeNeedsAClearSize: a size that cannot be read is compared with nothing.
func TestShapeNeedsAClearSize(t *testing.T) {
	p, err := policies.Compile(policies.Settings{SparkDefaults: map[string]string{"spark.driver.memory": "much"}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Create(livy.KindSession, "", "", strings.NewReader(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	if shape, err := r.Shape(nil); shape != "" || err != nil {
		t.Errorf("%q, %v", shape, err)
	}
}

func TestShownDifferently(t *testing.T) {
	p, err := policies.Compile(policies.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	r, _ := shapeOf(t, p, `{"name":"mine","executorCores":1,"conf":{"spark.driver.memory":"1g","spark.x":"y"}}`)
	members, conf, notConf, err := r.ShownDifferently([]byte(
		`{"id":3,"name":"livy-1","driverMemory":"1024m","driverCores":1,"executorCores":1,"queue":null,"conf":{"spark.x":"y","spark.executor.memory":"1g"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := map[string]string{"name": string(members["name"]), "driverMemory": string(members["driverMemory"]), "driverCores": string(members["driverCores"])}; len(members) != 3 || got["name"] != `"mine"` || got["driverMemory"] != "null" || got["driverCores"] != "0" {
		t.Errorf("members %v", got)
	}
	if !maps.Equal(conf, map[string]string{"spark.driver.memory": "1g"}) || !reflect.DeepEqual(notConf, []string{"spark.executor.memory"}) {
		t.Errorf("conf %v, not %v", conf, notConf)
	}
	if _, conf, notConf, err := r.ShownDifferently([]byte(`{"name":"livy-1"}`)); err != nil || len(conf)+len(notConf) > 0 {
		t.Errorf("Livy without conf: %v, %v, %v", conf, notConf, err)
	}
}

// TestAsked: what a record tells of a session has the shape of its create.
func TestAsked(t *testing.T) {
	base := policies.Settings{LivyVersion: "0.8.0", Master: "yarn"}
	env := &policies.Environment{
		Name: "e", Jars: []string{"hdfs:///env.jar"}, Archives: []string{"hdfs:///env.zip"}, Conf: map[string]string{"spark.env": "1"},
	}
	for name, test := range map[string]struct {
		change func(*policies.Settings)
		body   string
		traced bool
		no     bool
	}{
		"nothing":   {body: `{}`},
		"all":       {body: `{"kind":"python","driverMemory":"2g","driverCores":2,"executorMemory":"2g","executorCores":2,"numExecutors":3,"queue":"q","heartbeatTimeoutInSecond":60,"ttl":"1h","jars":["hdfs:///a.jar"],"pyFiles":["hdfs:///a.py"],"files":["hdfs:///f"],"archives":["hdfs:///z.zip"],"conf":{"spark.x":"1"}}`},
		"sizes":     {body: `{"conf":{"spark.driver.memory":"3072m","spark.executor.instances":"4","spark.app.name":"mine"}}`},
		"queue":     {change: func(s *policies.Settings) { s.Queue = "etl" }, body: `{"queue":"other"}`},
		"defaults":  {change: func(s *policies.Settings) { s.SparkDefaults = map[string]string{"spark.driver.memory": "8g"} }, body: `{}`},
		"env":       {change: func(s *policies.Settings) { s.Environment = env }, body: `{"jars":["hdfs:///a.jar"],"conf":{"spark.env":"2"}}`},
		"mounts":    {change: func(s *policies.Settings) { s.Mounts = &policies.Mounts{Directories: []string{"nas"}} }, body: `{"driverMemory":"4g"}`},
		"labels":    {change: func(s *policies.Settings) { s.Labels = map[string]string{"team": "x"} }, body: `{"conf":{"spark.yarn.tags":"mine"}}`},
		"secret":    {body: `{"conf":{"spark.my.password":"hunter2"}}`, no: true},
		"secret in": {body: `{"jars":["https://ann:hunter2@host/a.jar"]}`, no: true},
		"traced":    {body: `{}`, traced: true, no: true},
	} {
		t.Run(name, func(t *testing.T) {
			settings := base
			if test.change != nil {
				test.change(&settings)
			}
			p, err := policies.Compile(settings)
			if err != nil {
				t.Fatal(err)
			}
			r, shape := shapeOf(t, p, test.body)
			if test.traced {
				if err := r.Complete("livy-1", p.TraceConf("00-1-2-01")); err != nil {
					t.Fatal(err)
				}
			}
			resources, _ := json.Marshal(&r.Effective)
			report, _ := json.Marshal(r.Report)
			w, ok := policies.Asked(resources, report)
			if ok == test.no {
				t.Fatalf("%+v, %v from %s", w, ok, resources)
			}
			if test.no {
				return
			}
			body, err := w.Request("livy-1")
			if err != nil {
				t.Fatal(err)
			}
			if _, again := shapeOf(t, p, string(body)); again != shape {
				t.Errorf("%s has another shape than %s; its record has %s", body, test.body, resources)
			}
		})
	}
	for _, bad := range []string{`{"driverMemory":"1g","executorMemory":"1g"}`, `{"kind":"spark"}`, `nothing`} {
		if w, ok := policies.Asked([]byte(bad), []byte(`{}`)); ok {
			t.Errorf("%s: %+v", bad, w)
		}
	}
}
