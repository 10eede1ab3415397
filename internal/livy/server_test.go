package livy_test

import (
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/livy"
)

func TestServerOptions(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const secret = "hunter2"
	for name, tt := range map[string]struct {
		o    livy.ServerOptions
		want string
	}{
		"none":               {livy.ServerOptions{}, "url: must be http://HOST:PORT or https://HOST:PORT"},
		"another scheme":     {livy.ServerOptions{URL: "ftp://h"}, "url: must be http://HOST:PORT or https://HOST:PORT"},
		"no host":            {livy.ServerOptions{URL: "https:///livy"}, "url: must be http://HOST:PORT or https://HOST:PORT"},
		"a login in the URL": {livy.ServerOptions{URL: "https://u:" + secret + "@h/livy"}, "use user and password"},
		"no URL":             {livy.ServerOptions{URL: "https://u:" + secret + "@h/%zz"}, "use user and password"},
		"a query":            {livy.ServerOptions{URL: "https://h/livy?x"}, "nothing after the path"},
		"dots":               {livy.ServerOptions{URL: "https://h/a/../b"}, "plain path"},
		"a user alone":       {livy.ServerOptions{URL: "https://h", User: "u"}, "password: goes with user"},
		"a password alone":   {livy.ServerOptions{URL: "https://h", Password: secret}, "password: goes with user"},
		"a header of HTTP":   {livy.ServerOptions{URL: "https://h", Header: map[string]string{"host": secret}}, "header: is a header that the gateway sets"},
		"no header":          {livy.ServerOptions{URL: "https://h", Header: map[string]string{"a b": secret}}, "header: must be the name"},
		"two lines":          {livy.ServerOptions{URL: "https://h", Header: map[string]string{"X-A": secret + "\n"}}, "in one line"},
		"two logins": {
			livy.ServerOptions{URL: "https://h", User: "u", Password: secret, Header: map[string]string{"authorization": "Bearer " + secret}},
			"cannot be set together",
		},
		"TLS without it":      {livy.ServerOptions{URL: "http://h", CA: "/x"}, "ca: needs a url that begins with https"},
		"no such CA":          {livy.ServerOptions{URL: "https://h", CA: "/no/such/file"}, "ca: must be a file that can be read: no such file"},
		"an empty CA":         {livy.ServerOptions{URL: "https://h", CA: empty}, "ca: must hold a certificate"},
		"half a certificate":  {livy.ServerOptions{URL: "https://h", Cert: empty}, "key: goes with cert"},
		"no such certificate": {livy.ServerOptions{URL: "https://h", Cert: empty, Key: empty}, "cert: must be, with"},
	} {
		_, err := livy.NewServer(tt.o)
		bad, ok := errors.AsType[*livy.OptionError](err)
		if !ok || !strings.Contains(bad.Error(), tt.want) || strings.Contains(bad.Error(), secret) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

func TestServerAddress(t *testing.T) {
	for url, want := range map[string]string{
		"http://H:8998": "h:8998", "http://h/": "h:80", "http://[::1]:1": "[::1]:1",
		"https://h": "https://h", "https://h:8443/gateway/default/livy/v1/": "https://h:8443/gateway/default/livy/v1",
		"http://h/livy": "http://h/livy",
	} {
		s, err := livy.NewServer(livy.ServerOptions{URL: url})
		if err != nil || s.Address() != want || s.Plain() == livy.IsURL(want) {
			t.Errorf("%s: %q, %v, want %q", url, s.Address(), err, want)
		}
	}
	s, err := livy.NewServer(livy.ServerOptions{URL: "http://h:1", Header: map[string]string{"X-Key": "k"}})
	if err != nil || s.Plain() || s.HostPort() != "h:1" {
		t.Errorf("a header: %v, %v", s, err)
	}
}

func TestServerLocation(t *testing.T) {
	s, err := livy.NewServer(livy.ServerOptions{URL: "https://h:8443/gateway/livy"})
	if err != nil {
		t.Fatal(err)
	}
	for location, want := range map[string]string{
		"/sessions/0":                             "/sessions/0",
		"/gateway/livy/sessions/0":                "/sessions/0",
		"https://h:8443/gateway/livy/sessions/0":  "/sessions/0",
		"https://H:8443/gateway/livy/sessions/0":  "/sessions/0",
		"https://other/gateway/livy/sessions/0":   "https://other/gateway/livy/sessions/0",
		"/gateway/livyx/sessions/0":               "/gateway/livyx/sessions/0",
		"https://h:8443/login?back=/gateway/livy": "/login",
	} {
		if got := s.Local(location); got != want {
			t.Errorf("%s: %q, want %q", location, got, want)
		}
	}
}

// TestServerRequests: a login goes to its server and nowhere else.
func TestServerRequests(t *testing.T) {
	var got []string
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("another server got %s %v", r.URL, r.Header)
	}))
	defer elsewhere.Close()
	real := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		got = append(got, r.Host+" "+r.URL.String()+" "+user+" "+password+" "+r.Header.Get("X-Key"))
		if r.URL.Path == "/livy/moved" {
			http.Redirect(w, r, elsewhere.URL, http.StatusFound)
			return
		}
		_, _ = io.WriteString(w, `{"version":"0.8.0"}`)
	}))
	defer real.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: real.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	o := livy.ServerOptions{URL: real.URL + "/livy", User: "u", Password: "p", Header: map[string]string{"x-key": "k"}, CA: ca}
	s, err := livy.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	client := livy.Client{Base: s.Address(), HTTP: s.Client()}
	if v, err := client.Version(t.Context()); err != nil || v.Version != "0.8.0" {
		t.Errorf("version %v, %v", v, err)
	}
	r := httptest.NewRequest("GET", "http://client.example/sessions/3?from=1", nil)
	r.Header.Set("X-Key", "forged")
	if resp, err := s.Forward(r); err != nil || resp.Body.Close() != nil {
		t.Errorf("forwarded: %v", err)
	}
	if r.Header.Get("Authorization") != "" || r.Header.Get("X-Key") != "forged" {
		t.Errorf("the request itself was changed: %v", r.Header)
	}
	host := strings.TrimPrefix(real.URL, "https://")
	want := []string{host + " /livy/version u p k", host + " /livy/sessions/3?from=1 u p k"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the server got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if resp, err := s.Client().Get(real.URL + "/livy/moved"); err != nil || resp.StatusCode != 302 || resp.Body.Close() != nil {
		t.Errorf("a redirect is followed: %v", err)
	}
	if _, err := s.Client().Get(elsewhere.URL); err == nil {
		t.Error("a request to another server is sent")
	}
	o.CA = ""
	if s, err = livy.NewServer(o); err != nil {
		t.Fatal(err)
	}
	client.HTTP = s.Client()
	if _, err := client.Version(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a server that nobody vouches for: %v", err)
	}
	o.CA, o.ServerName = ca, "other.example"
	if s, err = livy.NewServer(o); err != nil {
		t.Fatal(err)
	}
	client.HTTP = s.Client()
	if _, err := client.Version(t.Context()); err == nil || !strings.Contains(err.Error(), "other.example") {
		t.Errorf("a server of another name: %v", err)
	}
}
