package resolved

import (
	"maps"
	"strconv"
	"strings"

	"github.com/livygateway/livygateway/internal/gateway"
)

// environment returns the gateway's environment, with the settings that mount directories on
// Kubernetes; nil if there is neither.
func (r *Gateway) environment() *gateway.Environment {
	volumes := map[string]string{}
	if r.Kubernetes() {
		volumes = r.volumes()
	}
	if r.Environment == nil {
		if len(volumes) == 0 {
			return nil
		}
		return &gateway.Environment{Name: "directories", Conf: volumes}
	}
	e := *r.Environment
	for _, list := range []*[]string{&e.PyFiles, &e.Jars, &e.Files, &e.Archives} {
		*list = e.Resolve(*list)
	}
	maps.Copy(volumes, e.Conf)
	e.Conf = volumes
	return &e
}

// volumes returns the settings that mount directories into drivers and, with
// MountToExecutor, executors on Kubernetes.
func (r *Gateway) volumes() map[string]string {
	conf := make(map[string]string)
	pods := []string{"driver"}
	if r.Spec.MountToExecutor {
		pods = append(pods, "executor")
	}
	for _, d := range r.Directories {
		for _, pod := range pods {
			kind := "hostPath."
			if d.Type == gateway.DirectoryNAS || d.Type == gateway.DirectoryCPFS {
				kind = "nfs."
			}
			prefix := "spark.kubernetes." + pod + ".volumes." + kind + volumeName(d.Name) + "."
			conf[prefix+"mount.path"] = d.Path
			conf[prefix+"mount.readOnly"] = strconv.FormatBool(d.ReadOnly)
			if kind == "nfs." {
				conf[prefix+"options.server"], conf[prefix+"options.path"], _ = strings.Cut(d.Source, ":")
			} else {
				conf[prefix+"options.path"] = d.Source
			}
		}
	}
	return conf
}

// volumeName returns a valid Kubernetes name.
func volumeName(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(name))
}
