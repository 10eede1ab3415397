// Package livy implements the REST protocol of Apache Livy 0.8.0: the table of routes, strict
// parsing of request lines, rewriting of ids in replies, reply types, a small client and the
// format of configuration files. It does not depend on gateways.
package livy

// Kind is a session or a batch.
type Kind string

// The kinds.
const (
	KindSession Kind = "session" // interactive, under /sessions
	KindBatch   Kind = "batch"   // one job, under /batches
)

// Collection returns the first path segment of a kind: "sessions" or "batches".
func (k Kind) Collection() string {
	if k == KindBatch {
		return "batches"
	}
	return "sessions"
}

// BodyKind is the type of a route's request body.
type BodyKind int

// The types of request bodies.
const (
	BodyNone       BodyKind = iota // none; a body is not forwarded
	BodyCreate                     // a session or batch to create
	BodyStatement                  // {"code", "kind"}
	BodyCompletion                 // {"code", "kind", "cursor"}
	BodyJob                        // {"job", "jobType"}: serialised code
	BodyURI                        // {"uri"}: a file to add to a session
	BodyUpload                     // multipart/form-data with one file
)

// ReplyKind is the position of session or batch ids in a reply.
type ReplyKind int

// The types of replies, as far as ids are concerned.
const (
	ReplyOther ReplyKind = iota // no session or batch id in it
	ReplyOne                    // an object with "id"
	ReplyList                   // an object with "sessions": objects with "id"
)

// Route is one method and path that Livy 0.8.0 serves and the gateway supports.
type Route struct {
	// Name is a stable name used in settings, records and metrics, e.g.
	// "session.statement.create".
	Name string
	// Method is GET, POST or DELETE. A GET route also serves HEAD.
	Method string
	// Template is the path below Livy's root; {id} is a session or batch, {sub}
	// a statement or job.
	Template string
	// Kind is empty for /version.
	Kind Kind
	// Create is true for the two routes that create a session or batch.
	Create bool
	// Collection is true for the routes of /sessions and /batches themselves.
	Collection bool
	// HasID and HasSub report whether {id} and {sub} are in Template.
	HasID, HasSub bool
	// Body is the type of the request body.
	Body BodyKind
	// Reply is the type of a successful reply.
	Reply ReplyKind
	// Page is true if the route uses the query parameters from and size, Order if it uses order.
	Page, Order bool
	// Part is the form field of an upload: "jar" or "file".
	Part string
}

// Routes is the allow-list of everything in Livy 0.8.0 that a client may reach. It leaves out
// /metrics (thread dumps for anyone), /ui and /static (unescaped names), the redirect at /
// and the Thrift pages.
var Routes = []Route{
	{Name: "version", Method: "GET", Template: "/version"},

	{Name: "session.list", Method: "GET", Template: "/sessions", Kind: KindSession, Reply: ReplyList, Page: true},
	{
		Name: "session.create", Method: "POST", Template: "/sessions", Kind: KindSession, Create: true,
		Body: BodyCreate, Reply: ReplyOne,
	},
	{Name: "session.get", Method: "GET", Template: "/sessions/{id}", Kind: KindSession, Reply: ReplyOne},
	{Name: "session.delete", Method: "DELETE", Template: "/sessions/{id}", Kind: KindSession},
	{Name: "session.state", Method: "GET", Template: "/sessions/{id}/state", Kind: KindSession, Reply: ReplyOne},
	{
		Name: "session.log", Method: "GET", Template: "/sessions/{id}/log", Kind: KindSession, Reply: ReplyOne,
		Page: true,
	},
	{Name: "session.stop", Method: "POST", Template: "/sessions/{id}/stop", Kind: KindSession},
	{Name: "session.interrupt", Method: "POST", Template: "/sessions/{id}/interrupt", Kind: KindSession},
	{
		Name: "session.connect", Method: "POST", Template: "/sessions/{id}/connect", Kind: KindSession,
		Reply: ReplyOne,
	},
	{
		Name: "session.statement.list", Method: "GET", Template: "/sessions/{id}/statements", Kind: KindSession,
		Page: true, Order: true,
	},
	{
		Name: "session.statement.create", Method: "POST", Template: "/sessions/{id}/statements", Kind: KindSession,
		Body: BodyStatement,
	},
	{
		Name: "session.statement.get", Method: "GET", Template: "/sessions/{id}/statements/{sub}",
		Kind: KindSession,
	},
	{
		Name: "session.statement.cancel", Method: "POST", Template: "/sessions/{id}/statements/{sub}/cancel",
		Kind: KindSession,
	},
	{
		Name: "session.completion", Method: "POST", Template: "/sessions/{id}/completion", Kind: KindSession,
		Body: BodyCompletion,
	},
	{
		Name: "session.job.submit", Method: "POST", Template: "/sessions/{id}/submit-job", Kind: KindSession,
		Body: BodyJob,
	},
	{
		Name: "session.job.run", Method: "POST", Template: "/sessions/{id}/run-job", Kind: KindSession,
		Body: BodyJob,
	},
	{Name: "session.job.get", Method: "GET", Template: "/sessions/{id}/jobs/{sub}", Kind: KindSession},
	{Name: "session.job.cancel", Method: "POST", Template: "/sessions/{id}/jobs/{sub}/cancel", Kind: KindSession},
	{
		Name: "session.upload.jar", Method: "POST", Template: "/sessions/{id}/upload-jar", Kind: KindSession,
		Body: BodyUpload, Part: "jar",
	},
	{
		Name: "session.upload.pyfile", Method: "POST", Template: "/sessions/{id}/upload-pyfile", Kind: KindSession,
		Body: BodyUpload, Part: "file",
	},
	{
		Name: "session.upload.file", Method: "POST", Template: "/sessions/{id}/upload-file", Kind: KindSession,
		Body: BodyUpload, Part: "file",
	},
	{
		Name: "session.add.jar", Method: "POST", Template: "/sessions/{id}/add-jar", Kind: KindSession,
		Body: BodyURI,
	},
	{
		Name: "session.add.pyfile", Method: "POST", Template: "/sessions/{id}/add-pyfile", Kind: KindSession,
		Body: BodyURI,
	},
	{
		Name: "session.add.file", Method: "POST", Template: "/sessions/{id}/add-file", Kind: KindSession,
		Body: BodyURI,
	},

	{Name: "batch.list", Method: "GET", Template: "/batches", Kind: KindBatch, Reply: ReplyList, Page: true},
	{
		Name: "batch.create", Method: "POST", Template: "/batches", Kind: KindBatch, Create: true, Body: BodyCreate,
		Reply: ReplyOne,
	},
	{Name: "batch.get", Method: "GET", Template: "/batches/{id}", Kind: KindBatch, Reply: ReplyOne},
	{Name: "batch.delete", Method: "DELETE", Template: "/batches/{id}", Kind: KindBatch},
	{Name: "batch.state", Method: "GET", Template: "/batches/{id}/state", Kind: KindBatch, Reply: ReplyOne},
	{
		Name: "batch.log", Method: "GET", Template: "/batches/{id}/log", Kind: KindBatch, Reply: ReplyOne,
		Page: true,
	},
}

// RouteByName returns a route by its name.
func RouteByName(name string) (*Route, bool) {
	for i := range Routes {
		if Routes[i].Name == name {
			return &Routes[i], true
		}
	}
	return nil, false
}
