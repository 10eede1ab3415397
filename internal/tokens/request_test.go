package tokens_test

import (
	"encoding/base64"
	"net/http"
	"reflect"
	"slices"
	"testing"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/tokens"
)

const ourLook = "lgw_aaaaaaaaaaaaaaaa_00000000000000000000000000000000_000000"

func basic(password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte("ann:"+password))
}

func TestFromRequest(t *testing.T) {
	t.Parallel()
	type h = map[string][]string
	tests := []struct {
		name   string
		header h
		ldap   bool
		want   string
		basic  bool
		twice  bool
		// kept is what of Authorization reaches a Livy that asks for LDAP passwords.
		kept []string
	}{
		{name: "nothing", header: h{}},
		{name: "header", header: h{"x-acs-spark-livy-token": {" secret "}}, want: "secret"},
		{name: "bearer", header: h{"authorization": {"bearer  secret"}}, want: "secret"},
		{name: "basic", header: h{"Authorization": {basic("secret")}}, want: "secret", basic: true},
		{name: "basic with a colon", header: h{"Authorization": {basic("se:cret")}}, want: "se:cret", basic: true},
		{name: "basic without a password", header: h{"Authorization": {basic("")}}, ldap: true},
		{name: "basic that is none", header: h{"Authorization": {"Basic ?"}}},
		{name: "another scheme", header: h{"Authorization": {"Negotiate secret"}}},
		{name: "empty header", header: h{"x-acs-spark-livy-token": {""}, "Authorization": {"Bearer secret"}}, want: "secret"},
		{name: "the same twice", header: h{"x-acs-spark-livy-token": {"secret", "secret"}, "Authorization": {basic("secret")}}, want: "secret"},
		{name: "two headers", header: h{"x-acs-spark-livy-token": {"one", "two"}}, twice: true},
		{name: "header and a bearer of ours", header: h{"x-acs-spark-livy-token": {"one"}, "Authorization": {"Bearer " + ourLook}}, twice: true},
		{name: "header and somebody else's bearer", header: h{"x-acs-spark-livy-token": {"one"}, "Authorization": {"Bearer eyJhbGciOi.J.W"}}, want: "one"},
		{name: "two bearers", header: h{"Authorization": {"Bearer one", "Bearer two"}}, twice: true},
		{name: "header and a login", header: h{"x-acs-spark-livy-token": {"one"}, "Authorization": {basic("two")}}, want: "one"},
		{name: "header and sparkmagic's empty login", header: h{"x-acs-spark-livy-token": {"one"}, "Authorization": {"Basic Tm9uZTpOb25l"}}, want: "one"},
		{name: "header and another token of ours as password", header: h{"x-acs-spark-livy-token": {"one"}, "Authorization": {basic(ourLook)}}, twice: true},
		{name: "header and bearer with ldap", header: h{"x-acs-spark-livy-token": {"one"}, "Authorization": {"Bearer two"}}, ldap: true, want: "one"},
		{name: "header and ldap login", header: h{"x-acs-spark-livy-token": {"one"}, "Authorization": {basic("two")}}, ldap: true, want: "one", kept: []string{basic("two")}},
		{name: "header and another token of ours as login", header: h{"x-acs-spark-livy-token": {"one"}, "Authorization": {basic(ourLook)}}, ldap: true, twice: true},
		{name: "basic with ldap", header: h{"Authorization": {basic("secret")}}, ldap: true, want: "secret", basic: true},
		{name: "the token as login too", header: h{"x-acs-spark-livy-token": {ourLook}, "Authorization": {basic(ourLook)}}, ldap: true, want: ourLook},
	}
	for _, tt := range tests {
		header := http.Header{"Accept": {"*/*"}}
		for name, values := range tt.header {
			header[http.CanonicalHeaderKey(name)] = values
		}
		got, usedBasic, err := tokens.FromRequest(header)
		if tt.twice {
			want(t, tt.name, reasonOf(t, err), tokens.ReasonAmbiguous)
			if gateway.KindOf(err) != gateway.KindInvalid {
				t.Errorf("%s: kind %v, want invalid", tt.name, gateway.KindOf(err))
			}
			continue
		}
		if err != nil || got != tt.want || usedBasic != tt.basic {
			t.Errorf("%s: %q, by basic %v, %v; want %q, %v", tt.name, got, usedBasic, err, tt.want, tt.basic)
		}
		tokens.Strip(header, tt.ldap && !usedBasic)
		if kept := header["Authorization"]; tt.want != "" && !slices.Equal(kept, tt.kept) {
			t.Errorf("%s: Livy gets %q, want %q", tt.name, kept, tt.kept)
		}
		if _, there := header[tokens.Header]; there || header.Get("Accept") == "" {
			t.Errorf("%s: Livy gets %v", tt.name, header)
		}
	}
}

func TestStripTakesMisplacedTokens(t *testing.T) {
	t.Parallel()
	const secret = "lgw_0123456789abcdef_0123456789ABCDEFabcdefXYZxyz0000_0FrxTk"
	header := http.Header{
		"Accept": {"*/*"}, "X-Livy-Token": {secret}, "Cookie": {"a=b", "t=" + secret}, "User-Agent": {"my agent"},
		"Authorization": {basic(secret + ":")},
	}
	tokens.Strip(header, true)
	if want := (http.Header{"Accept": {"*/*"}, "User-Agent": {"my agent"}}); !reflect.DeepEqual(header, want) {
		t.Errorf("Livy gets %v", header)
	}
}

func TestStripAlwaysTakesBearer(t *testing.T) {
	t.Parallel()
	header := http.Header{"Authorization": {"Bearer secret", basic("ldap")}}
	tokens.Strip(header, true)
	if got := header["Authorization"]; !slices.Equal(got, []string{basic("ldap")}) {
		t.Errorf("Livy gets %q", got)
	}
}
