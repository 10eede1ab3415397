package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/upstream"
)

// warehouse returns the mount of a gateway's tables. The Docker engine makes the directory.
func warehouse(d gateway.Directory) []mount.Mount {
	if d.Path == "" {
		return nil
	}
	return []mount.Mount{{
		Type: mount.TypeBind, Source: d.Source, Target: d.Path,
		BindOptions: &mount.BindOptions{CreateMountpoint: true},
	}}
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
