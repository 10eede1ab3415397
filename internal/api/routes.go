package api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/livygateway/livygateway/internal/access"
	"github.com/livygateway/livygateway/internal/accesskeys"
	"github.com/livygateway/livygateway/internal/budgets"
	"github.com/livygateway/livygateway/internal/control"
	"github.com/livygateway/livygateway/internal/events"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/tokens"
)

// Route is one call of the API: its handler, and its description in openapi.json.
type Route struct {
	Method string
	// Path has the parameters {workspace}, {gateway}, {record}, {token},
	// {key} and {environment}.
	Path string
	// Name is the call's operationId, Summary and Doc its description.
	Name, Summary, Doc string
	// Access is who may make the call.
	Access access.Action
	// Query are the query parameters.
	Query []Param
	// Body is a value of the request body's type; nil for none.
	Body any
	// Required names the fields that the body must have.
	Required []string
	// Conditional reports whether the call supports If-Match.
	Conditional bool
	// Status is the status of success, Reply a value of the reply's type; nil for none.
	Status int
	Reply  any
	// Accepted is a value of the type of the reply with 202, for calls that can take longer
	// than their reply waits; nil for the others.
	Accepted any
	// Type is the reply's content type; empty means JSON.
	Type string
	// Errors are the error statuses besides those of all calls.
	Errors []int

	handle func(*call) error
}

// Tagged reports whether replies have an ETag for If-None-Match: all JSON reads except the health
// check.
func (r *Route) Tagged() bool {
	return r.Method == http.MethodGet && r.Type == "" && r.Name != "getHealth"
}

// Param is a query parameter.
type Param struct {
	Name, Doc string
	// Type is "integer", "boolean", "string", "date-time" or "date".
	Type string
	// Default, Least and Most are for integers; Words are the values of a string.
	Default, Least, Most int
	Words                []string
}

// Patch is the body of a call that changes a gateway: any of the settings; null resets one to its
// default (RFC 7396).
type Patch struct{ gateway.Spec }

// jsonLines is the content type of exports: one JSON object per line.
const jsonLines = "application/jsonl"

var (
	offsetParam = Param{Name: "offset", Type: "integer", Most: 1 << 30, Doc: "Number of items to skip."}
	limitParam  = Param{Name: "limit", Type: "integer", Default: defaultLimit, Least: 1, Most: maxLimit, Doc: "Maximum number of items to return."}
	liveParam   = Param{Name: "live", Type: "boolean", Doc: "Add to each gateway the number of its live sessions and batches, and the resources they use."}
	ownerParam  = Param{Name: "owner", Type: "string", Doc: "Only tokens of this user; \"me\" for the caller's own."}
	cursorParam = Param{Name: "cursor", Type: "string", Doc: "The next value of the previous page."}
	fromParam   = Param{Name: "from", Type: "date-time", Doc: "Only items from this time or later."}
	untilParam  = Param{Name: "until", Type: "date-time", Doc: "Only items from before this time."}

	recordStateParam = Param{Name: "state", Type: "string", Doc: "Only records in this state: one of Livy's states (\"idle\", \"success\", ...), \"gone\", or \"live\" for all that have not ended yet."}

	// recordsFilterParams are for records of several gateways.
	recordsFilterParams = []Param{
		recordStateParam,
		{Name: "token", Type: "string", Doc: "Only records created with this token: its id."},
		fromParam, untilParam,
	}
	recordFilterParams = []Param{
		recordStateParam,
		{Name: "token", Type: "string", Doc: "Only records created with this token: its id, or its name if only one has it."},
		fromParam, untilParam,
	}
	auditFilterParams = []Param{
		{Name: "gateway", Type: "string", Doc: "Only entries about this gateway: its id, name, or workspace/name."},
		{Name: "actor", Type: "string", Doc: "Only entries of this person or token."},
		{Name: "action", Type: "string", Doc: "Only this action, e.g. \"gateway.update\", or all actions with this prefix: \"token\"."},
		{Name: "outcome", Type: "string", Words: []string{store.OutcomeDone, store.OutcomeRefused}, Doc: "Only completed actions, or only refused ones."},
		{Name: "target", Type: "string", Doc: "Only entries about this token or record: its id."},
		fromParam, untilParam,
		cursorParam,
	}
)

// usageByParams choose what usage to add up.
var usageByParams = []Param{
	{Name: "by", Type: "string", Words: budgets.Pers, Doc: "What to add up by; \"user\" by default."},
	{Name: "month", Type: "string", Doc: "A month (UTC) such as 2026-01; the present one by default."},
	{Name: "day", Type: "date", Doc: "One day (UTC) instead of a month."},
	{Name: "since", Type: "date", Doc: "The first day (UTC) instead of a month."},
	{Name: "until", Type: "date", Doc: "With since: the last day, today by default."},
	{Name: "format", Type: "string", Words: []string{"json", "csv"}, Doc: "\"json\" by default."},
}

// Who may make a call. With "own", members may make it for their own tokens and what was
// created with them.
var (
	anybody       = access.Action{Role: access.None}
	viewer        = access.Action{Role: access.Viewer}
	viewerOrOwn   = access.Action{Role: access.Viewer, Own: true}
	member        = access.Action{Role: access.Member}
	operator      = access.Action{Role: access.Operator}
	operatorOrOwn = access.Action{Role: access.Operator, Own: true}
	admin         = access.Action{Role: access.Admin}
	adminOrOwn    = access.Action{Role: access.Admin, Own: true}
)

// InWorkspace reports whether the call is about one workspace. Other calls cover all workspaces
// in which the caller may make them.
func (r *Route) InWorkspace() bool { return strings.Contains(r.Path, "{workspace}") }

// Routes returns all routes of the API.
func Routes() []Route {
	const (
		gateways  = "/v1/workspaces/{workspace}/gateways"
		one       = gateways + "/{gateway}"
		records   = one + "/records"
		record    = records + "/{record}"
		allTokens = one + "/tokens"
		token     = allTokens + "/{token}"
		get       = http.MethodGet
		post      = http.MethodPost
		patch     = http.MethodPatch
		del       = http.MethodDelete
	)
	const (
		keys = "/v1/access-keys"
		key  = keys + "/{key}"
	)
	paged := func(more ...Param) []Param { return append(more, offsetParam, limitParam) }
	return []Route{
		{
			Method: get, Path: "/v1/health", Name: "getHealth", Access: anybody, handle: (*call).health,
			Summary: "Is this instance ready?", Status: 200, Reply: control.Health{}, Errors: []int{503},
			Doc: "200 if it is, 503 if not; the reply says why. Redis, the runtime, and the snapshot of all gateways are checked at most once a second.",
		},
		{
			Method: get, Path: "/v1/openapi.json", Name: "getDocument", Access: anybody, handle: (*call).document,
			Summary: "This description of the API", Status: 200, Reply: map[string]any{},
		},
		{
			Method: get, Path: "/v1/me", Name: "getMe", Access: anybody, handle: (*call).me,
			Summary: "Show the caller and their roles", Status: 200, Reply: Me{},
		},
		{
			Method: get, Path: "/v1/catalog", Name: "getCatalog", Access: viewer, handle: (*call).showCatalog,
			Summary: "What the configuration offers to gateways", Status: 200, Reply: Catalog{},
		},
		{
			Method: get, Path: "/v1/environments", Name: "listEnvironments", Access: viewer, handle: (*call).listEnvironments,
			Summary: "List runtime environments", Query: paged(), Status: 200, Reply: EnvironmentList{},
		},
		{
			Method: get, Path: "/v1/environments/{environment}", Name: "getEnvironment", Access: viewer, handle: (*call).showEnvironment,
			Summary: "Show a runtime environment", Status: 200, Reply: Environment{},
		},
		{
			Method: get, Path: "/v1/orphans", Name: "listOrphans", Access: admin, handle: (*call).listOrphans,
			Summary: "List Livy servers of other installations that belong to no gateway", Status: 200, Reply: OrphanList{},
			Doc: "Those that this instance can see. They are left alone: their Redis may have been lost, or another installation uses them. Only admins of all workspaces see any.",
		},
		{
			Method: get, Path: "/v1/audit", Name: "listAudit", Access: operator, handle: (*call).listAudit,
			Summary: "List audit entries, newest first", Query: append(slices.Clip(auditFilterParams), limitParam),
			Status: 200, Reply: AuditList{},
			Doc: "Every change of a gateway or token, state changes of gateways, and refused requests that matter for security.",
		},
		{
			Method: get, Path: "/v1/audit/export", Name: "exportAudit", Access: operator, handle: (*call).exportAudit,
			Summary: "Export audit entries", Query: auditFilterParams, Status: 200, Reply: store.AuditEntry{}, Type: jsonLines,
			Doc: "All entries that match the filter, newest first, one JSON object per line.",
		},
		{
			Method: get, Path: "/v1/overview", Name: "getOverview", Access: viewerOrOwn, handle: (*call).overview,
			Summary: "Summarize gateways, live sessions, usage and what needs attention", Status: 200, Reply: Overview{},
			Doc: "Live sessions and batches are up to 2 seconds old, usage and tokens up to 30 seconds.",
		},
		{
			Method: get, Path: "/v1/usage", Name: "getUsageBy", Access: viewerOrOwn, handle: (*call).usageBy,
			Summary: "Add up vCore-hours and GB-hours by user, token, gateway or workspace", Query: usageByParams, Status: 200, Reply: UsageReport{},
			Doc: "Those with the most vCore-hours first. What lives counts up to now. With format=csv the reply is CSV.",
		},
		{
			Method: get, Path: "/v1/budgets", Name: "listBudgets", Access: viewerOrOwn, handle: (*call).listBudgets,
			Summary: "List budgets and what is used of them", Status: 200, Reply: BudgetList{},
			Doc: "At most 2 seconds old. Budgets are part of the configuration.",
		},
		{
			Method: get, Path: "/v1/events", Name: "followEvents", Access: viewer, handle: (*call).follow,
			Summary: "Stream changes as they happen",
			Query:   []Param{{Name: "kept", Type: "boolean", Doc: "Begin with the events that this instance still has, at most 1000."}},
			Status:  200, Reply: events.GatewayChange{}, Type: eventStream,
			Doc: "Server-sent events: gateway, tokens, records, notice (a bound of a budget was reached, a gateway failed, a token expires soon, a session was lost), and reset, after which the client must read everything again. The header Last-Event-ID continues after that event. 503 if this instance has too many open streams.",
		},
		{
			Method: get, Path: "/v1/tokens", Name: "listAllTokens", Access: operatorOrOwn, handle: (*call).listAllTokens,
			Summary: "List the tokens of all gateways, oldest first", Query: paged(ownerParam), Status: 200, Reply: PlacedTokenList{},
		},
		{
			Method: get, Path: keys, Name: "listAccessKeys", Access: admin, handle: (*call).listAccessKeys,
			Summary: "List the access keys of the managed product's API, oldest first", Query: paged(), Status: 200, Reply: AccessKeyList{},
			Doc: "Those whose workspaces are all among these.",
		},
		{
			Method: post, Path: keys, Name: "createAccessKey", Access: admin, handle: (*call).createAccessKey,
			Summary: "Create an access key", Body: accesskeys.CreateRequest{}, Required: []string{"name", "role", "workspaces"}, Status: 201, Reply: NewAccessKey{}, Errors: []int{409},
			Doc: "The secret is shown in this reply only. 409 if the configuration has no sealing key.",
		},
		{
			Method: get, Path: key, Name: "getAccessKey", Access: admin, handle: (*call).showAccessKey,
			Summary: "Show an access key", Status: 200, Reply: accesskeys.Key{},
		},
		{
			Method: del, Path: key, Name: "deleteAccessKey", Access: admin, handle: (*call).deleteAccessKey,
			Summary: "Delete an access key", Status: 204,
			Doc: "All instances refuse it at once.",
		},
		{
			Method: post, Path: key + "/disable", Name: "disableAccessKey", Access: admin, handle: (*call).disableAccessKey,
			Summary: "Disable an access key until it is enabled again", Status: 200, Reply: accesskeys.Key{}, Errors: []int{409},
			Doc: "All instances refuse it at once.",
		},
		{
			Method: post, Path: key + "/enable", Name: "enableAccessKey", Access: admin, handle: (*call).enableAccessKey,
			Summary: "Enable a disabled access key", Status: 200, Reply: accesskeys.Key{}, Errors: []int{409},
		},
		{
			Method: get, Path: "/v1/records", Name: "listAllRecords", Access: viewerOrOwn, handle: (*call).listManyRecords,
			Summary: "List the sessions and batches of all gateways, newest first", Query: append(slices.Clip(recordsFilterParams), cursorParam, limitParam),
			Status: 200, Reply: PlacedRecordList{},
		},
		{
			Method: get, Path: "/v1/workspaces/{workspace}/records", Name: "listWorkspaceRecords", Access: viewerOrOwn, handle: (*call).listManyRecords,
			Summary: "List the sessions and batches of a workspace's gateways, newest first", Query: append(slices.Clip(recordsFilterParams), cursorParam, limitParam),
			Status: 200, Reply: PlacedRecordList{},
		},
		{
			Method: get, Path: "/v1/gateways", Name: "listAllGateways", Access: viewer, handle: (*call).listAllGateways,
			Summary: "List the gateways of all workspaces", Query: paged(liveParam), Status: 200, Reply: GatewayList{},
		},
		{
			Method: get, Path: gateways, Name: "listGateways", Access: viewer, handle: (*call).listGateways,
			Summary: "List the gateways of a workspace", Query: paged(liveParam), Status: 200, Reply: GatewayList{},
		},
		{
			Method: post, Path: gateways, Name: "createGateway", Access: admin, handle: (*call).createGateway,
			Summary: "Create a gateway", Body: CreateGateway{}, Required: []string{"name"},
			Status: 201, Reply: Gateway{}, Errors: []int{409},
			Doc: "409 if the name is taken in the workspace.",
		},
		{
			Method: get, Path: one, Name: "getGateway", Access: viewer, handle: (*call).showGateway,
			Summary: "Show a gateway", Status: 200, Reply: Gateway{},
		},
		{
			Method: patch, Path: one, Name: "updateGateway", Access: admin, handle: (*call).updateGateway,
			Summary: "Change a gateway's settings", Body: Patch{}, Conditional: true, Status: 200, Reply: Gateway{}, Errors: []int{409},
			Query: []Param{
				{Name: "restart", Type: "boolean", Doc: "Restart the Livy server if the change needs it, which ends its sessions unless it drains."},
				drainParam,
			},
			Doc: "Omitted settings keep their values. Settings that the running Livy server was not started with are listed in restartNeeded and take effect at its next start.",
		},
		{
			Method: del, Path: one, Name: "deleteGateway", Access: admin, handle: (*call).deleteGateway,
			Summary: "Delete a gateway with its tokens and records", Conditional: true, Status: 204, Accepted: Gateway{}, Errors: []int{409},
			Query: []Param{{Name: "force", Type: "boolean", Doc: "Delete the gateway even if it is running."}},
			Doc: "409 if it is running, unless force is set. Waits up to a minute until the gateway is gone. " +
				"If that takes longer, the reply is 202 with the gateway, whose state is Deleting, and the deletion goes on. " +
				"The name can be used again once the gateway is gone.",
		},
		{
			Method: post, Path: one + "/start", Name: "startGateway", Access: member, handle: (*call).startGateway,
			Summary: "Start a gateway's Livy server", Conditional: true, Status: 202, Reply: Gateway{}, Errors: []int{409},
			Doc: "Returns immediately; poll the state to see when it is running. Starting a running gateway is not an error.",
		},
		{
			Method: post, Path: one + "/stop", Name: "stopGateway", Access: operator, handle: (*call).stopGateway,
			Summary: "Stop a gateway's Livy server, which ends its sessions", Conditional: true, Status: 202, Reply: Gateway{}, Errors: []int{409},
			Doc: "Returns immediately. Stopping a stopped gateway is not an error.",
		},
		{
			Method: post, Path: one + "/restart", Name: "restartGateway", Access: operator, handle: (*call).restartGateway,
			Summary: "Replace a gateway's Livy server with a new one", Conditional: true,
			Query:  []Param{drainParam},
			Status: 202, Reply: Gateway{}, Errors: []int{409},
			Doc: "Returns immediately. It ends the sessions and batches, also those on servers that drain, unless drainSeconds is set. 409 if the gateway is stopped.",
		},
		{
			Method: get, Path: one + "/logs", Name: "getLogs", Access: operator, handle: (*call).gatewayLogs,
			Summary: "The last output of a gateway's Livy server",
			Query:   []Param{{Name: "lines", Type: "integer", Default: 100, Least: 1, Most: 10000, Doc: "Number of lines."}},
			Status:  200, Reply: Logs{}, Errors: []int{409},
			Doc: "409 if the server runs where this instance cannot read: the message names the instances to ask.",
		},
		{
			Method: get, Path: records, Name: "listRecords", Access: viewerOrOwn, handle: (*call).listRecords,
			Summary: "List a gateway's sessions and batches, newest first", Query: paged(recordFilterParams...),
			Status: 200, Reply: RecordList{},
		},
		{
			Method: get, Path: records + "/export", Name: "exportRecords", Access: viewerOrOwn, handle: (*call).exportRecords,
			Summary: "Export records", Query: recordFilterParams, Status: 200, Reply: store.Record{}, Type: jsonLines,
			Doc: "All records that match the filter, newest first, one JSON object per line. Records created during the export are left out.",
		},
		{
			Method: get, Path: record, Name: "getRecord", Access: viewerOrOwn, handle: (*call).showRecord,
			Summary: "Show a record", Status: 200, Reply: store.Record{},
		},
		{
			Method: del, Path: record, Name: "closeRecord", Access: operatorOrOwn, handle: (*call).closeRecord,
			Summary: "End a session or batch", Status: 200, Reply: store.Record{}, Errors: []int{409},
			Doc: "The record is kept. Closing an ended session is not an error. 409 until Livy has confirmed the session.",
		},
		{
			Method: post, Path: record + "/ui-link", Name: "linkSparkUI", Access: operatorOrOwn, handle: (*call).linkSparkUI,
			Summary: "Create a link that opens a Spark UI in a browser", Status: 201, Reply: UILink{}, Errors: []int{409},
			Doc: "409 if the record has no Spark UI.",
		},
		{
			Method: get, Path: one + "/usage", Name: "getUsage", Access: viewerOrOwn, handle: (*call).usage,
			Summary: "vCore-hours and GB-hours by day and token", Status: 200, Reply: UsageList{},
			Query: []Param{
				{Name: "from", Type: "date", Doc: "First day (UTC)."},
				{Name: "until", Type: "date", Doc: "Last day (UTC), inclusive."},
				{Name: "format", Type: "string", Words: []string{"json", "csv"}, Doc: "Format of the reply; default json."},
			},
			Doc: "Live sessions and batches count up to now.",
		},
		{
			Method: get, Path: one + "/statements", Name: "listStatements", Access: operator, handle: (*call).statements,
			Summary: "List the statements that clients ran, newest first", Query: paged(), Status: 200, Reply: StatementList{},
			Doc: "Empty unless the gateway's statementAudit is on.",
		},
		{
			Method: get, Path: one + "/policy", Name: "getPolicy", Access: viewer, handle: (*call).showPolicy,
			Summary: "The rules in force for a gateway's create requests", Status: 200, Reply: Policy{},
			Doc: "The built-in rules that apply to every gateway are not listed.",
		},
		{
			Method: post, Path: one + "/policy/explain", Name: "explainPolicy", Access: member, handle: (*call).explain,
			Summary: "Show what the policy would do to a create request", Body: map[string]any{}, Status: 200, Reply: Explanation{},
			Query: []Param{{Name: "kind", Type: "string", Words: []string{"session", "batch"}, Doc: "What the request would create; default session."}},
			Doc:   "Nothing is created.",
		},
		{
			Method: post, Path: one + "/policy/try", Name: "tryPolicy", Access: member, handle: (*call).tryPolicy,
			Summary: "Show what the policy would do to a create request with other settings", Body: PolicyTrial{}, Required: []string{"settings", "request"},
			Status: 200, Reply: Explanation{},
			Query: []Param{{Name: "kind", Type: "string", Words: []string{"session", "batch"}, Doc: "What the request would create; default session."}},
			Doc:   "Nothing is created or changed.",
		},
		{
			Method: get, Path: allTokens, Name: "listTokens", Access: operatorOrOwn, handle: (*call).listTokens,
			Summary: "List a gateway's tokens, oldest first", Status: 200, Reply: TokenList{},
			Query: paged(ownerParam, Param{Name: "revoked", Type: "boolean", Doc: "Also those that were revoked in the last 30 days, after the others."}),
		},
		{
			Method: post, Path: allTokens, Name: "createToken", Access: adminOrOwn, handle: (*call).createToken,
			Summary: "Create a token", Body: tokens.CreateRequest{}, Required: []string{"name"}, Status: 201, Reply: NewToken{}, Errors: []int{409},
			Doc: "The token itself is shown in this reply only. A member makes tokens only for themselves: jobs run as that user, within the limits of selfService in /v1/me. 409 if the member has the maximum number of tokens, or another token of the same owner has the name.",
		},
		{
			Method: get, Path: token, Name: "getToken", Access: operatorOrOwn, handle: (*call).showToken,
			Summary: "Show a token", Status: 200, Reply: Token{},
		},
		{
			Method: patch, Path: token, Name: "updateToken", Access: admin, handle: (*call).updateToken,
			Summary: "Change a token's name, expiry or limits", Body: tokens.Settings{}, Conditional: true, Status: 200, Reply: Token{}, Errors: []int{409},
			Doc: "Omitted settings keep their values. The token itself does not change. 409 if another token of the same owner has the name.",
		},
		{
			Method: del, Path: token, Name: "revokeToken", Access: operatorOrOwn, handle: (*call).revokeToken,
			Summary: "Revoke a token permanently", Conditional: true, Status: 204,
			Doc: "All instances refuse it within a second.",
		},
		{
			Method: post, Path: token + "/reset", Name: "resetToken", Access: adminOrOwn, handle: (*call).resetToken,
			Summary: "Replace a token with a new one under the same id", Body: tokens.ResetRequest{}, Conditional: true, Status: 200, Reply: NewToken{}, Errors: []int{409},
			Doc: "The new token is shown in this reply only. With a name the token is renamed too.",
		},
		{
			Method: post, Path: token + "/disable", Name: "disableToken", Access: operatorOrOwn, handle: (*call).disableToken,
			Summary: "Disable a token until it is enabled again", Conditional: true, Status: 200, Reply: Token{}, Errors: []int{409},
		},
		{
			Method: post, Path: token + "/enable", Name: "enableToken", Access: operator, handle: (*call).enableToken,
			Summary: "Enable a disabled token", Conditional: true, Status: 200, Reply: Token{}, Errors: []int{409},
		},
	}
}
