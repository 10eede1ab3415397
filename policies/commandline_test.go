package policies_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/policies"
)

// TestCommandLines: Linux passes at most 128 KiB to a program in one argument, its end
// included, and Livy answers 500 to what is longer.
func TestCommandLines(t *testing.T) {
	p, err := policies.Compile(policies.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	text := func(n int) string { return strings.Repeat("x", n) }
	for name, tt := range map[string]struct {
		kind livy.Kind
		body map[string]any
		says string // empty: it passes
	}{
		"the longest argument":     {livy.KindBatch, map[string]any{"file": "hdfs:///a", "args": []string{"a", text(131071)}}, ""},
		"one more":                 {livy.KindBatch, map[string]any{"file": "hdfs:///a", "args": []string{"a", text(131072)}}, `args: each argument must have at most 131071 bytes, as any argument of a program on Linux; put it into a file (got "131072 bytes")`},
		"many short ones":          {livy.KindBatch, map[string]any{"file": "hdfs:///a", "args": []string{text(100000), text(100000)}}, ""},
		"a setting of a batch":     {livy.KindBatch, map[string]any{"file": "hdfs:///a", "conf": map[string]string{"spark.x": text(131064)}}, `spark.x: key and value together must have at most 131071 bytes`},
		"a setting that just fits": {livy.KindBatch, map[string]any{"file": "hdfs:///a", "conf": map[string]string{"spark.x": text(131063)}}, ""},
		"a setting of a session":   {livy.KindSession, map[string]any{"conf": map[string]string{"spark.x": text(200000)}}, ""},
		"a list":                   {livy.KindBatch, map[string]any{"file": "hdfs:///a", "jars": []string{"hdfs:///" + text(70000), "hdfs:///" + text(70000)}}, "jars: it must have at most"},
	} {
		body, err := json.Marshal(tt.body)
		if err != nil {
			t.Fatal(err)
		}
		r, err := p.Create(tt.kind, "", "", strings.NewReader(string(body)))
		if tt.says == "" && err != nil || tt.says != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.says) || len(r.Report.Refused) != 1) {
			t.Errorf("%s: %.300v, want %q", name, err, tt.says)
		}
	}
}
