package policies_test

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/policies"
)

func uploadRoute(t testing.TB, name string) *livy.Route {
	t.Helper()
	r, ok := livy.RouteByName(name)
	if !ok {
		t.Fatal(name)
	}
	return r
}

// form is a multipart body of parts: header lines and content.
func form(parts ...[2]string) (string, string) {
	var b strings.Builder
	for _, p := range parts {
		fmt.Fprintf(&b, "--xyz\r\n%s\r\n\r\n%s\r\n", p[0], p[1])
	}
	b.WriteString("--xyz--\r\n")
	return `multipart/form-data; boundary=xyz`, b.String()
}

func disposition(name, file string) string {
	return `Content-Disposition: form-data; name="` + name + `"; filename="` + file + `"`
}

func TestUploadKeepsOnlyTheBaseName(t *testing.T) {
	p, err := policies.Compile(policies.Settings{Guards: policies.Guards{MaxUpload: 100}})
	if err != nil {
		t.Fatal(err)
	}
	for sent, want := range map[string]string{
		"job.jar": "job.jar", "../../../../etc/cron.d/x": "x", "/abs/path": "path", `..\\..\\windows.jar`: "windows.jar",
		"a b (1).jar": "a b (1).jar", "日报.py": "日报.py", "x/.hidden": ".hidden",
		"u\u0308ber.py": "über.py", "हिन्दी.py": "हिन्दी.py", "it's.py": "it's.py", "lib~1.py": "lib~1.py", "m[1].py": "m[1].py",
	} {
		kind, body := form([2]string{disposition("jar", sent), "content"})
		newKind, out, err := p.Upload(uploadRoute(t, "session.upload.jar"), "UTF-8", kind, strings.NewReader(body))
		if err != nil {
			t.Errorf("%s: %v", sent, err)
			continue
		}
		_, params, _ := mime.ParseMediaType(newKind)
		r := multipart.NewReader(out, params["boundary"])
		part, err := r.NextRawPart()
		if err != nil {
			t.Fatal(err)
		}
		_, d, _ := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
		content, _ := io.ReadAll(part)
		if d["filename"] != want || d["name"] != "jar" || string(content) != "content" {
			t.Errorf("%s: sent as %v with %q", sent, d, content)
		}
		if _, err := r.NextRawPart(); err != io.EOF {
			t.Errorf("%s: more than one part: %v", sent, err)
		}
	}
}

func TestUploadRefuses(t *testing.T) {
	p, err := policies.Compile(policies.Settings{Guards: policies.Guards{MaxUpload: 100}})
	if err != nil {
		t.Fatal(err)
	}
	good := [2]string{disposition("file", "x.py"), "1"}
	multi := func(parts ...[2]string) func() (string, string) {
		return func() (string, string) { return form(parts...) }
	}
	for name, c := range map[string]struct {
		coding string
		body   func() (string, string)
		want   string
	}{
		"a name of dots":      {"", multi([2]string{disposition("file", ".."), "1"}), "filename: must be a file name"},
		"a directory":         {"", multi([2]string{disposition("file", "a/"), "1"}), "filename: must be a file name"},
		"no name":             {"", multi([2]string{`Content-Disposition: form-data; name="file"`, "1"}), "filename: must be a file name"},
		"a name with a quote": {"", multi([2]string{disposition("file", `a\"; x=\"`), "1"}), "filename: must be"},
		"another part's name": {"", multi([2]string{disposition("jar", "x.jar"), "1"}), "part: must be named file"},
		"two dispositions":    {"", multi([2]string{disposition("file", "a") + "\r\n" + disposition("file", "../b"), "1"}), "part: must have one"},
		"two parts":           {"", multi(good, good), "body: must have one part"},
		"no part":             {"", multi(), "body: must have one part"},
		"too large":           {"", multi([2]string{disposition("file", "x"), strings.Repeat("x", 101)}), "upload: must be at most 100 bytes"},
		"cut short":           {"", func() (string, string) { k, b := form(good); return k, b[:len(b)-10] }, "body: reading the upload"},
		"coded":               {"gzip", multi(good), "Content-Encoding: must not be set for an upload"},
		"no form":             {"", func() (string, string) { return "application/json", "{}" }, "must be multipart/form-data"},
		"no boundary":         {"", func() (string, string) { return "multipart/form-data", "" }, "must be multipart/form-data"},
	} {
		t.Run(name, func(t *testing.T) {
			kind, body := c.body()
			_, out, err := p.Upload(uploadRoute(t, "session.upload.file"), c.coding, kind, strings.NewReader(body))
			if err == nil {
				_, err = io.Copy(io.Discard, out)
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestUploadStreams: what was read is passed on before the rest arrives.
func TestUploadStreams(t *testing.T) {
	p, err := policies.Compile(policies.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	kind, text := form([2]string{disposition("file", "x"), strings.Repeat("x", 1<<20)})
	half := len(text) / 2
	r, w := io.Pipe()
	go func() { _, _ = w.Write([]byte(text[:half])) }()
	_, out, err := p.Upload(uploadRoute(t, "session.upload.file"), "", kind, r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, half/2)); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = w.Write([]byte(text[half:])); w.Close() }()
	rest, err := io.ReadAll(out)
	if err != nil || bytes.Count(rest, []byte("x")) < half {
		t.Errorf("%d bytes, %v", len(rest), err)
	}
}

// TestUploadReadsInLargePieces: each piece is sent by itself, as a chunk of the request to Livy.
func TestUploadReadsInLargePieces(t *testing.T) {
	p, err := policies.Compile(policies.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	const size, buffer = 1 << 20, 32 << 10
	kind, text := form([2]string{disposition("file", "x"), strings.Repeat("x", size)})
	_, out, err := p.Upload(uploadRoute(t, "session.upload.file"), "", kind, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	reads, got := 0, 0
	for buf := make([]byte, buffer); err == nil; reads++ {
		var n int
		n, err = out.Read(buf)
		got += n
	}
	if err != io.EOF || got < size || reads > 2*size/buffer {
		t.Errorf("%d bytes in %d reads, %v", got, reads, err)
	}
}
