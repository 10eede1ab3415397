package caddymodule

// Redis says where the gateways, tokens and records are kept.
type Redis struct {
	// The server: `redis://[user:password@]host[:port][/db]`, `rediss://` for
	// TLS, `redis+sentinel://host,host/master[/db]` for a Sentinel group,
	// `redis+cluster://host,host` for a cluster, `unix:///path[?db=1]` for a Unix
	// socket, which other users of the machine can be kept from.
	// Placeholders such as `{env.LIVY_REDIS_URL}` are allowed. Default:
	// `redis://127.0.0.1:6379/0`.
	URL string `json:"url,omitempty"`

	// What the names of all keys begin with. Default: `livygw:`.
	Prefix string `json:"prefix,omitempty"`

	// Use an in-memory Redis within this process instead of a server. For a
	// first try only: everything ends with the process.
	Embedded bool `json:"embedded,omitempty"`
}
