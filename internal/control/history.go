package control

import (
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/resolved"
	"github.com/livygateway/livygateway/upstream"
)

// History returns the Spark history server of the configuration in force, or nil if there
// is none.
func (m *Manager) History() *gateway.HistoryServer { return m.settings.Load().History }

// eventLogsKey is the key in a gateway's launch fingerprints of the local event log
// directory that its server was started with.
const eventLogsKey = "event logs"

// awaitsEventLogs reports whether a gateway's container or pod was started before the event log
// directory was configured and so does not have it mounted: jobs that write event logs there
// would fail to start.
func (m *Manager) awaitsEventLogs(g *gateway.Gateway) bool {
	dir := m.History().LocalDir()
	launched := g.Status.Launched
	_, mounts := m.Runtime.(upstream.Mounter)
	return dir != "" && mounts && launched != nil && launched[eventLogsKey] != dir
}

// launchFingerprints returns fingerprints of the settings that a server is started with.
func (m *Manager) launchFingerprints(r *resolved.Gateway) map[string]string {
	prints := r.Fingerprints()
	if dir := m.History().LocalDir(); dir != "" {
		prints[eventLogsKey] = dir
	}
	return prints
}
