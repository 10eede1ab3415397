package docker

import (
	"strings"

	"github.com/moby/moby/api/types/mount"

	"github.com/livygateway/livygateway/internal/gateway"
)

// defaultNFS are mount options with which an unreachable file server makes jobs fail after
// some minutes instead of hanging for ever.
const defaultNFS = "nfsvers=4,soft,timeo=600,retrans=2"

// mounts returns the mounts of a container: bind mounts for directories on the machine, and
// for file servers volumes that the Docker engine mounts and removes with the container.
// follow enables mount propagation for directories of type oss.
func mounts(dirs []gateway.Directory, follow bool) []mount.Mount {
	var list []mount.Mount
	for _, d := range dirs {
		m := mount.Mount{Target: d.Path, ReadOnly: d.ReadOnly}
		switch d.Type {
		case gateway.DirectoryNAS, gateway.DirectoryCPFS:
			m.Type = mount.TypeVolume
			m.VolumeOptions = &mount.VolumeOptions{
				NoCopy:       true,
				DriverConfig: &mount.Driver{Name: "local", Options: nfsOptions(d)},
			}
		default:
			m.Type, m.Source = mount.TypeBind, d.Source
			if d.Type == gateway.DirectoryOSS && follow {
				// Makes a FUSE file system that is remounted on the machine visible.
				m.BindOptions = &mount.BindOptions{Propagation: mount.PropagationRSlave}
			}
		}
		list = append(list, m)
	}
	return list
}

func nfsOptions(d gateway.Directory) map[string]string {
	host, export, _ := strings.Cut(d.Source, ":")
	options := d.Options
	if options == "" {
		options = defaultNFS
	}
	return map[string]string{"type": "nfs", "o": "addr=" + host + "," + options, "device": ":" + export}
}
