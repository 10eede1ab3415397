package integration

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/require"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// consoleWorld is a Caddy with the console on a site of its own, and a browser in it that
// is logged in.
type consoleWorld struct {
	*browser
	caddy *caddy
	site  string // host:port of the console
	login string // user:password
	livy  *livytest.Server

	mu       sync.Mutex
	troubles []string
	foreign  []string
	bytes    float64
}

// newConsole starts them with a double of Livy. extra are further lines of the console's
// site, before the console.
func newConsole(t *testing.T, extra string) *consoleWorld {
	t.Helper()
	livy, block := livyDouble(t)
	c := newConsoleOn(t, block, extra)
	c.livy = livy
	return c
}

// livyDouble starts a double of Livy, and returns the livy block for it.
func livyDouble(t *testing.T) (*livytest.Server, string) {
	t.Helper()
	livy := livytest.New()
	double := httptest.NewServer(livy)
	t.Cleanup(double.Close)
	return livy, "runtime static\n\t\tqueue root.default root.etl\n\t\tdirectory warehouse {\n\t\t\ttype local\n\t\t\tsource " + t.TempDir() + "\n\t\t\tpath /mnt/warehouse\n\t\t}\n\t\tengine spark-3.5 {\n\t\t\tspark 3.5.8\n\t\t\turl " + double.URL + "\n\t\t}"
}

func newConsoleOn(t *testing.T, livyBlock, extra string) *consoleWorld {
	t.Helper()
	needBrowser(t)
	c, site := startConsole(t, storetest.StartServer(t).Addr(), livyBlock, extra, "ann")
	return openConsole(t, c, site, annLogin)
}

func needBrowser(t *testing.T) {
	t.Helper()
	require.Need(t, require.Browser, browserProgram() != "", "there is no chromium (apt-get install chromium)")
}

// startConsole starts a Caddy with the console on a site of its own, for users with the
// password of ann. It returns the host and port of the site.
func startConsole(t *testing.T, redis, livyBlock, extra string, users ...string) (c *caddy, site string) {
	t.Helper()
	site = "127.0.0.1:" + sparePort(t)
	logins := ""
	for _, user := range users {
		logins += "\t\t" + user + " " + annHash + "\n"
	}
	c = newCaddyWith(t, func(c *caddy) string {
		return c.text(redis, livyBlock) + fmt.Sprintf("http://%s {\n\tbasic_auth {\n%s\t}\n%s\n\tlivy_api\n\tlivy_console\n}\n", site, logins, extra)
	})
	return c, site
}

// openConsole opens the console in a browser of its own, which ends with the test.
func openConsole(t *testing.T, c *caddy, site, login string) *consoleWorld {
	t.Helper()
	w := &consoleWorld{caddy: c, site: site, login: login, browser: openBrowser(t)}
	if err := chromedp.Listen(w.page, w.note); err != nil {
		t.Fatal(err)
	}
	w.open("http://" + login + "@" + w.site + "/")
	w.await("the console", `document.querySelector('h1') !== null`)
	w.look(1280, 800, "light")
	w.text("window.marker = 'not loaded again'")
	t.Cleanup(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, trouble := range w.troubles {
			t.Errorf("the browser says: %s", trouble)
		}
		for _, url := range w.foreign {
			t.Errorf("the page asked for %s", url)
		}
	})
	return w
}

// note collects what a page must not do: fail, or ask for anything of another origin.
func (w *consoleWorld) note(ev any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch ev := ev.(type) {
	case *runtime.EventExceptionThrown:
		d := ev.ExceptionDetails
		text := d.Text
		if d.Exception != nil {
			text += " " + d.Exception.Description
		}
		w.troubles = append(w.troubles, text)
	case *runtime.EventConsoleAPICalled:
		if ev.Type == "error" || ev.Type == "warning" {
			for _, arg := range ev.Args {
				w.troubles = append(w.troubles, string(arg.Value)+arg.Description)
			}
		}
	case *cdplog.EventEntryAdded:
		// Replies of the API with an error status are what some tests are about.
		if ev.Entry.Level == "error" && ev.Entry.Source != "network" {
			w.troubles = append(w.troubles, ev.Entry.Text)
		}
	case *network.EventRequestWillBeSent:
		url := ev.Request.URL
		if !strings.HasPrefix(url, "http://"+w.site+"/") && !strings.HasPrefix(url, "http://"+w.login+"@"+w.site+"/") && !strings.HasPrefix(url, "data:") && url != "about:blank" {
			w.foreign = append(w.foreign, url)
		}
	case *network.EventLoadingFinished:
		w.bytes += ev.EncodedDataLength
	}
}

// look sets the size of the page and the scheme of colours.
func (w *consoleWorld) look(width, height int64, scheme string) {
	w.t.Helper()
	inPage(w.browser, "the size", chromedp.EmulateViewport(width, height))
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}}
	if _, err := chromedp.Call(w.page, emulation.SetEmulatedMedia, media); err != nil {
		w.t.Fatal(err)
	}
	// Until it is painted so: axe-core looks at colours.
	var painted bool
	w.eval(`new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))`, &painted)
	if w.text("matchMedia('(prefers-color-scheme: "+scheme+")').matches") != "true" {
		w.t.Errorf("the page is not shown %s", scheme)
	}
	w.eval(`new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))`, &painted)
}

// place goes to a page of the console without loading it again.
func (w *consoleWorld) place(hash string) {
	w.t.Helper()
	w.text("location.hash = " + quoted(hash))
}

func quoted(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// inFront is JavaScript for what is in front: the last dialog, else the page.
const inFront = `([...document.querySelectorAll('dialog[open]')].at(-1) || document.querySelector('main'))`

// named is JavaScript for the visible control in front that has a name.
func named(selector, name string) string {
	return fmt.Sprintf(`[...%s.querySelectorAll(%s)].find(e => e.checkVisibility() &&
		(e.getAttribute('aria-label') || e.innerText || '').trim().replace(/\s+/g, ' ') === %s)`, inFront, quoted(selector), quoted(name))
}

// press clicks a button or link by its name.
func (w *consoleWorld) press(name string) {
	w.t.Helper()
	element := named("button, a, summary", name)
	w.await("the button "+name, element+" !== undefined && !"+element+".disabled")
	w.text(element + ".click()")
}

// field is JavaScript for the control whose label begins with a text.
func field(label string) string {
	return fmt.Sprintf(`(e => e.control || e.querySelector('input, select, textarea') || e)([...%s.querySelectorAll('label, textarea')].find(e => e.checkVisibility() &&
		(e.getAttribute('aria-label') || e.innerText || '').trim().startsWith(%s)))`, inFront, quoted(label))
}

// fill writes into a field as typing does.
func (w *consoleWorld) fill(label, value string) {
	w.t.Helper()
	w.await("the field "+label, fmt.Sprintf(`[...%s.querySelectorAll('label, textarea')].some(e => e.checkVisibility() && (e.getAttribute('aria-label') || e.innerText || '').trim().startsWith(%s))`, inFront, quoted(label)))
	w.text(fmt.Sprintf(`(e => {
		Object.getOwnPropertyDescriptor(Object.getPrototypeOf(e), 'value').set.call(e, %s);
		e.dispatchEvent(new Event('input', {bubbles: true}));
		e.dispatchEvent(new Event('change', {bubbles: true}));
	})(%s)`, quoted(value), field(label)))
}

// tick clicks a check box, radio button or switch by its label.
func (w *consoleWorld) tick(label string) {
	w.t.Helper()
	w.text(field(label) + ".click()")
}

// shows waits until the text is to be seen in front.
func (w *consoleWorld) shows(text string) {
	w.t.Helper()
	w.await("the text "+text, fmt.Sprintf(`((e) => e.innerText.replace(/\s+/g, ' ').includes(%s))(%s)`, quoted(text), inFront))
}

// state waits until the state that stands in the head is this one.
func (w *consoleWorld) state(state string) {
	w.t.Helper()
	w.await("the state "+state, fmt.Sprintf(`document.querySelector('.head .state')?.innerText.trim() === %s`, quoted(state)))
}

// notLoadedAgain checks that all happened in the page that was opened first.
func (w *consoleWorld) notLoadedAgain() {
	w.t.Helper()
	if w.text("window.marker") != "not loaded again" {
		w.t.Error("the page was loaded again")
	}
}

// picture keeps a screenshot in the folder that LIVYGW_SCREENSHOTS names, if it does.
func (w *consoleWorld) picture(name string) {
	w.t.Helper()
	dir := os.Getenv("LIVYGW_SCREENSHOTS")
	if dir == "" {
		return
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		w.t.Fatal(err)
	}
	picture := inPage(w.browser, "a picture", chromedp.CaptureScreenshot())
	if err := os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644); err != nil {
		w.t.Fatal(err)
	}
}
