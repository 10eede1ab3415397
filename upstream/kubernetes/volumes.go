package kubernetes

import (
	"fmt"
	"path"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/kubeapi"
	"github.com/livygateway/livygateway/upstream"
)

// volumes returns the volumes of a server: its configuration, places to write to, for its root
// file system is read-only, and the gateway's directories.
func (r *Runtime) volumes(a *kubeapi.Client, l *upstream.Launch) ([]corev1.Volume, []corev1.VolumeMount) {
	var volumes []corev1.Volume
	var mounts []corev1.VolumeMount
	add := func(name string, source corev1.VolumeSource, mount corev1.VolumeMount) {
		mount.Name = name
		volumes = append(volumes, corev1.Volume{Name: name, VolumeSource: source})
		mounts = append(mounts, mount)
	}
	name := podName(l.ServerID())
	object := corev1.LocalObjectReference{Name: name}
	sources := []corev1.VolumeProjection{
		{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: object}},
		{Secret: &corev1.SecretProjection{LocalObjectReference: object, Items: items(secretFiles(r.files(a, l)), "")}},
	}
	add("conf", corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: sources, DefaultMode: new(int32(0o440))}},
		corev1.VolumeMount{MountPath: confDir, ReadOnly: true})
	if len(l.ClusterFiles) > 0 {
		add("cluster", corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
			SecretName: name, Items: items(l.ClusterFiles, clusterPrefix), DefaultMode: new(int32(0o440)),
		}}, corev1.VolumeMount{MountPath: clusterDir, ReadOnly: true})
	}
	if l.Kubeconfig != "" {
		add("kubeconfig", corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
			SecretName: name, Items: items(map[string]string{kubeconfigFile: ""}, kubePrefix), DefaultMode: new(int32(0o440)),
		}}, corev1.VolumeMount{MountPath: kubeDir, ReadOnly: true})
	}
	for _, v := range []struct{ name, dir string }{{"home", workDir}, {"tmp", "/tmp"}, {"log", logDir}} {
		add(v.name, corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}, corev1.VolumeMount{MountPath: v.dir})
	}
	for i, d := range l.Directories {
		source, mount := r.directory(d)
		add(fmt.Sprintf("directory-%d", i+1), source, mount)
	}
	if d := l.Warehouse; d.Path != "" {
		source, mount := r.directory(d)
		mount.SubPath = path.Join(mount.SubPath, path.Base(d.Source))
		add("warehouse", source, mount)
	}
	return volumes, mounts
}

// items selects keys of a Secret by their prefix.
func items(files map[string]string, prefix string) []corev1.KeyToPath {
	var list []corev1.KeyToPath
	for _, name := range sorted(files) {
		list = append(list, corev1.KeyToPath{Key: prefix + name, Path: name})
	}
	return list
}

// directory returns the volume of a directory. A claim stands for it if the operator said so;
// other directories are those of the node, or exports of a file server.
func (r *Runtime) directory(d gateway.Directory) (corev1.VolumeSource, corev1.VolumeMount) {
	mount := corev1.VolumeMount{MountPath: d.Path, ReadOnly: d.ReadOnly}
	if claim := r.opts.Claims[d.Name]; claim != "" {
		claim, mount.SubPath, _ = strings.Cut(claim, "/")
		return corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim, ReadOnly: d.ReadOnly}}, mount
	}
	switch d.Type {
	case gateway.DirectoryNAS, gateway.DirectoryCPFS:
		host, export, _ := strings.Cut(d.Source, ":")
		return corev1.VolumeSource{NFS: &corev1.NFSVolumeSource{Server: host, Path: export, ReadOnly: d.ReadOnly}}, mount
	case gateway.DirectoryOSS:
		// Makes a FUSE file system that is remounted on the node visible.
		mount.MountPropagation = new(corev1.MountPropagationHostToContainer)
	}
	return corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: d.Source, Type: new(corev1.HostPathDirectory)}}, mount
}
