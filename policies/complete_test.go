package policies_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/policies"
)

func TestCompleteNamesAndSets(t *testing.T) {
	p, err := policies.Compile(policies.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]struct{ name, given string }{
		`{"kind":"pyspark"}`:                                 {"made-up", ""},
		`{"kind":"pyspark","name":"mine"}`:                   {"mine", ""},
		`{"conf":{"spark.x":"1","spark.ui.proxyBase":"/y"}}`: {"made-up", "/y"},
	} {
		r, err := p.Create(livy.KindSession, "", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Complete("made-up", map[string]string{"spark.ui.proxyBase": "/a"}); err != nil {
			t.Fatal(err)
		}
		var sent struct {
			Name string
			Conf map[string]string
		}
		if err := json.Unmarshal(r.Body, &sent); err != nil {
			t.Fatal(err)
		}
		if sent.Name != want.name || r.Effective.Name != want.name || sent.Conf["spark.ui.proxyBase"] != "/a" {
			t.Errorf("%s became %s", body, r.Body)
		}
		last := r.Report.Forced[len(r.Report.Forced)-1]
		if last.Given != want.given || last.Quiet != (want.given == "") {
			t.Errorf("%s: report %+v", body, last)
		}
		if strings.Contains(body, "spark.x") && sent.Conf["spark.x"] != "1" {
			t.Errorf("a setting was lost: %s", r.Body)
		}
	}
}

func TestTakes(t *testing.T) {
	e := policies.Effective{
		DriverMemory: "2g", DriverCores: 1, ExecutorMemory: "1g", ExecutorCores: 2, NumExecutors: 3,
		MountCost: &policies.Cost{MilliCPU: 300, MemoryBytes: 1 << 30},
	}
	for master, want := range map[string][2]int64{"local[*]": {1300, 3072}, "yarn": {7300, 6144}} {
		p, err := policies.Compile(policies.Settings{Master: master})
		if err != nil {
			t.Fatal(err)
		}
		if cpu, memory := p.Takes(&e); cpu != want[0] || memory != want[1] {
			t.Errorf("%s: %d, %d; want %v", master, cpu, memory, want)
		}
	}
}

// A driver beside Livy is counted with what its gateway has, and noted if that is less than it
// asks for.
func TestDriversLargerThanTheirGateway(t *testing.T) {
	const gib = 1 << 30
	for name, tt := range map[string]struct {
		server         int64
		body, defaults string
		memory         int64
		noted          string
	}{
		"fits":               {4 * gib, `{"driverMemory":"4g"}`, "", 4096, ""},
		"too large":          {4 * gib, `{"driverMemory":"30g"}`, "", 4096, "driverMemory"},
		"under another name": {4 * gib, `{"conf":{"spark.driver.memory":"30g"}}`, "", 4096, "spark.driver.memory"},
		"by default":         {4 * gib, `{}`, "30g", 4096, "spark.driver.memory"},
		"on a cluster":       {0, `{"driverMemory":"30g"}`, "", 30720, ""},
	} {
		set := policies.Settings{ServerMemory: tt.server, SparkDefaults: map[string]string{"spark.driver.memory": tt.defaults}}
		p, err := policies.Compile(set)
		if err != nil {
			t.Fatal(err)
		}
		r, err := p.Create(livy.KindSession, "", "application/json", strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		if _, memory := p.Takes(&r.Effective); memory != tt.memory {
			t.Errorf("%s: takes %d MiB, want %d", name, memory, tt.memory)
		}
		var noted string
		for _, e := range r.Report.Noted {
			noted = e.Key
			if !strings.Contains(e.Rule, "the gateway's 4 GiB") || e.Given != "30g" {
				t.Errorf("%s: %+v", name, e)
			}
		}
		if noted != tt.noted {
			t.Errorf("%s: noted %q, want %q", name, noted, tt.noted)
		}
	}
}

// What no job can have must not spoil the sums of usage.
func TestTakesNothingSenseless(t *testing.T) {
	p, err := policies.Compile(policies.Settings{Master: "yarn"})
	if err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string][2]int64{
		`{"numExecutors":-2147483648,"executorCores":1000,"executorMemory":"1000t"}`: {1000, 1024},
		`{"numExecutors":2147483647,"executorCores":2147483647,"executorMemory":"8000p","driverCores":2147483647,"driverMemory":"8000p"}`: {
			1_000_000_000, 1_000_000_000,
		},
	} {
		r, err := p.Create(livy.KindSession, "", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if cpu, memory := p.Takes(&r.Effective); cpu != want[0] || memory != want[1] {
			t.Errorf("%s takes %d thousandths of a core and %d MiB, want %v", body, cpu, memory, want)
		}
	}
}
