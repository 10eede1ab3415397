package store

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"slices"
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
	// also as rediss+sentinel and rediss+cluster. The default port is 6379, of
	// Sentinels 26379. Parameters, after ? and separated by &, are
	// sentinel_username and sentinel_password, for Sentinels that ask for a
	// password, and ca, cert, key, server_name, timeout and connect_timeout,
	// which are the fields below.
	URL string
	// Addrs are host:port of the server, the Sentinels or some cluster nodes, or
	// the absolute path of the server's Unix socket. Default "127.0.0.1:6379".
	Addrs              []string
	Username, Password string
	// DB is the number of the database; always 0 in a cluster. Default 0.
	DB int
	// TLS, when set, is used for every connection; a rediss URL sets it.
	TLS *tls.Config
	// CAFile holds the certificates, in PEM, of the authorities that may have issued
	// the server's. Default: the machine's.
	CAFile string
	// CertFile and KeyFile are the certificate and its key, in PEM, that are shown to
	// a server that asks for one. All three files are read for each connection, so
	// that a renewed certificate needs no reload.
	CertFile, KeyFile string
	// ServerName is the name that the server's certificate must be for. Default: the
	// host that is connected to, which with Sentinels and clusters is what these
	// announce, often an address.
	ServerName string
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
	// Timeout bounds each wait of a call, for a reply or for a free connection. It
	// must be longer than the way to Redis and back. Default 200 ms.
	Timeout time.Duration
	// ConnectTimeout bounds the making of a connection, TLS included, which takes
	// several ways to Redis and back. Default: three times Timeout.
	ConnectTimeout time.Duration
	// Dialer, when set, makes the connections.
	Dialer func(ctx context.Context, network, addr string) (net.Conn, error)
	// Observer is told what happens.
	Observer Observer
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
		o.Timeout = DefaultTimeout
	}
	if o.ConnectTimeout == 0 {
		o.ConnectTimeout = 3 * o.Timeout
	}
	if err := o.checkTLS(); err != nil {
		return o, err
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
	return o.readParameters(u.Query(), bad)
}

// readParameters reads what stands after the ? of a URL. Errors show names only.
func (o *Options) readParameters(query url.Values, bad func(rule string) error) error {
	texts := map[string]*string{
		"sentinel_username": &o.SentinelUsername, "sentinel_password": &o.SentinelPassword,
		"ca": &o.CAFile, "cert": &o.CertFile, "key": &o.KeyFile, "server_name": &o.ServerName,
	}
	durations := map[string]*time.Duration{"timeout": &o.Timeout, "connect_timeout": &o.ConnectTimeout}
	for name, values := range query {
		if text, ok := texts[name]; ok {
			if *text == "" {
				*text = values[0]
			}
			continue
		}
		d, ok := durations[name]
		if !ok {
			known := append(slices.Sorted(maps.Keys(texts)), slices.Sorted(maps.Keys(durations))...)
			return bad("has an unknown parameter " + strconv.Quote(name) + "; known are " + strings.Join(known, ", "))
		}
		value, err := time.ParseDuration(values[0])
		if err == nil {
			err = CheckTimeout(name, value)
		}
		if err != nil {
			return bad(name + " " + timeoutRule)
		}
		if *d == 0 {
			*d = value
		}
	}
	return nil
}

// Bounds of Timeout and ConnectTimeout for those who configure them: leases are
// renewed every second, and a request waits for 3 s.
const (
	DefaultTimeout = 200 * time.Millisecond
	leastTimeout   = 10 * time.Millisecond
	mostTimeout    = 3 * time.Second
	timeoutRule    = "must be a duration from 10ms to 3s, e.g. 500ms"
)

// CheckTimeout checks a timeout from a configuration.
func CheckTimeout(field string, d time.Duration) error {
	if d < leastTimeout || d > mostTimeout {
		return gateway.Invalid(field, d.String(), timeoutRule)
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

// nameConnection tells Redis who this is, for people who look at CLIENT LIST. A user
// who may not, or a proxy that does not know how, does without.
func nameConnection(ctx context.Context, cn *redis.Conn) error {
	err := cn.ClientSetName(ctx, "livygateway").Err()
	if _, reply := errors.AsType[redis.Error](err); reply && (isDenied(err) || !isUnavailable(err)) {
		return nil
	}
	return err
}

// universal are the client's options. The client's defaults take 1.7 s to find
// out that nobody listens; these bound every call to well under a second.
func (o Options) universal() *redis.UniversalOptions {
	return &redis.UniversalOptions{
		Addrs:            o.Addrs,
		Username:         o.Username,
		Password:         o.Password,
		DB:               o.DB,
		MasterName:       o.SentinelMaster,
		SentinelUsername: o.SentinelUsername,
		SentinelPassword: o.SentinelPassword,
		IsClusterMode:    o.Cluster,
		Dialer:           o.dial,
		OnConnect:        nameConnection,

		DialTimeout:           o.ConnectTimeout,
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
