package caddymodule

import (
	"net/http"
	"net/netip"
	"regexp"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/gateway"
)

// identity tells who makes a request: a user and groups, from texts with placeholders.
type identity struct {
	user, groups identityText
	// trusted are the proxies that may say who it is in headers; empty means those of
	// Caddy's option trusted_proxies.
	trusted []netip.Prefix
}

// identityText is a text with placeholders.
type identityText struct {
	text string
	// sent reports whether the text has a placeholder of what the client sends. Only
	// trusted proxies may say who somebody is in that way.
	sent bool
	// headers are the request headers among them.
	headers []string
}

var identityPlaceholder = regexp.MustCompile(`\{([^{}]+)\}`)

func newIdentityText(text string) identityText {
	t := identityText{text: text}
	for _, found := range identityPlaceholder.FindAllStringSubmatch(text, -1) {
		key := strings.ToLower(found[1])
		// What TLS says of a client's certificate Caddy has checked itself.
		if !strings.HasPrefix(key, "http.request.") || strings.HasPrefix(key, "http.request.tls.") {
			continue
		}
		t.sent = true
		if name, ok := strings.CutPrefix(key, "http.request.header."); ok {
			t.headers = append(t.headers, http.CanonicalHeaderKey(name))
		}
	}
	return t
}

// of returns what the text is for a request; empty if it is not to be believed.
func (t *identityText) of(r *http.Request, trusted bool) string {
	repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok || t.text == "" || t.sent && !trusted {
		return ""
	}
	for _, name := range t.headers {
		if len(r.Header[name]) > 1 {
			return "" // one of them may be the client's own, beside the proxy's
		}
	}
	return repl.ReplaceAll(t.text, "")
}

// trusts reports whether a request comes from a proxy that may say who makes it.
func (i *identity) trusts(r *http.Request) bool {
	if len(i.trusted) == 0 {
		trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
		return trusted
	}
	addr, err := netip.ParseAddr(hostOf(r.RemoteAddr))
	if err != nil {
		return false
	}
	addr = addr.Unmap().WithZone("")
	for _, p := range i.trusted {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// Bounds of what is believed of a login.
const (
	maxUser   = 256
	maxGroups = 1000
)

// of is who makes a request on a site.
func (i *identity) of(r *http.Request) api.Caller {
	trusted := i.trusts(r)
	c := api.Caller{Origin: gateway.Origin{Address: hostOf(clientAddr(r)), Surface: "site"}}
	if user := strings.TrimSpace(i.user.of(r, trusted)); len(user) <= maxUser {
		c.Actor = user
	}
	isSeparator := func(r rune) bool { return r == ',' || r == '|' }
	for group := range strings.FieldsFuncSeq(i.groups.of(r, trusted), isSeparator) {
		if group = strings.TrimSpace(group); group != "" && len(c.Groups) < maxGroups {
			c.Groups = append(c.Groups, group)
		}
	}
	return c
}
