package gateway

import (
	"net/url"
	"os"
	"path"
	"strings"
)

// HistoryServer is a Spark history server, which shows the Spark UIs of finished applications.
type HistoryServer struct {
	// The URL of the history server, e.g. `http://127.0.0.1:18080`.
	URL string `json:"url"`
	// The directory, as a path or URI, that every job writes its event logs to and that
	// the history server reads. Default: that of the jobs' own settings.
	EventLogs string `json:"event_logs,omitempty"`
}

// Validate checks the settings. A local directory must exist: without it no job would start.
func (h *HistoryServer) Validate() error {
	if h.URL == "" {
		return Invalid("history server: url", "", "is required")
	}
	u, err := url.Parse(h.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" ||
		u.Path != "" && u.Path != "/" || u.User != nil || u.RawQuery != "" {
		return Invalid("history server: url", h.URL, "must be http://HOST:PORT or https://HOST:PORT")
	}
	if h.EventLogs == "" {
		return nil
	}
	u, err = url.Parse(h.EventLogs)
	if err != nil || u.Scheme == "" && !path.IsAbs(h.EventLogs) || strings.ContainsAny(h.EventLogs, " ,") {
		return Invalid("history server: event logs", h.EventLogs,
			"must be an absolute path or a URI such as hdfs:///spark-events")
	}
	if dir := h.LocalDir(); dir != "" {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return Invalid("history server: event logs", h.EventLogs,
				"must be an existing directory on this machine")
		}
	}
	return nil
}

// LocalDir returns EventLogs if it is a directory on this machine, otherwise "".
func (h *HistoryServer) LocalDir() string {
	if h == nil {
		return ""
	}
	u, err := url.Parse(h.EventLogs)
	if err != nil || u.Scheme != "" && u.Scheme != "file" || u.Host != "" {
		return ""
	}
	return u.Path
}

// EventLogDir returns EventLogs as a URI for Spark, which resolves paths without a scheme on
// the cluster's default file system. It is "" without a history server.
func (h *HistoryServer) EventLogDir() string {
	if h == nil {
		return ""
	}
	if path.IsAbs(h.EventLogs) {
		return "file:" + h.EventLogs
	}
	return h.EventLogs
}
