package control

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/policies"
	"github.com/livygateway/livygateway/upstream"
)

// fusion is a gateway's acceleration, nil if it has none or if it was found not to
// work where the gateway runs.
func (m *Manager) fusion(g *gateway.Gateway) *policies.Fusion {
	profile, ok := m.Catalog().FusionProfile(g.Spec.Fusion)
	if !ok || g.Status.FusionOff != "" {
		return nil
	}
	return &policies.Fusion{Name: profile.Name, Conf: profile.Conf, Jars: profile.Jars}
}

// probeTimeout bounds a look around where a server was just started.
const probeTimeout = 15 * time.Second

// probeFusion looks whether a gateway's acceleration works where its server was
// just started: off says why it does not. A jar that is missing is an error. Where
// jobs run elsewhere, or nobody can look, nothing is known, and it is on.
func (m *Manager) probeFusion(ctx context.Context, g *gateway.Gateway) (off string, err error) {
	profile, ok := m.Catalog().FusionProfile(g.Spec.Fusion)
	prober, can := m.Runtime.(upstream.Prober)
	if !ok || !can || !strings.HasPrefix(m.master(g), "local") {
		return "", nil
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	for _, jar := range profile.Jars {
		scheme, path, _ := strings.Cut(jar, ":")
		if scheme != "local" && scheme != "file" {
			continue
		}
		path = "/" + strings.TrimLeft(path, "/")
		there, err := prober.HasFile(ctx, g.ID, path)
		if err != nil {
			m.Logger.Warn("looking for a jar", zap.String("gateway", g.ID), zap.String("jar", jar), zap.Error(err))
		} else if !there {
			return "", gateway.Invalid("fusion "+profile.Name+": jars", jar, "is not in engine "+g.Spec.Engine)
		}
	}
	if len(profile.CPUFlags) == 0 {
		return "", nil
	}
	have, err := prober.CPUFlags(ctx, g.ID)
	if err != nil {
		m.Logger.Warn("looking at the CPU", zap.String("gateway", g.ID), zap.Error(err))
		return "", nil
	}
	for _, flag := range profile.CPUFlags {
		if !slices.Contains(have, flag) {
			return fmt.Sprintf("fusion %q is off: the CPU of the machine that it runs on has no %s", profile.Name, strings.ToUpper(flag)), nil
		}
	}
	return "", nil
}

// leastDriver is the memory that a driver needs beside everything else.
const leastDriver = 1 << 30

// checkOffHeap counts a profile's memory outside of the heap: where drivers run
// beside Livy, they share the gateway's memory with it.
func (m *Manager) checkOffHeap(g *gateway.Gateway) error {
	f := m.fusion(g)
	if f == nil || !strings.HasPrefix(m.master(g), "local") {
		return nil
	}
	const key = "spark.memory.offHeap.size"
	size := f.Conf[key]
	if size == "" {
		return nil
	}
	bytes, ok := policies.SizeBytes(size)
	if !ok {
		return gateway.Invalid("fusion "+f.Name+": "+key, size, "must be a size such as 1g")
	}
	memory := g.Spec.MemoryBytes()
	if bytes+upstream.LivyHeap(memory)+leastDriver > memory {
		return gateway.Invalid("fusion", f.Name, fmt.Sprintf(
			"takes %s outside of the heap; with Livy's own memory and 1 GiB for a driver that is more than the gateway's %s", size, g.Spec.Memory))
	}
	return nil
}
