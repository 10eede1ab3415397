package integration

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestExamplesOfTheAPI runs the shell commands of docs/api.md as they stand there.
func TestExamplesOfTheAPI(t *testing.T) {
	text, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```sh\n")
	script, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("docs/api.md has no examples")
	}
	c, _, _ := newFake(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-euxo", "pipefail", "-c", script)
	cmd.Env = append(os.Environ(), "LIVY=http://"+c.admin+"/livy")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("the examples: %v\n%s", err, out)
	}
	for _, want := range []string{`"name":"demo"`, `"token":"lgw_`, `"isolated":true`, "day,gateway,token", "gateway.create"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the examples do not show %s:\n%s", want, out)
		}
	}
}
