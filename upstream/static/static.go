// Package static connects gateways to existing Livy servers that are started and stopped by
// others.
package static

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/upstream"
)

// Runtime connects gateways to existing servers.
type Runtime struct {
	logger *zap.Logger

	mu      sync.Mutex
	started map[string]upstream.Instance // by server id
}

var _ upstream.Runtime = (*Runtime)(nil)

// New returns a Runtime without instances.
func New(logger *zap.Logger) (*Runtime, error) {
	return &Runtime{logger: logger, started: map[string]upstream.Instance{}}, nil
}

// Name returns "static".
func (r *Runtime) Name() string { return "static" }

// Close does nothing.
func (r *Runtime) Close() error { return nil }

// Start checks that the engine's URL answers and makes it the gateway's server. The
// configuration files have no effect.
func (r *Runtime) Start(ctx context.Context, l upstream.Launch) (upstream.Instance, error) {
	l.Engine = l.Engine.At(l.Number)
	server, err := l.Engine.LivyServer()
	if err != nil {
		return upstream.Instance{}, err
	}
	address := server.Address()
	if l.Warehouse.Name != "" {
		return upstream.Instance{}, gateway.Invalid("warehouse", l.Warehouse.Name,
			"is a directory, for which runtime static can start no metastore: name one as thrift://HOST:PORT")
	}
	if len(l.Directories) > 0 || l.Network != "" || len(l.ClusterFiles) > 0 {
		return upstream.Instance{}, gateway.Errorf(gateway.KindInvalid,
			"runtime static starts no server: %s cannot use directories, networks or a cluster's configuration", l.Engine.URL)
	}
	r.mu.Lock()
	old, running := r.started[l.ServerID()]
	r.mu.Unlock()
	if running && old.Epoch >= l.Epoch {
		return upstream.Instance{}, gateway.Errorf(gateway.KindConflict, "gateway %s already uses %s",
			l.GatewayID, l.Engine.URL)
	}
	version, err := upstream.VersionOf(ctx, server)
	if livy.IsRefused(err) && server.LogsIn() {
		return upstream.Instance{}, gateway.Wrap(gateway.KindUnavailable,
			l.Engine.URL+" refuses the login that engine "+l.Engine.Name+" has for it", err)
	}
	if err != nil {
		return upstream.Instance{}, gateway.Wrap(gateway.KindUnavailable, "no Livy at "+l.Engine.URL, err)
	}
	if err := l.Confirmed(ctx); err != nil {
		return upstream.Instance{}, err
	}
	r.logger.Info("connected to a Livy server", zap.String("gateway", l.GatewayID),
		zap.String("address", address), zap.String("version", version))
	inst := upstream.Instance{
		GatewayID: l.GatewayID, Number: max(1, l.Number), ID: idPrefix + address, Address: address,
		Started: time.Now().UTC(), Running: true, Epoch: l.Epoch,
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.started[l.ServerID()] = inst
	return inst, nil
}

// Stop disconnects from the server, which keeps running.
func (r *Runtime) Stop(_ context.Context, serverID string, upTo int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.started[serverID].Epoch <= upTo {
		delete(r.started, serverID)
	}
	return nil
}

// idPrefix is followed by the address, so that Adopt needs only the id.
const idPrefix = "static-"

// Adopt connects to the server that an earlier process was connected to.
func (r *Runtime) Adopt(serverID, instanceID string) {
	address, ok := strings.CutPrefix(instanceID, idPrefix)
	if !ok {
		return // the id of another runtime
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	gatewayID, number := gateway.SplitServerID(serverID)
	r.started[serverID] = upstream.Instance{
		GatewayID: gatewayID, Number: number, ID: instanceID, Address: address, Running: true,
	}
}

// Find returns the gateway's server if this process took it. Whether it answers is left
// to the callers: a server that is away may come back with all its sessions.
func (r *Runtime) Find(_ context.Context, serverID string) (upstream.Instance, bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	inst, ok := r.started[serverID]
	return inst, ok, nil
}

// Address returns the address of an engine's server with a number.
func (r *Runtime) Address(engine gateway.Engine, number int) (string, error) {
	server, err := engine.At(number).LivyServer()
	if err != nil {
		return "", err
	}
	return server.Address(), nil
}

// List returns the servers that this process took.
func (r *Runtime) List(context.Context) ([]upstream.Instance, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.started)), nil
}

// Logs returns nothing: the server's log is elsewhere.
func (r *Runtime) Logs(context.Context, string, int) ([]string, error) { return nil, nil }
