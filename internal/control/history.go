package control

import (
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/resolved"
)

// History is the Spark history server that the configuration in force names; nil
// if there is none.
func (m *Manager) History() *gateway.HistoryServer { return m.settings.Load().History }

// eventLogsMark is where a gateway's launch marks have the directory of this
// machine that its server was started with, to write events to.
const eventLogsMark = "event logs"

// awaitsEventLogs says whether a gateway's container was started before the
// directory for events was configured, and so does not have it: jobs that wrote
// there would not start.
func (m *Manager) awaitsEventLogs(g *gateway.Gateway) bool {
	dir := m.History().LocalDir()
	return dir != "" && m.Runtime.Name() == "docker" && g.Status.Launched != nil && g.Status.Launched[eventLogsMark] != dir
}

// launchMarks are short marks of what a server is started with.
func (m *Manager) launchMarks(r *resolved.Gateway) map[string]string {
	marks := r.Marks()
	if dir := m.History().LocalDir(); dir != "" {
		marks[eventLogsMark] = dir
	}
	return marks
}
