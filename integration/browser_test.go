package integration

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/require"
)

// browser is a headless Chromium with one page, told what to do by the DevTools
// protocol: JSON messages over two pipes, each ended by a zero byte.
type browser struct {
	t       testing.TB
	in      *os.File
	out     *os.File
	replies *bufio.Reader
	session string
	id      int
}

// browserProgram is the path of Chromium, "" where there is none.
func browserProgram() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// openBrowser starts a browser that has never been anywhere.
func openBrowser(t testing.TB) *browser {
	t.Helper()
	program := browserProgram()
	require.Need(t, require.Browser, program != "", "there is no chromium (apt-get install chromium)")
	ours, in, err := os.Pipe() // chromium reads file 3
	if err != nil {
		t.Fatal(err)
	}
	out, theirs, err := os.Pipe() // and writes file 4
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	cmd := exec.Command(program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe",
		"--window-size=1400,900", "--user-data-dir="+home+"/profile", "about:blank")
	cmd.Env = append(os.Environ(), "HOME="+home)
	cmd.ExtraFiles = []*os.File{ours, theirs}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = ours.Close()
	_ = theirs.Close()
	b := &browser{t: t, in: in, out: out, replies: bufio.NewReaderSize(out, 1<<20)}
	t.Cleanup(func() {
		b.session = ""
		b.call("Browser.close", nil, nil)
		_ = in.Close()
		_ = cmd.Wait()
		_ = out.Close()
	})
	var target struct{ TargetID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	return b
}

// call gives one command and waits for its result.
func (b *browser) call(method string, params, into any) {
	b.t.Helper()
	b.id++
	message := map[string]any{"id": b.id, "method": method}
	if params != nil {
		message["params"] = params
	}
	if b.session != "" {
		message["sessionId"] = b.session
	}
	if _, err := b.in.Write(append([]byte(asJSON(b.t, message)), 0)); err != nil {
		b.t.Fatalf("%s: %v", method, err)
	}
	_ = b.out.SetReadDeadline(time.Now().Add(time.Minute))
	for {
		text, err := b.replies.ReadBytes(0)
		if err != nil {
			b.t.Fatalf("%s: the browser says nothing: %v", method, err)
		}
		var reply struct {
			ID     int
			Error  json.RawMessage
			Result json.RawMessage
		}
		if err := json.Unmarshal(text[:len(text)-1], &reply); err != nil {
			b.t.Fatal(err)
		}
		if reply.ID != b.id {
			continue // an event
		}
		if reply.Error != nil {
			b.t.Fatalf("%s: %s", method, reply.Error)
		}
		if into != nil {
			if err := json.Unmarshal(reply.Result, into); err != nil {
				b.t.Fatalf("%s: %v", method, err)
			}
		}
		return
	}
}

// open goes to an address, through all redirects.
func (b *browser) open(url string) {
	b.t.Helper()
	var reply struct{ ErrorText string }
	b.call("Page.navigate", map[string]any{"url": url}, &reply)
	if reply.ErrorText != "" {
		b.t.Fatalf("%s: %s", url, reply.ErrorText)
	}
	b.await("the page being there", "document.readyState == 'complete'")
}

// eval runs JavaScript in the page.
func (b *browser) eval(expression string, into any) {
	b.t.Helper()
	var reply struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails json.RawMessage
	}
	b.call("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true}, &reply)
	if reply.ExceptionDetails != nil {
		b.t.Fatalf("%s: %s", expression, reply.ExceptionDetails)
	}
	if err := json.Unmarshal(reply.Result.Value, into); err != nil {
		b.t.Fatalf("%s: %v: %s", expression, err, reply.Result.Value)
	}
}

// text is what an expression is, as text.
func (b *browser) text(expression string) (text string) {
	b.t.Helper()
	b.eval("String("+expression+")", &text)
	return text
}

// await waits until an expression holds.
func (b *browser) await(what, expression string) {
	b.t.Helper()
	eventually(b.t, 30*time.Second, what, func() bool { return b.text("Boolean("+expression+")") == "true" })
}

// click follows the link in the page that a selector finds.
func (b *browser) click(selector string) {
	b.t.Helper()
	// A mark that the next page will not have.
	if b.text("(l => { if (l) { window.left = true; l.click() }; return l != null })(document.querySelector("+asJSON(b.t, selector)+"))") != "true" {
		b.t.Fatalf("no link %s in %s", selector, b.text("location.href"))
	}
	b.await("the page behind "+selector, "!window.left && document.readyState == 'complete'")
}

// webCookie is a cookie that the browser has.
type webCookie struct {
	Name, Domain, Path string
	HTTPOnly           bool
}

func (b *browser) cookies() []webCookie {
	b.t.Helper()
	var got struct{ Cookies []webCookie }
	b.call("Network.getAllCookies", nil, &got)
	return got.Cookies
}

// screenshot keeps a picture of the page with the test's artifacts.
func (b *browser) screenshot(name string) {
	b.t.Helper()
	var shot struct{ Data string }
	b.call("Page.captureScreenshot", map[string]any{"format": "png"}, &shot)
	picture, err := base64.StdEncoding.DecodeString(shot.Data)
	if err != nil || len(picture) < 1000 {
		b.t.Fatalf("no picture: %d bytes, %v", len(picture), err)
	}
	path := filepath.Join(b.t.ArtifactDir(), name+".png")
	if err := os.WriteFile(path, picture, 0o600); err != nil {
		b.t.Fatal(err)
	}
	b.t.Logf("%s: %s", path, b.text("document.title"))
}
