package livy

import "encoding/json"

// Session is an interactive session as Livy 0.8.0 replies it. Only what the
// gateway reads is here; replies to clients are never rebuilt from it.
type Session struct {
	ID    int64  `json:"id"`
	Name  string `json:"name"`
	AppID string `json:"appId"`
	Owner string `json:"owner"`
	// ProxyUser is the user that the job runs as.
	ProxyUser string `json:"proxyUser"`
	// State is one of not_started, starting, recovering, idle, running, busy,
	// shutting_down, error, dead, killed, success.
	State   string            `json:"state"`
	Kind    string            `json:"kind"`
	AppInfo map[string]string `json:"appInfo"`
	// Log is the last ten lines.
	Log []string `json:"log"`
}

// Batch is a batch as Livy 0.8.0 replies it.
type Batch struct {
	ID        int64             `json:"id"`
	Name      string            `json:"name"`
	Owner     string            `json:"owner"`
	ProxyUser string            `json:"proxyUser"`
	State     string            `json:"state"`
	AppID     string            `json:"appId"`
	AppInfo   map[string]string `json:"appInfo"`
	Log       []string          `json:"log"`
}

// List is a page of sessions or batches, in the order of their creation.
type List[T Session | Batch] struct {
	From  int64 `json:"from"`
	Total int64 `json:"total"`
	// Sessions holds batches as well: Livy calls both so.
	Sessions []T `json:"sessions"`
}

// Log is the reply of .../log.
type Log struct {
	ID    int64    `json:"id"`
	From  int64    `json:"from"`
	Total int64    `json:"total"`
	Log   []string `json:"log"`
}

// Statement is one piece of code run in a session.
type Statement struct {
	ID   int64  `json:"id"`
	Code string `json:"code"`
	// State is one of waiting, running, available, cancelling, cancelled.
	State string `json:"state"`
	// Output is null until the statement has ended.
	Output   json.RawMessage `json:"output"`
	Progress float64         `json:"progress"`
	// Started and Completed are milliseconds since 1970, 0 before.
	Started   int64 `json:"started"`
	Completed int64 `json:"completed"`
}

// Statements is the reply of .../statements.
type Statements struct {
	Total      int64       `json:"total_statements"`
	Statements []Statement `json:"statements"`
}

// Version is the reply of /version.
type Version struct {
	Version  string `json:"version"`
	User     string `json:"user"`
	Revision string `json:"revision"`
	Branch   string `json:"branch"`
	Date     string `json:"date"`
	URL      string `json:"url"`
}

// Message is the body of most of Livy's errors and of some successes.
type Message struct {
	Msg string `json:"msg"`
}

// Finished reports whether a session or batch in this state has ended for good.
func Finished(state string) bool {
	switch state {
	case "error", "dead", "killed", "success":
		return true
	}
	return false
}
