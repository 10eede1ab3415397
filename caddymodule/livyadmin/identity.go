package livyadmin

import (
	"net/http"
	"net/netip"
	"regexp"
	"strings"

	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/gateway"
)

// identity finds the user and the groups of a request, from texts with placeholders.
type identity struct {
	user, groups identityText
	// trusted are the proxies whose headers may name the user; empty means those of Caddy's
	// option trusted_proxies.
	trusted []netip.Prefix
}

// identityText is a text with placeholders.
type identityText struct {
	text string
	// sent reports whether the text has a placeholder for something that the client sends.
	// Then it counts only in requests of trusted proxies.
	sent bool
	// headers are the request headers among these placeholders.
	headers []string
}

var identityPlaceholder = regexp.MustCompile(`\{([^{}]+)\}`)

func newIdentityText(text string) identityText {
	t := identityText{text: text}
	for _, found := range identityPlaceholder.FindAllStringSubmatch(text, -1) {
		key := strings.ToLower(found[1])
		// Caddy itself has verified the client's certificate.
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

// of returns the text for a request, or "" if it cannot be trusted.
func (t *identityText) of(r *http.Request, trusted bool) string {
	repl := core.Replacer(r)
	if repl == nil || t.text == "" || t.sent && !trusted {
		return ""
	}
	for _, name := range t.headers {
		if len(r.Header[name]) > 1 {
			return "" // one may be the client's, next to the proxy's
		}
	}
	return repl.ReplaceAll(t.text, "")
}

// trusts reports whether a request comes from a proxy that may name the user.
func (i *identity) trusts(r *http.Request) bool {
	if len(i.trusted) == 0 {
		return core.FromTrustedProxy(r)
	}
	addr, err := netip.ParseAddr(core.HostOf(r.RemoteAddr))
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

// Limits on the user's name, in bytes, and on the number of groups.
const (
	maxUser   = 256
	maxGroups = 1000
)

// of returns who makes a request on a site.
func (i *identity) of(r *http.Request) api.Caller {
	trusted := i.trusts(r)
	c := api.Caller{Origin: gateway.Origin{Address: core.HostOf(core.ClientAddr(r)), Surface: "site"}}
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
