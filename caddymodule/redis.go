package caddymodule

// Redis is the Redis server that stores gateways, tokens and records.
type Redis struct {
	// The URL of the server: `redis://[user:password@]host[:port][/db]`, `rediss://` for TLS,
	// `redis+sentinel://host,host/master[/db]` for a Sentinel group, `redis+cluster://host,host`
	// for a cluster, or `unix:///path[?db=1]` for a Unix socket, whose file mode can keep out
	// other users of the machine. Placeholders such as `{env.LIVY_REDIS_URL}` are allowed.
	// Default: `redis://127.0.0.1:6379/0`.
	URL string `json:"url,omitempty"`

	// The prefix of all keys. Default: `livygw:`.
	Prefix string `json:"prefix,omitempty"`

	// Use an in-memory Redis in this process instead of a server. Only for trying things out: all
	// data is lost when the process ends.
	Embedded bool `json:"embedded,omitempty"`
}
