// Package docker runs each Livy server in its own container, with the gateway's CPU and
// memory limits. Containers outlive the process that started them and are found again by
// their labels.
package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/upstream"
)

// Labels of the containers.
const (
	labelPrefix    = "io.github.livygateway."
	labelNamespace = labelPrefix + "namespace"
	labelGateway   = labelPrefix + "gateway"
	labelNumber    = labelPrefix + "number" // containers of earlier versions have none
	labelWorkspace = labelPrefix + "workspace"
	labelName      = labelPrefix + "name"
	labelEngine    = labelPrefix + "engine"
	labelInstall   = labelPrefix + "installation"
	labelEpoch     = labelPrefix + "epoch"
)

// Properties of the image.
const (
	confDir = "/etc/livy"   // where Livy looks for its configuration
	workDir = "/home/livy"  // home of user; working directory of drivers if archives are unpacked there
	user    = "10001:10001" // the user that Livy runs as
	userID  = 10001
	groupID = 10001

	// Separate from confDir, whose files may contain passwords: Spark sends all of
	// HADOOP_CONF_DIR to the cluster.
	clusterDir = "/etc/livy-cluster"
	// Spark copies what is in the other two into the pods of jobs.
	kubeDir = "/etc/livy-kube"
)

// livyPort is where Livy listens inside its container.
var livyPort = network.MustParsePort("8998/tcp")

// maxProcesses bounds the processes and threads of a container, against fork bombs. It is far
// above what Livy and its drivers need.
const maxProcesses = 8192

// Options are the options of a Runtime.
type Options struct {
	// Host of the Docker engine, e.g. unix:///var/run/docker.sock; default: DOCKER_HOST
	// and related variables, otherwise the local engine.
	Host string
	// Namespace separates the containers of this installation from those of others on the
	// same engine; default "default".
	Namespace string
	// Network is a Docker network that the containers join; default: the engine's default
	// network.
	Network string
	// Publish is the address of this machine on which Livy's ports are published, and at
	// which all instances connect; default 127.0.0.1. Only Livy Gateway should be able to
	// reach it, since Livy itself has no authentication.
	Publish netip.Addr
	// Direct publishes no port: instances connect to the container's address in its
	// network, which they must have joined themselves.
	Direct bool
	// LogDir is a directory for the last log of each gateway, so that it can be read after
	// this process ends; default: it is kept in memory.
	LogDir string
	// Grace is how long a server may take to end before it is killed; default 10 s.
	Grace time.Duration
}

// Runtime runs Livy servers in containers.
type Runtime struct {
	opts   Options
	logger *zap.Logger
	api    *client.Client
	last   upstream.LastLogs
}

var (
	_ upstream.Runtime   = (*Runtime)(nil)
	_ upstream.Forgetter = (*Runtime)(nil)
)

// New returns a Runtime. It does no I/O.
func New(opts Options, logger *zap.Logger) (*Runtime, error) {
	if opts.Namespace == "" {
		opts.Namespace = "default"
	}
	if !opts.Publish.IsValid() {
		opts.Publish = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	if opts.Grace <= 0 {
		opts.Grace = 10 * time.Second
	}
	settings := []client.Opt{client.FromEnv}
	if opts.Host != "" {
		settings = append(settings, client.WithHost(opts.Host))
	}
	option, host := "host", opts.Host
	if host == "" {
		option, host = client.EnvOverrideHost, os.Getenv(client.EnvOverrideHost)
	}
	if host != "" {
		if err := checkHost(option, host); err != nil {
			return nil, err
		}
	}
	if err := checkNetwork(opts.Network); err != nil {
		return nil, err
	}
	api, err := client.New(settings...)
	if err != nil {
		return nil, gateway.Wrap(gateway.KindInvalid, "reading the Docker engine's address", err)
	}
	return &Runtime{opts: opts, logger: logger, api: api, last: upstream.LastLogs{Dir: opts.LogDir}}, nil
}

// Name returns "docker".
func (r *Runtime) Name() string { return "docker" }

var _ upstream.Mounter = (*Runtime)(nil)

// MountsDirectories marks a Mounter.
func (r *Runtime) MountsDirectories() {}

// Close closes the connection; containers keep running.
func (r *Runtime) Close() error { return r.api.Close() }

func containerName(serverID string) string { return "livygw-" + serverID }

// Start starts a container; see upstream.Runtime.
func (r *Runtime) Start(ctx context.Context, l upstream.Launch) (upstream.Instance, error) {
	if l.Engine.Image == "" {
		return upstream.Instance{}, gateway.Invalid("engine "+l.Engine.Name+": image", "",
			"must name a container image")
	}
	old, ok, err := r.Find(ctx, l.ServerID())
	if err != nil {
		return upstream.Instance{}, err
	}
	if ok && (old.Running && old.Epoch >= l.Epoch || old.Epoch > l.Epoch) {
		return upstream.Instance{}, gateway.Errorf(gateway.KindConflict,
			"gateway %s already runs as container %s", l.ServerID(), old.ID)
	}
	if ok { // it crashed, or was started by an instance that had lost the lease
		if err := r.Stop(ctx, l.ServerID(), l.Epoch); err != nil {
			return upstream.Instance{}, err
		}
	}
	inst, err := r.run(ctx, l, true)
	if err != nil && strings.Contains(err.Error(), notShared) {
		r.logger.Warn("a directory is not on a shared mount of the Docker engine's machine: if it is remounted there, restart this gateway",
			zap.String("gateway", l.ServerID()), zap.Error(err))
		inst, err = r.run(ctx, l, false)
	}
	if err != nil {
		return upstream.Instance{}, err
	}
	r.logger.Info("started a Livy container", zap.String("gateway", l.ServerID()),
		zap.String("instance", inst.ID), zap.String("address", inst.Address))
	return inst, nil
}

// notShared is part of the Docker engine's error if mount propagation is impossible.
const notShared = "is not a shared or slave mount"

// run creates and starts a container; follow enables mount propagation for directories of
// type oss.
func (r *Runtime) run(ctx context.Context, l upstream.Launch, follow bool) (upstream.Instance, error) {
	// Names are unique in the engine: of concurrent callers only one succeeds.
	created, err := r.api.ContainerCreate(ctx, client.ContainerCreateOptions{
		Name: containerName(l.ServerID()), Config: r.config(l), HostConfig: r.hostConfig(l, follow),
	})
	if err != nil {
		return upstream.Instance{}, startError(l, "creating the container", err)
	}
	inst, err := r.fillAndStart(ctx, l, created.ID)
	if err != nil {
		r.remove(created.ID)
		return upstream.Instance{}, err
	}
	return inst, nil
}

func (r *Runtime) fillAndStart(ctx context.Context, l upstream.Launch, id string) (upstream.Instance, error) {
	conf, err := upstream.WithHome(upstream.WithAddress(l.Files, "0.0.0.0", int(livyPort.Num())), workDir)
	if err != nil {
		return upstream.Instance{}, err
	}
	conf = upstream.WithMetastore(conf, l.Warehouse.Path, "127.0.0.1", upstream.MetastorePort)
	dirs := map[string]map[string]string{confDir: conf, clusterDir: l.ClusterFiles}
	if l.Kubeconfig != "" {
		dirs[kubeDir] = map[string]string{"config": l.Kubeconfig}
	}
	files, err := tarball(dirs)
	if err != nil {
		return upstream.Instance{}, err
	}
	if _, err := r.api.CopyToContainer(ctx, id,
		client.CopyToContainerOptions{DestinationPath: "/", Content: files}); err != nil {
		return upstream.Instance{}, startError(l, "copying the configuration into the container", err)
	}
	if err := r.unpack(ctx, l, id); err != nil {
		return upstream.Instance{}, err
	}
	if err := r.ownWarehouse(ctx, l, id); err != nil {
		return upstream.Instance{}, err
	}
	if err := l.Confirmed(ctx); err != nil {
		return upstream.Instance{}, err
	}
	if _, err := r.api.ContainerStart(ctx, id, client.ContainerStartOptions{}); err != nil {
		return upstream.Instance{}, startError(l, "starting the container", err)
	}
	got, err := r.api.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return upstream.Instance{}, startError(l, "inspecting the container", err)
	}
	inst := r.instance(got.Container)
	if inst.Running && inst.Address == "" {
		return upstream.Instance{}, gateway.Errorf(gateway.KindUnavailable,
			"the Docker engine gave gateway %s no address", l.ServerID())
	}
	return inst, nil
}

// remove undoes a start, even if the caller's context has ended.
func (r *Runtime) remove(id string) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	_, err := r.api.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	if err != nil && !cerrdefs.IsNotFound(err) {
		r.logger.Error("could not remove a container that did not start",
			zap.String("container", id), zap.Error(err))
	}
}

func (r *Runtime) config(l upstream.Launch) *container.Config {
	env := map[string]string{"LIVY_CONF_DIR": confDir, "SPARK_CONF_DIR": confDir}
	if len(l.ClusterFiles) > 0 {
		env["HADOOP_CONF_DIR"] = clusterDir
	}
	if l.Kubeconfig != "" {
		env["KUBECONFIG"] = kubeDir + "/config"
	}
	maps.Copy(env, l.Env)
	var list []string
	for _, k := range slices.Sorted(maps.Keys(env)) {
		list = append(list, k+"="+env[k])
	}
	dir := "" // the image's default
	if len(l.Archives) > 0 {
		dir = workDir
	}
	return &container.Config{
		Image: l.Engine.Image, User: user, Env: list, WorkingDir: dir,
		ExposedPorts: network.PortSet{livyPort: {}},
		Labels: map[string]string{
			labelNamespace: r.opts.Namespace, labelGateway: l.GatewayID, labelNumber: strconv.Itoa(max(1, l.Number)), labelWorkspace: l.Workspace,
			labelName: l.Name, labelEngine: l.Engine.Name, labelInstall: l.Installation,
			labelEpoch: strconv.FormatInt(l.Epoch, 10),
		},
	}
}

func (r *Runtime) hostConfig(l upstream.Launch, follow bool) *container.HostConfig {
	limit := int64(maxProcesses)
	joined := l.Network
	if joined == "" {
		joined = r.opts.Network
	}
	ports := network.PortMap{livyPort: {{HostIP: r.opts.Publish}}}
	if r.opts.Direct {
		ports = nil
	}
	return &container.HostConfig{
		NetworkMode:  container.NetworkMode(joined),
		Mounts:       mounts(l.Directories, follow),
		Binds:        warehouse(l.Warehouse),
		PortBindings: ports,
		// Restarts are handled by the gateway, because Livy's ids begin again.
		RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyDisabled},
		CapDrop:       []string{"ALL"},
		SecurityOpt:   []string{"no-new-privileges"},
		LogConfig: container.LogConfig{
			Type:   "json-file",
			Config: map[string]string{"max-size": "10m", "max-file": "3"},
		},
		Resources: container.Resources{
			NanoCPUs: int64(l.CPU) * 1e9, Memory: l.Memory, MemorySwap: l.Memory, // no swap on top
			PidsLimit: &limit,
		},
	}
}

// tarball packs files by directory and base name, readable by the server's group only, since
// they may contain passwords. Directories without files are left out.
func tarball(dirs map[string]map[string]string) (*bytes.Buffer, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	put := func(h *tar.Header, content string) error {
		h.Size = int64(len(content))
		if err := w.WriteHeader(h); err != nil {
			return fmt.Errorf("packing the configuration: %w", err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			return fmt.Errorf("packing the configuration: %w", err)
		}
		return nil
	}
	if err := put(&tar.Header{Typeflag: tar.TypeDir, Name: "etc/", Mode: 0o755}, ""); err != nil {
		return nil, err
	}
	for _, dir := range slices.Sorted(maps.Keys(dirs)) {
		files := dirs[dir]
		if len(files) == 0 {
			continue
		}
		dir = strings.TrimPrefix(dir, "/")
		if err := put(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o750, Gid: groupID},
			""); err != nil {
			return nil, err
		}
		for _, name := range slices.Sorted(maps.Keys(files)) {
			h := &tar.Header{Typeflag: tar.TypeReg, Name: dir + "/" + name, Mode: 0o640, Gid: groupID}
			if err := put(h, files[name]); err != nil {
				return nil, err
			}
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("packing the configuration: %w", err)
	}
	return &buf, nil
}

// startError returns the error of a failed start, with advice where possible.
func startError(l upstream.Launch, doing string, err error) error {
	switch {
	case client.IsErrConnectionFailed(err):
		return engineAway(err)
	case cerrdefs.IsNotFound(err) && strings.Contains(strings.ToLower(err.Error()), "image"):
		return gateway.Invalid("engine "+l.Engine.Name+": image", l.Engine.Image,
			"does not exist on the Docker engine; build it with scripts/build-engine-image, or pull it")
	case cerrdefs.IsConflict(err):
		return gateway.Wrap(gateway.KindConflict, doing+" of gateway "+l.ServerID(), err)
	case cerrdefs.IsInvalidArgument(err), cerrdefs.IsNotFound(err):
		return gateway.Wrap(gateway.KindInvalid, doing+" of gateway "+l.ServerID(), err)
	default:
		return gateway.Wrap(gateway.KindUnavailable, doing+" of gateway "+l.ServerID(), err)
	}
}

func engineAway(err error) error {
	return gateway.Wrap(gateway.KindUnavailable, "the Docker engine does not answer", err)
}

// callError returns the error of a failed call other than a start.
func callError(doing string, err error) error {
	if client.IsErrConnectionFailed(err) {
		return engineAway(err)
	}
	return gateway.Wrap(gateway.KindUnavailable, doing, err)
}
