package store_test

import (
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/doctor"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// TestTLS connects to a redis-server with a certificate of an authority of its own, which
// asks clients for one, as Redis does unless it is told otherwise.
func TestTLS(t *testing.T) {
	t.Parallel()
	authority, stranger := storetest.NewAuthority(t), storetest.NewAuthority(t)
	server, addr := storetest.StartTLSServer(t, authority, "redis.internal")
	cert, key := authority.Issue("livy")
	url := func(parameters ...string) string { return "rediss://" + addr + "?" + strings.Join(parameters, "&") }
	ca, name, pair := "ca="+authority.CA, "server_name=redis.internal", "cert="+cert+"&key="+key

	for label, tt := range map[string]struct {
		url  string
		fail string // of the doctor: part of what is wrong
		mend string
	}{
		"all in the URL":      {url: url(ca, name, pair)},
		"unknown authority":   {url: url(name, pair), fail: "unknown authority", mend: "ca FILE"},
		"another authority":   {url: url("ca="+stranger.CA, name, pair), fail: "unknown authority", mend: "ca FILE"},
		"another name":        {url: url(ca, pair), fail: "x509", mend: "server_name NAME"},
		"without certificate": {url: url(ca, name), fail: "certificate required", mend: "cert FILE KEY"},
		"TLS to a plain port": {url: "rediss://" + server.Addr() + "?connect_timeout=1s&" + ca, fail: "TLS handshake", mend: "redis://"},
	} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			s, err := store.Open(store.Options{URL: tt.url, Timeout: storetest.Patience}, nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			err = s.Migrate(t.Context())
			if tt.fail == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if gateway.KindOf(err) != gateway.KindUnavailable {
				t.Errorf("%v has kind %v, want unavailable", err, gateway.KindOf(err))
			}
			got := s.Examine(t.Context(), false)[0]
			if got.Status != doctor.Fail || !strings.Contains(got.Summary, tt.fail) || !strings.Contains(got.Mend, tt.mend) {
				t.Errorf("the doctor: %+v", got)
			}
		})
	}
}

// TestTLSFiles finds mistakes in files before anything is connected to.
func TestTLSFiles(t *testing.T) {
	t.Parallel()
	authority := storetest.NewAuthority(t)
	cert, key := authority.Issue("livy")
	for name, tt := range map[string]struct {
		o    store.Options
		want string
	}{
		"no file":            {store.Options{URL: "rediss://r", CAFile: "/nowhere/ca.crt"}, `ca: must be a file that can be read: no such file or directory (got "/nowhere/ca.crt")`},
		"no certificate":     {store.Options{URL: "rediss://r", CAFile: key}, "ca: must hold a certificate in PEM"},
		"no key":             {store.Options{URL: "rediss://r", CertFile: cert}, "cert: must be two files"},
		"not its key":        {store.Options{URL: "rediss://r", CertFile: cert, KeyFile: cert}, "cert: must be, with "},
		"without TLS":        {store.Options{URL: "redis://r", CAFile: authority.CA}, "ca: goes with TLS only"},
		"a name without TLS": {store.Options{URL: "unix:///run/r", ServerName: "r"}, "server_name: goes with TLS only"},
	} {
		_, err := store.Open(tt.o, nil)
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) || gateway.KindOf(err) != gateway.KindInvalid {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
	}
}

// TestSentinelTLS follows Sentinels, which announce an address, to a server whose
// certificate has a name only.
func TestSentinelTLS(t *testing.T) {
	t.Parallel()
	authority := storetest.NewAuthority(t)
	cert, key := authority.Issue("livy")
	o := storetest.StartTLSSentinel(t, authority, "redis.internal")
	o.CAFile, o.CertFile, o.KeyFile, o.Timeout = authority.CA, cert, key, storetest.Patience
	s, err := store.Open(o, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Ping(t.Context()); gateway.KindOf(err) != gateway.KindUnavailable {
		t.Errorf("with the address that the Sentinel announces: %v", err)
	}
	o.ServerName = "redis.internal"
	storetest.Open(t, o)
}
