package policies

import (
	"strings"
	"testing"

	"github.com/livygateway/livygateway/livy"
)

func TestSmoke(t *testing.T) {
	p, err := Compile(Settings{
		Queue: "etl", Identity: "alice",
		Blacklist: File{Text: "# x\nspark.executor.memory\nspark.sql.*\n"},
		Rules:     []Rule{{Key: "numExecutors", Max: "10", Action: Lower}},
		Mounts:    &Mounts{Directories: []string{"d"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Create(livy.KindBatch, "", "application/json", strings.NewReader(`{"file":"hdfs:///x.py","executorMemory":"9g","numExecutors":"50","queue":"other","conf":{"spark.yarn.queue":"q","spark.sql.x":1,"livy.uri":"http://x","spark.dynamicAllocation.enabled":true}}`))
	t.Logf("%s\n%+v\n%+v\n%v\n%s | %s", r.Body, r.Report, r.Effective, err, r.Report.IgnoredHeader(), r.Report.ForcedHeader())
	if err != nil {
		t.Fatal(err)
	}
}
