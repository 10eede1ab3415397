package integration

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/require"
)

// schemathesisConfig leads half of the requests to things that exist. What is left
// out of the checks: that data which fits the schema is accepted, since it may name
// an engine or a queue that the catalog lacks, or conf files with errors in them.
const schemathesisConfig = `
[checks]
positive_data_acceptance.enabled = false
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 409, 412, 413, 415, "5xx"]

[parameters]
"path.workspace" = "default"
"path.gateway" = "etl"
"path.token" = "%s"
"path.record" = "batch:0"

# It is a stream without an end. internal/events and internal/api test it.
[[operations]]
include-operation-id = ["followEvents"]
enabled = false

# Not the gateway and the token that the others need.
[[operations]]
include-operation-id = ["deleteGateway"]
[operations.parameters]
"path.gateway" = "other"

[[operations]]
include-operation-id = ["revokeToken"]
[operations.parameters]
"path.token" = "%s"
`

// TestTheDocumentIsTrue lets schemathesis ask everything that openapi.json describes,
// rightly and wrongly: there is no server error, no answer that is not described, and
// no reply of another form.
func TestTheDocumentIsTrue(t *testing.T) {
	python := clientPython(t, require.OpenAPI)
	c, _, _ := newFake(t)
	c.newGateway("other")
	tok, doomed := c.newToken("etl"), c.newToken("etl")
	cl := client{t, c.url("etl"), tok.Token}
	cl.expect(http.StatusCreated, "POST", "/batches", map[string]any{"file": "hdfs:///job.py"}, nil)
	cl.expect(http.StatusCreated, "POST", "/sessions", map[string]any{"kind": "pyspark"}, nil)

	config := filepath.Join(c.dir, "schemathesis.toml")
	if err := os.WriteFile(config, fmt.Appendf(nil, schemathesisConfig, tok.ID, doomed.ID), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(filepath.Dir(python), "schemathesis"),
		"--config-file", config, "run", "http://"+c.admin+"/livy/v1/openapi.json",
		"--url", "http://"+c.admin+"/livy",
		"--phases", "examples,coverage,fuzzing", "--max-examples", examples(), "--generation-deterministic",
		"--continue-on-failure", "--no-shrink", "--warnings", "off", "--suppress-health-check", "all", "--request-timeout", "30")
	cmd.Dir = c.dir
	began := time.Now()
	out, err := cmd.CombinedOutput()
	t.Logf("schemathesis took %.0f s", time.Since(began).Seconds())
	if err != nil {
		t.Errorf("schemathesis: %v\n%s", err, out)
	} else {
		t.Logf("%s", out)
	}
}

// examples is how many requests of each kind schemathesis makes up for a call;
// LIVYGW_EXAMPLES asks for more.
func examples() string {
	if n := os.Getenv("LIVYGW_EXAMPLES"); n != "" {
		return n
	}
	return "20"
}
