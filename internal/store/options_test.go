package store

import (
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/gateway"
)

func TestRedisURLs(t *testing.T) {
	t.Parallel()
	const master = "mymaster"
	tests := []struct {
		url  string
		want string // Describe, or the beginning of the rule that is broken
		user string
		pass string
		tls  bool
	}{
		{url: "redis://cache", want: "cache:6379, database 0"},
		{url: "redis://127.0.0.1:7000/3", want: "127.0.0.1:7000, database 3"},
		{url: "redis://[::1]:7000", want: "[::1]:7000, database 0"},
		{url: "redis://[::1]", want: "[::1]:6379, database 0"},
		{url: "redis://ann:s3cr%40t@cache:7000", want: "cache:7000, database 0", user: "ann", pass: "s3cr@t"},
		{url: "rediss://:s3cr3t@cache", want: "cache:6379, database 0", pass: "s3cr3t", tls: true},
		{url: "redis+sentinel://a,b:7000/mymaster/2", want: "master mymaster of sentinels a:26379,b:7000, database 2"},
		{url: "rediss+sentinel://:s3cr3t@a/mymaster?sentinel_password=other", want: "master " + master + " of sentinels a:26379, database 0", pass: "s3cr3t", tls: true},
		{url: "redis+cluster://a:7000,b:7001", want: "cluster a:7000,b:7001"},
		{url: "unix:///run/redis/redis.sock", want: "/run/redis/redis.sock, database 0"},
		{url: "unix://ann:s3cr3t@/run/redis.sock?db=2", want: "/run/redis.sock, database 2", user: "ann", pass: "s3cr3t"},
		{url: "unix://:s3cr3t@run/redis.sock", want: "redis: must name the socket by its absolute path"},
		{url: "unix://:s3cr3t@", want: "redis: must name the socket by its absolute path"},
		{url: "unix://:s3cr3t@/run/", want: "redis: must name the socket by its absolute path"},
		{url: "unix:///run/redis.sock?db=one", want: "redis: db must be the number of a database"},
		{url: "unix:///run/redis.sock?database=1", want: `redis: has an unknown parameter "database"; a unix:// URL can have db only`},
		{url: "redis+sentinel://:s3cr3t@a", want: "redis: a Sentinel URL must name the master"},
		{url: "redis+cluster://:s3cr3t@a/1", want: "db: must be 0 in a cluster"},
		{url: "redis://:s3cr3t@cache/one", want: "redis: the database after the last / must be a number"},
		{url: "redis://:s3cr3t@cache/-1", want: "redis: the database after the last / must be a number"},
		{url: "redis://:s3cr3t@cache?max_retries=3", want: `redis: has an unknown parameter "max_retries"`},
		{url: "http://:s3cr3t@cache", want: "redis: must be redis://"},
		{url: "redis+ring://:s3cr3t@cache", want: "redis: must be redis://"},
		{url: "redis://:s3cr3t%zz@cache", want: "redis: must be redis://"},
		{url: "cache:6379", want: "redis: must be redis://"},
	}
	for _, tt := range tests {
		o, err := Options{URL: tt.url}.complete()
		got := o.Describe()
		if err != nil {
			got = err.Error()
			if gateway.KindOf(err) != gateway.KindInvalid {
				t.Errorf("%s: kind %v, want invalid", tt.url, gateway.KindOf(err))
			}
		}
		if !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s:\n got %s\nwant %s", tt.url, got, tt.want)
		}
		if strings.Contains(got, "s3cr") {
			t.Errorf("%s: the password shows: %s", tt.url, got)
		}
		if err == nil && (o.Username != tt.user || o.Password != tt.pass || (o.TLS != nil) != tt.tls) {
			t.Errorf("%s: user %q, password %q, TLS %v", tt.url, o.Username, o.Password, o.TLS != nil)
		}
	}
}

func TestFieldsWinOverTheURL(t *testing.T) {
	t.Parallel()
	o, err := Options{URL: "redis://ann:one@a/1", Addrs: []string{"b:1"}, Username: "bob", Password: "two", DB: 2}.complete()
	if err != nil {
		t.Fatal(err)
	}
	if o.Describe() != "b:1, database 2" || o.Username != "bob" || o.Password != "two" {
		t.Errorf("got %s, user %s, password %s", o.Describe(), o.Username, o.Password)
	}
}

func TestClusterKeysShareASlot(t *testing.T) {
	t.Parallel()
	for prefix, want := range map[string]string{"": "{livygw}:token:a", "x:": "{x}:token:a", "{y}z:": "{y}z:token:a"} {
		s, err := Open(Options{Addrs: []string{"127.0.0.1:1"}, Cluster: true, Prefix: prefix}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.key("token", "a"); got != want {
			t.Errorf("prefix %q: key %q, want %q", prefix, got, want)
		}
		_ = s.Close()
	}
}
