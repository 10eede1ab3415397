package integration

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// notebook is a real PySpark kernel of sparkmagic that runs cells.
type notebook struct {
	t      testing.TB
	cells  io.WriteCloser
	output *bufio.Scanner
	cmd    *exec.Cmd
	stderr bytes.Buffer
	done   bool
}

// openNotebook starts a kernel that knows an endpoint and a token, which is the password
// of a user if one is named.
func openNotebook(t testing.TB, python, url, token string, user ...string) *notebook {
	t.Helper()
	n := &notebook{t: t}
	args := append([]string{filepath.Join(root, "integration", "clients", "sparkmagic_session.py"), url, token}, user...)
	n.cmd = exec.Command(python, args...)
	n.cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1", "HOME="+t.TempDir())
	n.cmd.Dir, n.cmd.Stderr = t.TempDir(), &n.stderr
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if n.cells, err = n.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	n.output = bufio.NewScanner(out)
	n.output.Buffer(nil, 16<<20)
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.close)
	return n
}

// run runs a cell and returns the text that a reader of the notebook sees of it.
func (n *notebook) run(cell string) string {
	n.t.Helper()
	if _, err := io.WriteString(n.cells, asJSON(n.t, cell)+"\n"); err != nil {
		n.t.Fatalf("the kernel: %v\n%s", err, n.stderr.String())
	}
	var text string
	if !n.output.Scan() {
		n.close()
		n.t.Fatalf("the kernel ended at cell %q:\n%s", cell, n.stderr.String())
	}
	if err := json.Unmarshal(n.output.Bytes(), &text); err != nil {
		n.t.Fatalf("cell %q: %v: %s", cell, err, n.output.Text())
	}
	return text
}

// close ends the kernel, as somebody does who closes the notebook.
func (n *notebook) close() {
	if n.done {
		return
	}
	n.done = true
	_ = n.cells.Close()
	_ = n.cmd.Wait()
}
