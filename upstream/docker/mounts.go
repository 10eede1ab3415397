package docker

import (
	"strings"

	"github.com/moby/moby/api/types/mount"

	"github.com/livygateway/livygateway/internal/gateway"
)

// defaultNFS are mount options under which a file server that is away makes
// jobs fail after some minutes instead of hanging for ever.
const defaultNFS = "nfsvers=4,soft,timeo=600,retrans=2"

// mounts says how a container gets directories: those of the machine are bound,
// those of file servers are volumes that the Docker engine mounts and that go
// with the container. follow says whether what is mounted later in a directory of
// type oss is to be seen.
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
				// A FUSE mount that is mounted anew on the machine shall be seen.
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
