package upstreamtest

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/upstream"
)

// unpacked starts a server with a packed environment, in each form.
func unpacked(t *testing.T, h Harness) {
	dir := t.TempDir()
	l := h.launch(t, gatewayID)
	for _, name := range []string{"env.tar.gz", "env.tgz", "env.tar", "env.zip", "env.jar"} {
		path := filepath.Join(dir, name)
		PackEnvironment(t, path)
		l.Archives = append(l.Archives, upstream.Archive{Name: strings.ReplaceAll(name, ".", "-"), Path: path})
	}
	inst := start(t, h, h.New(t), l)
	for _, a := range l.Archives {
		for file, want := range map[string]string{
			"bin/python3":     "-rwxr-xr-x mine=true interpreter",
			"bin/python":      "-rwxr-xr-x mine=true interpreter", // a link
			"lib/deep/mod.py": "-rw-r--r-- mine=true module",
		} {
			if got := Get(t, inst.Address, "/stat/"+a.Name+"/"+file); got != want {
				t.Errorf("%s/%s is %q, want %q", a.Name, file, got, want)
			}
		}
	}
}

// PackEnvironment makes an archive as programs do that pack Python environments:
// without entries for all directories, with links, owned by somebody.
func PackEnvironment(t *testing.T, path string) {
	t.Helper()
	var buf bytes.Buffer
	files := []struct {
		h       tar.Header
		content string
	}{
		{tar.Header{Name: "bin/", Typeflag: tar.TypeDir, Mode: 0o755}, ""},
		{tar.Header{Name: "bin/python3", Typeflag: tar.TypeReg, Mode: 0o4755}, "interpreter"},
		{tar.Header{Name: "bin/python", Typeflag: tar.TypeSymlink, Linkname: "python3", Mode: 0o777}, ""},
		{tar.Header{Name: "lib/deep/mod.py", Typeflag: tar.TypeReg, Mode: 0o644}, "module"},
	}
	switch {
	case strings.HasSuffix(path, ".zip"), strings.HasSuffix(path, ".jar"):
		w := zip.NewWriter(&buf)
		for _, f := range files {
			zh := &zip.FileHeader{Name: f.h.Name}
			zh.SetMode(f.h.FileInfo().Mode() &^ os.ModeSetuid)
			out, err := w.CreateHeader(zh)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := out.Write([]byte(f.content + f.h.Linkname)); err != nil && f.h.Typeflag != tar.TypeDir {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	default:
		w := tar.NewWriter(&buf)
		for _, f := range files {
			f.h.Size, f.h.Uid, f.h.Gid = int64(len(f.content)), 4711, 4711
			if err := w.WriteHeader(&f.h); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write([]byte(f.content)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	content := buf.Bytes()
	if strings.HasSuffix(path, "gz") {
		var zipped bytes.Buffer
		w := gzip.NewWriter(&zipped)
		_, err := w.Write(content)
		if closing := w.Close(); err != nil || closing != nil {
			t.Fatal(err, closing)
		}
		content = zipped.Bytes()
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// brokenArchive starts nothing where an archive is missing, is none, or leads out
// of its directory.
func brokenArchive(t *testing.T, h Harness) {
	dir := t.TempDir()
	whole, cut, text, kind, out := filepath.Join(dir, "env.tar.gz"), filepath.Join(dir,
		"cut.tgz"), filepath.Join(dir, "text.zip"),
		filepath.Join(dir, "env.rar"), filepath.Join(dir, "out.tar")
	PackEnvironment(t, whole)
	content, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	var leads bytes.Buffer
	w := tar.NewWriter(&leads)
	if err := w.WriteHeader(&tar.Header{Name: "../../escaped", Typeflag: tar.TypeReg, Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string][]byte{
		cut: content[:len(content)/2], text: []byte("no archive"),
		kind: content, out: leads.Bytes(),
	} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rt := h.New(t)
	for path, want := range map[string]string{
		filepath.Join(dir, "nowhere.zip"): "must be an existing file on this machine",
		cut:                               "cannot be read: ",
		text:                              "cannot be read: ",
		kind:                              "must end in .zip, .jar, .tar, .tar.gz or .tgz",
		out:                               "has an entry outside of it: ../../escaped",
	} {
		l := h.launch(t, gatewayID)
		l.Archives = []upstream.Archive{{Name: "env", Path: path}}
		_, err := rt.Start(t.Context(), l)
		if gateway.KindOf(err) != gateway.KindInvalid || !strings.Contains(err.Error(), want) ||
			!strings.Contains(err.Error(), path) {
			t.Errorf("Start with %s: %v; want an error of KindInvalid with %q", filepath.Base(path), err, want)
		}
		if inst, ok, err := rt.Find(t.Context(), gatewayID); ok || err != nil {
			t.Errorf("after %s there is %+v, %v", filepath.Base(path), inst, err)
		}
	}
}
