package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/moby/moby/client"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/upstream"
)

// warehouse returns the bind mount of a gateway's tables. In this form, unlike as a Mount, engines
// of all versions make the directory if it is missing.
func warehouse(d gateway.Directory) []string {
	if d.Path == "" {
		return nil
	}
	return []string{d.Source + ":" + d.Path}
}

// ownWarehouse gives the directory of the tables to the server's user. The engine, which may
// be on another machine, does it as root.
func (r *Runtime) ownWarehouse(ctx context.Context, l upstream.Launch, id string) error {
	if l.Warehouse.Path == "" {
		return nil
	}
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	err := w.WriteHeader(&tar.Header{
		Typeflag: tar.TypeDir, Name: strings.TrimPrefix(l.Warehouse.Path, "/") + "/", Mode: 0o700, Uid: userID, Gid: groupID,
	})
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return fmt.Errorf("packing the warehouse's directory: %w", err)
	}
	_, err = r.api.CopyToContainer(ctx, id, client.CopyToContainerOptions{DestinationPath: "/", Content: &buf})
	if err != nil {
		return startError(l, "making the warehouse "+l.Warehouse.Source, err)
	}
	return nil
}
