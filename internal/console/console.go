// Package console is the web console: static files that a browser runs as they lie here,
// and the handler that serves them. The page is a client of the management API and of
// nothing else; there are no data in what is served here.
package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
)

//go:embed static
var embedded embed.FS

// policy lets the page load and ask for what is of its own origin, and nothing else: no
// inline script or style, no frame, no form, no other site.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; font-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

// types are those of the files that are served; others are not.
var types = map[string]string{
	".css":  "text/css; charset=utf-8",
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".mjs":  "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// file is what one path is answered with.
type file struct {
	contentType, etag, cache string
	plain                    []byte
	zipped                   []byte // nil where it would not be smaller
}

// assets is the beginning of the paths of all files but the page. What follows it is a
// digest of them all, so that browsers may keep them for good: another version of the
// console has other paths.
const assets = "/console/"

// Options are what the operator tells the page.
type Options struct {
	// Endpoint and PublicEndpoint are the addresses of the sites with livy_gateway, e.g.
	// "https://livy.example.com", which the API does not know; empty where nobody says.
	Endpoint, PublicEndpoint string
}

// Handler serves the console at the root of a site.
type Handler struct {
	files map[string]*file
	index *file
}

// New returns the handler.
func New(o Options) *Handler {
	files := load()
	index := strings.NewReplacer("{endpoint}", html.EscapeString(o.Endpoint), "{public}", html.EscapeString(o.PublicEndpoint)).
		Replace(string(files["/"].plain))
	return &Handler{files: files, index: newFile("index.html", []byte(index), files["/"].cache)}
}

// load reads and compresses the files, once for the process.
var load = sync.OnceValue(func() map[string]*file {
	static, err := fs.Sub(embedded, "static")
	if err != nil {
		panic(err) // the folder is part of the binary
	}
	files, err := read(static)
	if err != nil {
		panic(fmt.Errorf("reading the console's own files: %w", err))
	}
	return files
})

// read makes the answers from a folder with an index.html.
func read(static fs.FS) (map[string]*file, error) {
	texts := make(map[string][]byte)
	err := fs.WalkDir(static, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || types[path.Ext(name)] == "" {
			return err
		}
		texts[name], err = fs.ReadFile(static, name)
		return err
	})
	if err != nil {
		return nil, err
	}
	index, ok := texts["index.html"]
	if !ok {
		return nil, fmt.Errorf("index.html: %w", fs.ErrNotExist)
	}
	names := make([]string, 0, len(texts))
	for name := range texts {
		names = append(names, name)
	}
	slices.Sort(names)
	all := sha256.New()
	for _, name := range names {
		fmt.Fprintf(all, "%s %d\n", name, len(texts[name]))
		all.Write(texts[name])
	}
	base := assets + hex.EncodeToString(all.Sum(nil)[:8]) + "/"

	files := make(map[string]*file)
	for _, name := range names {
		if name != "index.html" {
			files[base+name] = newFile(name, texts[name], "public, max-age=31536000, immutable")
		}
	}
	files["/"] = newFile("index.html", page(index, base, names), "no-cache")
	return files, nil
}

// page is index.html with the paths of this version, and a hint to load all modules of
// the first view at once instead of one import after the other. The paths are relative, so
// that the page also works below a path that is stripped before the handler.
func page(index []byte, base string, names []string) []byte {
	var hints strings.Builder
	for _, name := range names {
		if ext := path.Ext(name); (ext == ".js" || ext == ".mjs") && !slices.Contains(later, name) {
			fmt.Fprintf(&hints, "<link rel=\"modulepreload\" href=\"%s\">\n", base[1:]+name)
		}
	}
	index = bytes.ReplaceAll(index, []byte("{assets}"), []byte(base[1:]))
	return bytes.Replace(index, []byte("{modules}\n"), []byte(hints.String()), 1)
}

// later are scripts that are no modules of the first view.
var later = []string{"theme.js", "pages/usage-by.js", "vendor/uplot.mjs"}

func newFile(name string, text []byte, cache string) *file {
	sum := sha256.Sum256(text)
	f := &file{
		contentType: types[path.Ext(name)], cache: cache, plain: text,
		etag: `"` + hex.EncodeToString(sum[:16]) + `"`,
	}
	var zipped bytes.Buffer
	w, err := gzip.NewWriterLevel(&zipped, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(text)
	}
	if err == nil && w.Close() == nil && zipped.Len() < len(text) {
		f.zipped = zipped.Bytes()
	}
	return f
}

// Serves reports whether a path is one of the console's.
func (h *Handler) Serves(path string) bool {
	return path == "/" || strings.HasPrefix(path, assets)
}

// ServeHTTP serves a file of the console.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	Harden(w.Header())
	f := h.files[r.URL.Path]
	if r.URL.Path == "/" {
		f = h.index
	}
	switch {
	case f == nil:
		// A page of an older version asks for files that are no more: it is to be loaded anew.
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, "the console has no such file; load the page again", http.StatusNotFound)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	f.serve(w, r)
}

// Harden sets the headers of everything that the console answers.
func Harden(header http.Header) {
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
}

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Cache-Control", f.cache)
	header.Set("Vary", "Accept-Encoding")
	body, tag := f.plain, f.etag
	if f.zipped != nil && accepts(r.Header.Get("Accept-Encoding"), "gzip") {
		// A strong ETag is of the very bytes that are sent.
		body, tag = f.zipped, f.etag[:len(f.etag)-1]+`-gzip"`
		header.Set("Content-Encoding", "gzip")
	}
	header.Set("ETag", tag)
	for known := range strings.SplitSeq(r.Header.Get("If-None-Match"), ",") {
		if known = strings.TrimSpace(known); known == "*" || strings.TrimPrefix(known, "W/") == tag {
			header.Del("Content-Encoding")
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	header.Set("Content-Type", f.contentType)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodHead {
		return
	}
	_, _ = w.Write(body)
}

// accepts reports whether a client's Accept-Encoding has a coding and does not refuse it.
func accepts(header, coding string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, params, _ := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(name), coding) {
			continue
		}
		q, ok := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
		weight, err := strconv.ParseFloat(q, 64)
		return !ok || err == nil && weight > 0
	}
	return false
}
