package main

import (
	"archive/tar"
	"io"
	"os"
	"path/filepath"
)

// extract unpacks an archive into a directory.
func extract(in io.Reader, dir string) error {
	for r := tar.NewReader(in); ; {
		h, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := extractOne(h, r, filepath.Join(dir, h.Name)); err != nil {
			return err
		}
	}
}

func extractOne(h *tar.Header, content io.Reader, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return os.MkdirAll(path, os.FileMode(h.Mode))
	case tar.TypeSymlink:
		return os.Symlink(h.Linkname, path)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, os.FileMode(h.Mode))
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, content); err != nil {
		return err
	}
	return f.Close()
}
