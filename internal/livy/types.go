package livy

import "encoding/json"

// Session is an interactive session in a reply of Livy 0.8.0. It has only the fields that the
// gateway reads; replies to clients are never built from it.
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
	// Log holds the last ten lines.
	Log []string `json:"log"`
}

// Batch is a batch in a reply of Livy 0.8.0.
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
	// Sessions also holds batches: Livy uses this name for both.
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
	// Started and Completed are Unix milliseconds, 0 before.
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

// Message is the body of most error replies and of some successful ones.
type Message struct {
	Msg string `json:"msg"`
}

// Finished reports whether a state is final.
func Finished(state string) bool {
	switch state {
	case "error", "dead", "killed", "success":
		return true
	}
	return false
}
