package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/require"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// How clients send the token, as the table in docs/clients.md has it.
const (
	byHeader   = "header"
	byPassword = "password"
	byURL      = "URL"
)

// TestClients runs clients that need neither a notebook nor a scheduler, all at once, with one
// Livy server. dbt has another one, with a warehouse.
func TestClients(t *testing.T) {
	l := oneLive(t)
	require.Need(t, require.Livy080, l.interactive, "this engine runs no interactive sessions")
	redis := storetest.StartServer(t)
	c := newCaddy(t, redis, l.livyBlock+warehouseBlock(t, l))
	livyConf, blacklist := filepath.Join(c.dir, "livy.conf"), filepath.Join(c.dir, "spark-blacklist.conf")
	write(t, livyConf, "livy.file.local-dir-whitelist = "+jobDir(l)+"/\n")
	write(t, blacklist, "spark.jars.ivy\n") // livyc sends one that is not there
	g := c.newGateway("etl", "--livy-conf", livyConf, "--spark-blacklist", blacklist, "--memory", "16Gi")
	if l.runtime == "docker" {
		copyJob(t, g)
	}
	url, token := c.url("etl"), c.newToken("etl").Token
	t.Run("all", func(t *testing.T) { // ends when all of them have ended
		t.Run("curl", func(t *testing.T) { t.Parallel(); runCurl(t, url, token, jobFile(l)) })
		t.Run("wget", func(t *testing.T) { t.Parallel(); runWget(t, url, token, jobFile(l)) })
		t.Run("pylivy", func(t *testing.T) { t.Parallel(); runPyLivy(t, url, token) })
		t.Run("livyc", func(t *testing.T) { t.Parallel(); runLivyC(t, url, token) })
		t.Run("dbt", func(t *testing.T) { t.Parallel(); runDBT(t, c) })
		t.Run("Java", func(t *testing.T) { t.Parallel(); runJava(t, url, token) })
		t.Run("Scala", func(t *testing.T) { t.Parallel(); runScala(t, url, token) })
	})
	assertNowhere(t, token, c, redis, g)
}

// loginURL is a gateway's address with the token as the password in it.
func loginURL(url, token string) string {
	return strings.Replace(url, "http://", "http://any:"+token+"@", 1)
}

// webProgram describes curl or wget as it is on this machine.
func webProgram(t testing.TB, name string) clientRun {
	t.Helper()
	out, err := exec.Command(name, "--version").Output()
	require.Need(t, require.Web, err == nil, "no "+name+" on the PATH")
	version := regexp.MustCompile(`\d[\d.]*\d`).FindString(string(out))
	return clientRun{Client: name, Version: version, Ran: "batch: create, poll, log", Result: "passed"}
}

// output runs a client, whose arguments may have the token in them.
func output(t testing.TB, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	var stderr strings.Builder
	cmd.Stderr, cmd.Dir = &stderr, t.TempDir()
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s\n%s", filepath.Base(program), err, out, stderr.String())
	}
	return string(out)
}

// runBatch submits a batch and follows it with a program that gets and posts.
func runBatch(t testing.TB, file string, get func(path string) string, post func(path, body string) string) {
	t.Helper()
	var b batch
	if out := post("/batches", asJSON(t, map[string]string{"file": file})); json.Unmarshal([]byte(out), &b) != nil {
		t.Fatalf("the reply to the create is %q", out)
	}
	path := fmt.Sprintf("/batches/%d", b.ID)
	eventually(t, 8*time.Minute, "the batch's end", func() bool {
		if out := get(path + "/state"); json.Unmarshal([]byte(out), &b) != nil {
			t.Fatalf("the reply to the poll is %q", out)
		}
		time.Sleep(time.Second)
		return b.State == "success" || b.State == "dead"
	})
	var log struct{ Log []string }
	if out := get(path + "/log?from=0&size=10000"); json.Unmarshal([]byte(out), &log) != nil || b.State != "success" {
		t.Fatalf("the batch ended %s: %s", b.State, out)
	}
	if s := readShown(t, strings.Join(log.Log, "\n")); s.Sum != 500500 {
		t.Errorf("Spark computed %d, want 500500", s.Sum)
	}
}

func runCurl(t *testing.T, url, token, file string) {
	run, started := webProgram(t, "curl"), time.Now()
	netrc := filepath.Join(t.TempDir(), "netrc")
	write(t, netrc, "machine 127.0.0.1 login any password "+token+"\n")
	for name, login := range map[string][]string{
		"-u": {"-u", "any:" + token}, "--anyauth": {"--anyauth", "-u", "any:" + token},
		"--oauth2-bearer": {"--oauth2-bearer", token}, "--netrc-file": {"--netrc-file", netrc},
	} {
		if out := output(t, "curl", append(login, "-sS", "--fail-with-body", url+"/sessions")...); !strings.Contains(out, `"sessions":[`) {
			t.Errorf("curl %s shows %q", name, out)
		}
	}
	header := []string{"-sS", "--fail-with-body", "-H", tokenHeader + ": " + token, "-H", "Content-Type: application/json"}
	runBatch(t, file,
		func(path string) string { return output(t, "curl", append(header, url+path)...) },
		func(path, body string) string { return output(t, "curl", append(header, "-d", body, url+path)...) })
	run.Login = byHeader
	run.ran(t, started)
}

func runWget(t *testing.T, url, token, file string) {
	run, started := webProgram(t, "wget"), time.Now()
	// It asks without the login first, and has to be asked for it.
	login := []string{"-qO-", "--user=any", "--password=" + token, "--header=Content-Type: application/json"}
	runBatch(t, file,
		func(path string) string { return output(t, "wget", append(login, url+path)...) },
		func(path, body string) string {
			return output(t, "wget", append(login, "--post-data="+body, url+path)...)
		})
	run.Login = byPassword
	run.ran(t, started)
}

func runPyLivy(t *testing.T, url, token string) {
	python, started := clientPython(t, "python"), time.Now()
	out := output(t, python, filepath.Join(root, "integration", "clients", "python_clients.py"), "pylivy", url, token)
	if got, want := strings.Fields(out), "5050 downloaded 5050 uploaded 3"; strings.Join(got, " ") != want {
		t.Errorf("pylivy shows %q, want %q", got, want)
	}
	run := pinned(t, "pylivy", "python.txt", "livy")
	run.Login, run.Ran = byPassword, "session: code, data down and up"
	run.ran(t, started)
}

func runLivyC(t *testing.T, url, token string) {
	python, started := clientPython(t, "python"), time.Now()
	out := output(t, python, filepath.Join(root, "integration", "clients", "python_clients.py"), "livyc", url, token)
	if strings.TrimSpace(out) != "5050" {
		t.Errorf("livyc shows %q, want 5050", out)
	}
	run := pinned(t, "livyc", "python.txt", "livyc")
	run.Login, run.Ran = byURL, "session: script, a variable read"
	run.ran(t, started)
}
