package docker

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/moby/moby/client"

	"github.com/livygateway/livygateway/upstream"
)

// unpack unpacks archives into a container's working directory, owned by the server's user.
func (r *Runtime) unpack(ctx context.Context, l upstream.Launch, id string) error {
	for _, a := range l.Archives {
		read, write := io.Pipe()
		packed := make(chan error, 1)
		go func() {
			err := repack(a, write)
			_ = write.CloseWithError(err)
			packed <- err
		}()
		_, err := r.api.CopyToContainer(ctx, id,
			client.CopyToContainerOptions{DestinationPath: "/", Content: read})
		_ = read.Close() // ends the packing if the engine did not read it all
		if packing := <-packed; packing != nil && !errors.Is(packing, io.ErrClosedPipe) {
			return packing
		}
		if err != nil {
			return startError(l, "unpacking "+a.Path+" into the container", err)
		}
	}
	return nil
}

// repack writes an archive in the format that the engine reads.
func repack(a upstream.Archive, to io.Writer) error {
	w := tar.NewWriter(to)
	err := a.Each(func(h *tar.Header, content io.Reader) error {
		name := path.Join(workDir, h.Name) //nolint:gosec // Each keeps names inside
		h.Name, h.Uid, h.Gid = name, userID, groupID
		if h.Typeflag == tar.TypeLink {
			h.Linkname = path.Join(workDir, h.Linkname) //nolint:gosec // and those of hard links
		}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		_, err := io.Copy(w, content)
		return err
	})
	if err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("packing %s: %w", a.Path, err)
	}
	return nil
}
