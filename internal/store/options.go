package store

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/livygateway/livygateway/internal/gateway"
)

// DefaultPrefix is the default of Options.Prefix.
const DefaultPrefix = "livygw:"

// Options specify which Redis to use, by URL or by the fields below it. Fields that are set
// take precedence over the URL.
type Options struct {
	// URL is one of
	//
	//	redis://[user:password@]host[:port][/db]
	//	rediss://...                                       the same over TLS
	//	redis+sentinel://[user:password@]host[:port],.../master[/db]
	//	redis+cluster://[user:password@]host[:port],...
	//	unix://[user:password@]/path/of/the/socket[?db=1]  a Unix socket of this machine
	//
	// also as rediss+sentinel and rediss+cluster. Credentials for Sentinels are given by
	// ?sentinel_username=...&sentinel_password=.... The default port is 6379, or 26379
	// for Sentinels.
	URL string
	// Addrs are host:port of the server, the Sentinels or some cluster nodes, or
	// the absolute path of the server's Unix socket. Default "127.0.0.1:6379".
	Addrs              []string
	Username, Password string
	// DB is the number of the database; always 0 in a cluster. Default 0.
	DB int
	// TLS, if set, is used for every connection.
	TLS *tls.Config
	// SentinelMaster is the name of the master that the Sentinels at Addrs watch.
	SentinelMaster                     string
	SentinelUsername, SentinelPassword string
	// Cluster reports whether Addrs are nodes of a Redis Cluster. All keys then share one
	// slot: the prefix becomes a hash tag.
	Cluster bool
	// Prefix is the prefix of all keys. Default "livygw:".
	Prefix string
	// Confirm is the number of replicas that must have a change that takes access away
	// before it is reported as done. Default 1 with Sentinels or a cluster, otherwise 0;
	// negative means 0.
	Confirm int
	// Timeout bounds each wait of a call: for connecting, for a reply, and for a free
	// connection. Default 200 ms.
	Timeout time.Duration
	// Dialer, if set, opens the connections.
	Dialer func(ctx context.Context, network, addr string) (net.Conn, error)
}

const urlRule = "must be redis://, rediss://, redis+sentinel://.../master or redis+cluster://, " +
	"with hosts and an optional database, or unix:///path"

// complete parses the URL, fills in defaults and checks the rest. Its errors never show the
// URL, which may contain a password.
func (o Options) complete() (Options, error) {
	if o.URL != "" {
		if err := o.readURL(); err != nil {
			return o, err
		}
	}
	if len(o.Addrs) == 0 {
		o.Addrs = []string{"127.0.0.1:6379"}
	}
	if o.Prefix == "" {
		o.Prefix = DefaultPrefix
	}
	if o.Timeout == 0 {
		o.Timeout = 200 * time.Millisecond
	}
	if o.Cluster && o.SentinelMaster != "" {
		return o, gateway.Invalid("sentinel_master", o.SentinelMaster, "must not be set together with cluster")
	}
	if o.Cluster && o.DB != 0 {
		return o, gateway.Invalid("db", strconv.Itoa(o.DB), "must be 0 in a cluster")
	}
	if o.Cluster && !strings.Contains(o.Prefix, "{") {
		o.Prefix = "{" + strings.TrimSuffix(o.Prefix, ":") + "}:"
	}
	switch {
	case o.Confirm < 0:
		o.Confirm = 0
	case o.Confirm == 0 && (o.Cluster || o.SentinelMaster != ""):
		o.Confirm = 1
	}
	return o, nil
}

func (o *Options) readURL() error {
	bad := func(rule string) error { return gateway.Invalid("redis", "(not shown)", rule) }
	u, err := url.Parse(o.URL)
	if err != nil || u.Opaque != "" {
		return bad(urlRule)
	}
	if u.Scheme == "unix" {
		return o.readSocketURL(u, bad)
	}
	port := "6379"
	path := strings.Trim(u.Path, "/")
	scheme, kind, _ := strings.Cut(u.Scheme, "+")
	switch kind {
	case "":
	case "cluster":
		o.Cluster = true
	case "sentinel":
		port = "26379"
		var master string
		master, path, _ = strings.Cut(path, "/")
		if o.SentinelMaster == "" {
			o.SentinelMaster = master
		}
		if o.SentinelMaster == "" {
			return bad("a Sentinel URL must name the master: redis+sentinel://host/master")
		}
	default:
		return bad(urlRule)
	}
	switch {
	case scheme == "rediss" && o.TLS == nil:
		o.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
		if kind == "" {
			o.TLS.ServerName = u.Hostname()
		}
	case scheme != "redis" && scheme != "rediss":
		return bad(urlRule)
	}
	if path != "" && o.DB == 0 {
		if o.DB, err = strconv.Atoi(path); err != nil || o.DB < 0 {
			return bad("the database after the last / must be a number")
		}
	}
	if len(o.Addrs) == 0 {
		for host := range strings.SplitSeq(u.Host, ",") {
			if host == "" {
				continue
			}
			if _, _, err := net.SplitHostPort(host); err != nil {
				host = net.JoinHostPort(strings.Trim(host, "[]"), port)
			}
			o.Addrs = append(o.Addrs, host)
		}
	}
	o.readUser(u)
	for name, values := range u.Query() {
		switch name {
		case "sentinel_username":
			o.SentinelUsername = values[0]
		case "sentinel_password":
			o.SentinelPassword = values[0]
		default:
			return bad("has an unknown parameter " + strconv.Quote(name) +
				"; known are sentinel_username and sentinel_password")
		}
	}
	return nil
}

// readSocketURL parses unix:///path?db=1.
func (o *Options) readSocketURL(u *url.URL, bad func(rule string) error) error {
	if u.Host != "" || !strings.HasPrefix(u.Path, "/") || strings.HasSuffix(u.Path, "/") {
		return bad("must name the socket by its absolute path, e.g. unix:///run/redis/redis.sock")
	}
	if len(o.Addrs) == 0 {
		o.Addrs = []string{u.Path}
	}
	o.readUser(u)
	for name, values := range u.Query() {
		if name != "db" {
			return bad("has an unknown parameter " + strconv.Quote(name) + "; a unix:// URL can have db only")
		}
		db, err := strconv.Atoi(values[0])
		if err != nil || db < 0 {
			return bad("db must be the number of a database")
		}
		if o.DB == 0 {
			o.DB = db
		}
	}
	return nil
}

func (o *Options) readUser(u *url.URL) {
	if o.Username == "" {
		o.Username = u.User.Username()
	}
	if password, ok := u.User.Password(); ok && o.Password == "" {
		o.Password = password
	}
}

// Describe returns a description of the Redis without user name and password.
func (o Options) Describe() string {
	where := strings.Join(o.Addrs, ",")
	switch {
	case o.Cluster:
		return "cluster " + where
	case o.SentinelMaster != "":
		return fmt.Sprintf("master %s of sentinels %s, database %d", o.SentinelMaster, where, o.DB)
	default:
		return fmt.Sprintf("%s, database %d", where, o.DB)
	}
}

// Guard returns what protects Redis from other users of this machine and its network: "a
// password", "the mode of a Unix socket", or "" if nothing does.
func (o Options) Guard() (string, error) {
	o, err := o.complete()
	switch {
	case err != nil:
		return "", err
	case o.Password != "":
		return "a password", nil
	case strings.HasPrefix(o.Addrs[0], "/"):
		if info, err := os.Stat(o.Addrs[0]); err == nil && info.Mode().Perm()&0o022 != 0 {
			return "", nil
		}
		return "the mode of a Unix socket", nil
	default:
		return "", nil
	}
}

// universal returns the client's options. With the client's defaults it takes 1.7 s to
// detect that nothing listens; these options bound every call to well under a second.
func (o Options) universal() *redis.UniversalOptions {
	return &redis.UniversalOptions{
		Addrs:            o.Addrs,
		ClientName:       "livygateway",
		Username:         o.Username,
		Password:         o.Password,
		DB:               o.DB,
		TLSConfig:        o.TLS,
		MasterName:       o.SentinelMaster,
		SentinelUsername: o.SentinelUsername,
		SentinelPassword: o.SentinelPassword,
		IsClusterMode:    o.Cluster,
		Dialer:           o.Dialer,

		DialTimeout:           o.Timeout,
		ReadTimeout:           o.Timeout,
		WriteTimeout:          o.Timeout,
		PoolTimeout:           o.Timeout,
		ContextTimeoutEnabled: true,
		MaxRetries:            -1, // see the package comment
		DialerRetries:         1,
		PipelinePoolSize:      -1,
		MinIdleConns:          2,
		DisableIdentity:       true, // saves a round trip for each connection
		MaintNotificationsConfig: &maintnotifications.Config{
			Mode: maintnotifications.ModeDisabled,
		},
	}
}
