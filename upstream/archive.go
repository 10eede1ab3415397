package upstream

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/livygateway/livygateway/internal/gateway"
)

// Archive is a packed directory, such as a Python environment. It is unpacked into the
// working directory of drivers next to the Livy server, as Spark does for a cluster's
// containers and executors.
type Archive struct {
	// Name of the directory that it is unpacked into.
	Name string
	// Path of the file on this machine. It ends in .zip, .jar, .tar, .tar.gz or
	// .tgz, which is what Spark unpacks.
	Path string
}

// Each calls take for each directory, file and link in the archive, in order, by its name
// below Name. take must read the content before it returns. The error is of KindInvalid if
// the archive does not exist or cannot be read.
func (a Archive) Each(take func(h *tar.Header, content io.Reader) error) error {
	err := a.each(take)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return gateway.Invalid("archives", a.Path, "must be an existing file on this machine")
	case errors.Is(err, errKind):
		return gateway.Invalid("archives", a.Path, errKind.Error())
	case errors.Is(err, zip.ErrFormat), errors.Is(err, tar.ErrHeader), errors.Is(err,
		gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum), errors.Is(err, io.ErrUnexpectedEOF):
		return gateway.Invalid("archives", a.Path, "cannot be read: "+err.Error())
	case err != nil:
		return fmt.Errorf("unpacking %s: %w", a.Path, err)
	}
	return nil
}

var errKind = errors.New("must end in .zip, .jar, .tar, .tar.gz or .tgz")

func (a Archive) each(take func(*tar.Header, io.Reader) error) error {
	file, err := os.Open(a.Path)
	if err != nil {
		return err
	}
	defer file.Close()
	switch name := strings.ToLower(a.Path); {
	case strings.HasSuffix(name, ".zip"), strings.HasSuffix(name, ".jar"):
		return a.eachZipped(file, take)
	case strings.HasSuffix(name, ".tar.gz"), strings.HasSuffix(name, ".tgz"):
		plain, err := gzip.NewReader(file)
		if err != nil {
			return err
		}
		return a.eachTarred(plain, take)
	case strings.HasSuffix(name, ".tar"):
		return a.eachTarred(file, take)
	default:
		return errKind
	}
}

func (a Archive) eachTarred(in io.Reader, take func(*tar.Header, io.Reader) error) error {
	for r := tar.NewReader(in); ; {
		h, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := a.handOver(h, r, take); err != nil {
			return err
		}
	}
}

func (a Archive) eachZipped(file *os.File, take func(*tar.Header, io.Reader) error) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	r, err := zip.NewReader(file, info.Size())
	if err != nil {
		return err
	}
	for _, f := range r.File {
		if err := a.handOverZipped(f, take); err != nil {
			return err
		}
	}
	return nil
}

func (a Archive) handOverZipped(f *zip.File, take func(*tar.Header, io.Reader) error) error {
	content, err := f.Open()
	if err != nil {
		return err
	}
	defer content.Close()
	link := ""
	if f.Mode()&fs.ModeSymlink != 0 {
		target, err := io.ReadAll(content) // the content of a link is its target
		if err != nil {
			return err
		}
		link = string(target)
	}
	h, err := tar.FileInfoHeader(f.FileInfo(), link)
	if err != nil {
		return err
	}
	h.Name = f.Name
	return a.handOver(h, content, take)
}

// handOver calls take for a directory, file or link, with only the attributes that jobs need:
// the owner in the archive has no meaning here.
func (a Archive) handOver(h *tar.Header, content io.Reader, take func(*tar.Header, io.Reader) error) error {
	link := h.Linkname
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeDir, tar.TypeSymlink:
	case tar.TypeLink:
		if !filepath.IsLocal(link) {
			return gateway.Invalid("archives", a.Path, "has an entry outside of it: "+link)
		}
		link = path.Join(a.Name, link) //nolint:gosec // it is local
	default:
		return nil
	}
	if !filepath.IsLocal(h.Name) {
		return gateway.Invalid("archives", a.Path, "has an entry outside of it: "+h.Name)
	}
	mode := h.Mode & 0o777
	if h.Typeflag == tar.TypeDir {
		mode |= 0o700 // needed to create entries in it
	}
	return take(&tar.Header{
		Typeflag: h.Typeflag, Name: path.Join(a.Name, h.Name), Linkname: link, Mode: mode, Size: h.Size, ModTime: h.ModTime, //nolint:gosec // it is local
	}, content)
}
