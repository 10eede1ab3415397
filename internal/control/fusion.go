package control

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/upstream"
)

// probeTimeout bounds the checks made next to a server that was just started.
const probeTimeout = 15 * time.Second

// probeFusion checks whether a gateway's acceleration works where its server was just
// started; off is the reason if it does not. A missing jar is an error. If jobs run
// elsewhere, or the runtime cannot check, acceleration stays on.
func (m *Manager) probeFusion(ctx context.Context, g *gateway.Gateway) (off string, err error) {
	r := m.resolve(g).inForce
	profile := r.Fusion
	prober, can := m.Runtime.(upstream.Prober)
	if profile == nil || !can || !r.Local() {
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
		there, err := prober.HasFile(ctx, g.ServerID(), path)
		if err != nil {
			m.Logger.Warn("cannot check for a jar", zap.String("gateway", g.ID), zap.String("jar", jar),
				zap.Error(err))
		} else if !there {
			return "", gateway.Invalid("fusion "+profile.Name+": jars", jar, "is not in engine "+r.Spec.Engine)
		}
	}
	if len(profile.CPUFlags) == 0 {
		return "", nil
	}
	have, err := prober.CPUFlags(ctx, g.ServerID())
	if err != nil {
		m.Logger.Warn("cannot read the CPU flags", zap.String("gateway", g.ID), zap.Error(err))
		return "", nil
	}
	for _, flag := range profile.CPUFlags {
		if !slices.Contains(have, flag) {
			return fmt.Sprintf("fusion %q is off: the CPU of the machine that it runs on has no %s",
				profile.Name, strings.ToUpper(flag)), nil
		}
	}
	return "", nil
}
