package project

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestUnit holds docs/livygateway.service to what keeps Livy servers alive, and has systemd check
// it where systemd is installed.
func TestUnit(t *testing.T) {
	unit := read(t, "docs/livygateway.service")
	page := read(t, "docs/systemd.md")
	for _, line := range []string{"Type=notify", "KillMode=process", "Delegate=yes", "LimitNPROC=infinity", "TasksMax=infinity"} {
		if !strings.Contains(unit, "\n"+line+"\n") {
			t.Errorf("the unit lacks %s", line)
		}
		if !strings.Contains(page, line) {
			t.Errorf("docs/systemd.md does not explain %s", line)
		}
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("systemd-analyze is not installed")
		return
	}
	file := filepath.Join(t.TempDir(), "livygateway.service")
	text := strings.ReplaceAll(unit, "/usr/local/bin/caddy", "/bin/true") // it must exist
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	// It also complains about other units of the machine.
	out, err := exec.Command(analyze, "verify", file).CombinedOutput()
	if err != nil || strings.Contains(string(out), "livygateway.service") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}
