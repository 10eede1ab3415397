package console

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func ask(t *testing.T, h http.Handler, method, target string, header map[string]string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	for name, value := range header {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, res *http.Response) []byte {
	t.Helper()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// assetsOf are the paths that the page asks for by itself.
func assetsOf(page []byte) (paths []string) {
	for _, m := range regexp.MustCompile(`(?:href|src)="([^"]+)"`).FindAllSubmatch(page, -1) {
		if !slices.Contains(paths, "/"+string(m[1])) {
			paths = append(paths, "/"+string(m[1])) // they are relative to the page
		}
	}
	return paths
}

func TestHeaders(t *testing.T) {
	h := New(Options{})
	page := body(t, ask(t, h, "GET", "/", nil))
	all := append(assetsOf(page), "/", "/console/old/main.js")
	if len(all) < 20 {
		t.Fatalf("the page asks for %d files only: %v", len(all), all)
	}
	for _, target := range all {
		res := ask(t, h, "GET", target, nil)
		for name, want := range map[string]string{
			"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		} {
			if got := res.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q", target, name, got)
			}
		}
		want, cache := http.StatusOK, "public, max-age=31536000, immutable"
		switch target {
		case "/":
			cache = "no-cache"
		case "/console/old/main.js":
			want, cache = http.StatusNotFound, "no-store"
		}
		if res.StatusCode != want || res.Header.Get("Cache-Control") != cache {
			t.Errorf("%s: %d, Cache-Control %q", target, res.StatusCode, res.Header.Get("Cache-Control"))
		}
	}
	if res := ask(t, h, "POST", "/", nil); res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST /: %d, Allow %q", res.StatusCode, res.Header.Get("Allow"))
	}
	if res := ask(t, h, "HEAD", "/", nil); res.StatusCode != http.StatusOK || len(body(t, res)) != 0 || res.ContentLength != int64(len(page)) {
		t.Errorf("HEAD /: %d, length %d", res.StatusCode, res.ContentLength)
	}
	for target, want := range map[string]bool{"/": true, "/console/x": true, "/v1/gateways": false, "/index.html": false, "/consolex": false} {
		if h.Serves(target) != want {
			t.Errorf("%s is served: %v", target, !want)
		}
	}
}

// TestEncodings checks that an ETag is of the bytes that are sent, compressed or not.
func TestEncodings(t *testing.T) {
	h := New(Options{})
	plain := ask(t, h, "GET", "/", nil)
	text := body(t, plain)
	tags := map[string]string{}
	for accept, zipped := range map[string]bool{
		"": false, "gzip": true, "br, GZIP;q=0.5": true, "gzip;q=0": false, "gzip; q=0.0": false, "deflate": false, "x-gzip": false,
	} {
		res := ask(t, h, "GET", "/", map[string]string{"Accept-Encoding": accept})
		got := body(t, res)
		if (res.Header.Get("Content-Encoding") == "gzip") != zipped || res.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%q: Content-Encoding %q, Vary %q", accept, res.Header.Get("Content-Encoding"), res.Header.Get("Vary"))
			continue
		}
		if zipped {
			z, err := gzip.NewReader(bytes.NewReader(got))
			if err != nil {
				t.Fatal(err)
			}
			if got, err = io.ReadAll(z); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(got, text) {
			t.Errorf("%q: another page", accept)
		}
		tags[res.Header.Get("Content-Encoding")] = res.Header.Get("ETag")
	}
	if tags[""] == tags["gzip"] || strings.HasPrefix(tags["gzip"], "W/") {
		t.Errorf("the ETags are %v", tags)
	}
	for known, status := range map[string]int{
		tags["gzip"]: 304, `"x", W/` + tags["gzip"]: 304, "*": 304, tags[""]: 200, `"x"`: 200,
	} {
		res := ask(t, h, "GET", "/", map[string]string{"Accept-Encoding": "gzip", "If-None-Match": known})
		if res.StatusCode != status || (status == 304) != (len(body(t, res)) == 0) {
			t.Errorf("If-None-Match %s: %d, want %d", known, res.StatusCode, status)
		}
	}
}

// TestOptions puts hostile addresses into the page.
func TestOptions(t *testing.T) {
	page := string(body(t, ask(t, New(Options{Endpoint: `https://x/"><script>`, PublicEndpoint: "https://livy.example.com"}), "GET", "/", nil)))
	if strings.Contains(page, `"><script>`) || !strings.Contains(page, `content="https://livy.example.com"`) || strings.Contains(page, "{") {
		t.Errorf("the page is:\n%s", page)
	}
}

// TestFirstView bounds what is sent before the first view is there: all files of the page
// compressed, and what only some views load besides.
func TestFirstView(t *testing.T) {
	h := New(Options{})
	zipped := map[string]string{"Accept-Encoding": "gzip"}
	page := ask(t, h, "GET", "/", zipped)
	sum := len(body(t, page))
	for _, target := range assetsOf(body(t, ask(t, h, "GET", "/", nil))) {
		sum += len(body(t, ask(t, h, "GET", target, zipped)))
	}
	all := 0
	for _, f := range h.files {
		if f.zipped == nil {
			all += len(f.plain)
		} else {
			all += len(f.zipped)
		}
	}
	t.Logf("the first view takes %d bytes, all views %d", sum, all)
	if sum > 100_000 || all > 200_000 {
		t.Errorf("the first view takes %d bytes, all views %d", sum, all)
	}
}

// TestPolicyHolds finds what the page's own policy would refuse: inline scripts, handlers
// and styles, and addresses of other sites.
func TestPolicyHolds(t *testing.T) {
	page := string(body(t, ask(t, New(Options{}), "GET", "/", nil)))
	for _, wrong := range []string{`<script>`, `<style`, ` style=`, `onload=`, `onclick=`, `http://`, `https://`, `javascript:`} {
		if strings.Contains(page, wrong) {
			t.Errorf("the page has %s", wrong)
		}
	}
	imports := regexp.MustCompile(`(?m)(?:^import|^export|from|import\()\s*['"(]?['"]([^'"]+)['"]`)
	for name, f := range load() {
		if ext := path.Ext(name); ext != ".js" && ext != ".mjs" {
			continue
		}
		for _, m := range imports.FindAllSubmatch(f.plain, -1) {
			to := string(m[1])
			if !strings.HasPrefix(to, "./") && !strings.HasPrefix(to, "../") {
				if !strings.Contains(name, "/vendor/") {
					t.Errorf("%s imports %s by name", name, to)
				}
				continue
			}
			if load()[path.Join(path.Dir(name), to)] == nil {
				t.Errorf("%s imports %s, which is not there", name, to)
			}
		}
		if strings.Contains(name, "/vendor/") {
			continue
		}
		for _, wrong := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "dangerouslySetInnerHTML", "eval(", "new Function"} {
			if bytes.Contains(f.plain, []byte(wrong)) {
				t.Errorf("%s has %s: what users wrote is to be text", name, wrong)
			}
		}
	}
}

// TestVersions gives all files other paths when one of them changes.
func TestVersions(t *testing.T) {
	base := func(script string) string {
		files, err := read(fstest.MapFS{
			"index.html": {Data: []byte(`<script src="{assets}main.js"></script>` + "\n{modules}\n")},
			"main.js":    {Data: []byte(script)}, "notes.txt": {Data: []byte("not served")},
		})
		if err != nil || len(files) != 2 {
			t.Fatalf("%d files, %v", len(files), err)
		}
		return assetsOf(files["/"].plain)[0]
	}
	one, again, two := base("1"), base("1"), base("2")
	if one != again || one == two {
		t.Error("the paths do not go with the files")
	}
	if _, err := read(fstest.MapFS{}); err == nil {
		t.Error("a folder without index.html is taken")
	}
}

// TestVendor compares what was vendored with the checksums that were noted.
func TestVendor(t *testing.T) {
	const dir = "static/vendor/"
	list, err := os.ReadFile(dir + "VENDOR")
	if err != nil {
		t.Fatal(err)
	}
	noted := map[string]bool{"VENDOR": true}
	for lines := bufio.NewScanner(bytes.NewReader(list)); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		fields := strings.Fields(lines.Text())
		if len(fields) != 6 {
			t.Fatalf("VENDOR has the line %q", lines.Text())
		}
		text, err := os.ReadFile(dir + fields[1])
		if err != nil {
			t.Error(err)
			continue
		}
		if sum := sha256.Sum256(text); hex.EncodeToString(sum[:]) != fields[0] {
			t.Errorf("%s is not what was vendored; scripts/vendor-console makes it", fields[1])
		}
		licence := strings.Trim(fields[5], "()")
		if _, err := os.Stat(dir + licence); err != nil {
			t.Errorf("%s has no licence: %v", fields[1], err)
		}
		noted[fields[1]], noted[licence] = true, true
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !noted[f.Name()] {
			t.Errorf("%s is not in VENDOR", f.Name())
		}
	}
	// The lock file names no host: npm asks the registry that it is set to.
	for _, name := range []string{"npm/package.json", "npm/package-lock.json"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(text, []byte(`"resolved"`)) {
			t.Errorf("%s names a registry (npm's option omit-lockfile-registry-resolved leaves it out)", name)
		}
	}
}
