package caddymodule

import (
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/livygateway/livygateway/caddymodule/internal/directive"
	"github.com/livygateway/livygateway/internal/store"
)

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

	// A file with the certificates, in PEM, of the authorities that may have issued the
	// server's certificate. This and the other options of TLS need a URL with `rediss`; their
	// files are read for each new connection. Default: the authorities that the machine trusts.
	CA string `json:"ca,omitempty"`

	// A file with a client certificate, and one with its key, both in PEM, for a server that
	// requires one.
	Cert string `json:"cert,omitempty"`
	Key  string `json:"key,omitempty"`

	// The name that the server's certificate must be for. Default: the host of the
	// connection, which Sentinels and clusters may announce as an address.
	ServerName string `json:"server_name,omitempty"`

	// How long to wait for a reply, from 10ms to 3s. It must be longer than a round trip to
	// Redis. Default: 200ms.
	Timeout caddy.Duration `json:"timeout,omitempty"`

	// How long opening a connection may take, including TLS. Default: three times the timeout.
	ConnectTimeout caddy.Duration `json:"connect_timeout,omitempty"`

	// Use an in-memory Redis in this process instead of a server. Only for trying things out:
	// all data is lost when the process ends.
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
