package process

import (
	"archive/tar"
	"fmt"
	"io"
	"os"
	"path"
	"syscall"

	"github.com/livygateway/livygateway/upstream"
)

// unpack unpacks archives into the server's working directory, owned by the server's user.
func (d dirs) unpack(archives []upstream.Archive, cred *syscall.Credential) error {
	if len(archives) == 0 {
		return nil
	}
	root, err := os.OpenRoot(d.work) // links in archives cannot leave it
	if err != nil {
		return fmt.Errorf("opening the server's directory: %w", err)
	}
	defer root.Close()
	for _, a := range archives {
		if err := a.Each(func(h *tar.Header, content io.Reader) error { return lay(root, h, content, cred) }); err != nil {
			return err
		}
	}
	return nil
}

func lay(root *os.Root, h *tar.Header, content io.Reader, cred *syscall.Credential) error {
	mode := os.FileMode(h.Mode)
	if err := makeDirs(root, path.Dir(h.Name), 0o755, cred); err != nil {
		return err
	}
	var err error
	switch h.Typeflag {
	case tar.TypeDir:
		return makeDirs(root, h.Name, mode, cred)
	case tar.TypeSymlink:
		err = root.Symlink(h.Linkname, h.Name)
	case tar.TypeLink:
		err = root.Link(h.Linkname, h.Name)
	default:
		err = copyTo(root, h.Name, mode, content)
	}
	if err != nil {
		return err
	}
	return ownIn(root, h.Name, cred)
}

// makeDirs creates a directory and its parents, owned by the server's user.
func makeDirs(root *os.Root, name string, mode os.FileMode, cred *syscall.Credential) error {
	if name == "." {
		return nil
	}
	if _, err := root.Stat(name); err == nil {
		return nil
	}
	if err := makeDirs(root, path.Dir(name), 0o755, cred); err != nil {
		return err
	}
	if err := root.Mkdir(name, mode); err != nil {
		return err
	}
	return ownIn(root, name, cred)
}

func copyTo(root *os.Root, name string, mode os.FileMode, content io.Reader) error {
	file, err := root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	if closing := file.Close(); err == nil {
		err = closing
	}
	return err
}

func ownIn(root *os.Root, name string, cred *syscall.Credential) error {
	if cred == nil || os.Geteuid() != 0 {
		return nil
	}
	return root.Lchown(name, int(cred.Uid), int(cred.Gid))
}
