package gateway

import (
	"net/url"
	"os"
	"path"
	"strings"
)

// HistoryServer is a Spark history server: it shows the Spark UIs of what has finished.
type HistoryServer struct {
	// Where it is reached from here, e.g. `http://127.0.0.1:18080`.
	URL string `json:"url"`
	// The directory, as a path or URI, that every job is made to write its events
	// to and that the history server reads. Default: what the jobs' own settings say.
	EventLogs string `json:"event_logs,omitempty"`
}

// Validate checks what the operator wrote. A directory of this machine must be
// there: without it no job would start.
func (h *HistoryServer) Validate() error {
	if h.URL == "" {
		return Invalid("history server: url", "", "must be given")
	}
	u, err := url.Parse(h.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.User != nil || u.RawQuery != "" {
		return Invalid("history server: url", h.URL, "must be http://HOST:PORT or https://HOST:PORT")
	}
	if h.EventLogs == "" {
		return nil
	}
	u, err = url.Parse(h.EventLogs)
	if err != nil || u.Scheme == "" && !path.IsAbs(h.EventLogs) || strings.ContainsAny(h.EventLogs, " ,") {
		return Invalid("history server: event logs", h.EventLogs, "must be an absolute path or a URI such as hdfs:///spark-events")
	}
	if dir := h.LocalDir(); dir != "" {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return Invalid("history server: event logs", h.EventLogs, "must be a directory of this machine that is there")
		}
	}
	return nil
}

// LocalDir is EventLogs if that is a directory of this machine, else "".
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

// EventLogDir is EventLogs as Spark takes it: a path without a scheme would be
// one of the cluster's default file system. It is "" without a history server.
func (h *HistoryServer) EventLogDir() string {
	if h == nil {
		return ""
	}
	if path.IsAbs(h.EventLogs) {
		return "file:" + h.EventLogs
	}
	return h.EventLogs
}
