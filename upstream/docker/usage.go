package docker

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/upstream"
)

// Usage returns what the gateway's container uses; see upstream.Meter.
func (r *Runtime) Usage(ctx context.Context, serverID string) (upstream.Usage, error) {
	inst, ok, err := r.Find(ctx, serverID)
	if err != nil {
		return upstream.Usage{}, err
	}
	if !ok || !inst.Running {
		return upstream.Usage{}, gateway.Errorf(gateway.KindNotFound, "gateway %s has no running container", serverID)
	}
	doing := "reading the usage of the container of gateway " + serverID
	// Without the previous sample, the engine answers at once.
	reply, err := r.api.ContainerStats(ctx, containerName(serverID), client.ContainerStatsOptions{})
	if err != nil {
		return upstream.Usage{}, callError(doing, err)
	}
	defer reply.Body.Close()
	var stats container.StatsResponse
	if err := json.NewDecoder(reply.Body).Decode(&stats); err != nil {
		return upstream.Usage{}, fmt.Errorf("%s: %w", doing, err)
	}
	return upstream.Usage{
		Instance:    inst.ID,
		CPUSeconds:  float64(stats.CPUStats.CPUUsage.TotalUsage) / 1e9,
		MemoryBytes: memoryUsed(&stats.MemoryStats),
	}, nil
}

// memoryUsed returns the memory in use as `docker stats` shows it: without the inactive part of the
// file cache, which has another name in each version of cgroups.
func memoryUsed(m *container.MemoryStats) int64 {
	used := m.Usage
	for _, name := range []string{"total_inactive_file", "inactive_file"} {
		if cache, ok := m.Stats[name]; ok && cache < used {
			used -= cache
			break
		}
	}
	return int64(used)
}

// Interface guard
var _ upstream.Meter = (*Runtime)(nil)
