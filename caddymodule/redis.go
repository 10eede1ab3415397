package caddymodule

// Redis is the Redis server that stores gateways, tokens and records.
import (
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/livygateway/livygateway/caddymodule/internal/directive"
	"github.com/livygateway/livygateway/internal/store"
)

// Redis says where the gateways, tokens and records are kept.
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
	CA string `json:"ca,omitempty"`

	// A file with a certificate in PEM, and one with its key, for a server that asks
	// clients for one.
	Cert string `json:"cert,omitempty"`
	Key  string `json:"key,omitempty"`

	// The name that the server's certificate must be for. Default: the host that is
	// connected to, which with Sentinels and clusters may be an address.
	ServerName string `json:"server_name,omitempty"`

	// How long an answer is waited for: longer than the way to Redis and back, from
	// 10ms to 3s. Default: 200ms.
	Timeout caddy.Duration `json:"timeout,omitempty"`

	// How long the making of a connection may take, TLS included. Default: three times
	// the timeout.
	ConnectTimeout caddy.Duration `json:"connect_timeout,omitempty"`

	// Use an in-memory Redis within this process instead of a server. For a
	// first try only: everything ends with the process.
	Embedded bool `json:"embedded,omitempty"`
}

// options returns the options of the store.
func (r *Redis) options() (store.Options, error) {
	o := store.Options{
		URL: r.URL, Prefix: r.Prefix, CAFile: r.CA, CertFile: r.Cert, KeyFile: r.Key, ServerName: r.ServerName,
		Timeout: time.Duration(r.Timeout), ConnectTimeout: time.Duration(r.ConnectTimeout),
	}
	if o.Timeout != 0 {
		if err := store.CheckTimeout("timeout", o.Timeout); err != nil {
			return o, err
		}
	}
	if o.ConnectTimeout != 0 {
		return o, store.CheckTimeout("connect_timeout", o.ConnectTimeout)
	}
	return o, nil
}

// unmarshalOption reads an option in the block of redis.
func (r *Redis) unmarshalOption(d *caddyfile.Dispenser) error {
	switch d.Val() {
	case "prefix":
		return directive.Text(d, &r.Prefix)
	case "ca":
		return directive.Text(d, &r.CA)
	case "server_name":
		return directive.Text(d, &r.ServerName)
	case "timeout":
		return directive.Duration(d, &r.Timeout)
	case "connect_timeout":
		return directive.Duration(d, &r.ConnectTimeout)
	case "cert":
		if !d.AllArgs(&r.Cert, &r.Key) {
			return d.ArgErr()
		}
		if r.Cert == "" || r.Key == "" {
			return directive.Empty(d, "cert")
		}
		return nil
	}
	return d.Errf("unknown option %q of redis", d.Val())
}
