package integration

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/chromedp"

	"github.com/livygateway/livygateway/internal/require"
)

// browser is a headless Chromium with one page.
type browser struct {
	t    testing.TB
	page context.Context
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

// openBrowser starts a browser that has never been anywhere; it ends with the test.
func openBrowser(t testing.TB) *browser {
	t.Helper()
	program := browserProgram()
	require.Need(t, require.Browser, program != "", "there is no chromium (apt-get install chromium)")
	home := t.TempDir()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(1400, 900),
		chromedp.Env("HOME="+home), chromedp.UserDataDir(filepath.Join(home, "profile")))
	allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
	page, leave := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		if err := chromedp.Cancel(page); err != nil {
			t.Logf("closing the browser: %v", err)
		}
		leave()
		end()
	})
	if err := chromedp.Do(page); err != nil { // without a time limit, which would end the browser too
		t.Fatalf("starting %s: %v", program, err)
	}
	return &browser{t: t, page: page}
}

// inPage does something in the page of a browser.
func inPage[T any](b *browser, what string, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.page, time.Minute)
	defer cancel()
	result, err := chromedp.Run(ctx, action)
	if err != nil {
		b.t.Fatalf("%s: %v", what, err)
	}
	return result
}

// open goes to an address, through all redirects, and waits until the page is there.
func (b *browser) open(url string) {
	b.t.Helper()
	inPage(b, url, chromedp.Navigate(url))
}

// eval runs JavaScript in the page, and waits for what it promises.
func (b *browser) eval(expression string, into any) {
	b.t.Helper()
	text := inPage(b, expression, chromedp.Evaluate[[]byte](expression, chromedp.EvalAwaitPromise))
	if err := json.Unmarshal(text, into); err != nil {
		b.t.Fatalf("%s: %v: %s", expression, err, text)
	}
}

// text is what an expression is, as text.
func (b *browser) text(expression string) string {
	b.t.Helper()
	return inPage(b, expression, chromedp.Evaluate[string]("String("+expression+")"))
}

// await waits until an expression holds.
func (b *browser) await(what, expression string) {
	b.t.Helper()
	inPage(b, what, chromedp.Poll[chromedp.Void](expression))
}

// click follows the link in the page that a selector finds.
func (b *browser) click(selector string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.page, time.Minute)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, chromedp.Click(chromedp.CSS(selector))); err != nil {
		b.t.Fatalf("the link %s in %s: %v", selector, b.text("location.href"), err)
	}
}

// cookies are all that the browser has, of whatever path.
func (b *browser) cookies() []*network.Cookie {
	b.t.Helper()
	all, err := chromedp.Call(b.page, storage.GetCookies, storage.GetCookiesParams{})
	if err != nil {
		b.t.Fatalf("reading the cookies: %v", err)
	}
	return all.Cookies
}

// screenshot keeps a picture of the page with the test's artifacts.
func (b *browser) screenshot(name string) {
	b.t.Helper()
	picture := inPage(b, "a picture", chromedp.CaptureScreenshot())
	path := filepath.Join(b.t.ArtifactDir(), name+".png")
	if err := os.WriteFile(path, picture, 0o600); err != nil {
		b.t.Fatal(err)
	}
	b.t.Logf("%s: %s (%d bytes)", path, b.text("document.title"), len(picture))
}
