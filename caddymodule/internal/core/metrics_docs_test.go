package core_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/internal/golden"
)

// TestDocs writes the list of metrics in docs/metrics.md, with the flag -update.
func TestDocs(t *testing.T) {
	var b strings.Builder
	for _, m := range core.Metrics() {
		labels := ""
		if len(m.Labels) > 0 {
			labels = " by `" + strings.Join(m.Labels, "`, `") + "`"
		}
		fmt.Fprintf(&b, "\n### %s\n\n%s", m.Name,
			golden.Wrap(strings.ToUpper(m.Type[:1])+m.Type[1:]+labels+". "+m.Help, "", ""))
	}
	golden.Part(t, filepath.Join("..", "..", "..", "docs", "metrics.md"),
		"<!-- generated from the code by: go test ./caddymodule/internal/core -run TestDocs -update -->",
		"<!-- end of the generated list -->", b.String()+"\n")
}
