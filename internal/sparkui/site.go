package sparkui

import (
	"net/url"
	"strings"

	"github.com/livygateway/livygateway/internal/gateway"
)

// ParseSite returns the origin of a site's address as browsers write it: scheme, host, and the
// port unless it is the scheme's default.
func ParseSite(text string) (string, error) {
	bad := func(rule string) error { return gateway.Invalid("spark_ui", text, rule) }
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return "", bad("must be the address of a site, e.g. https://ui.example.com")
	}
	if u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return "", bad("must have nothing after the host and port, and no login")
	}
	host := strings.ToLower(u.Host)
	if !policyHost.MatchString(host) {
		return "", bad("must have a host name or an IPv4 address, which a Content-Security-Policy can name")
	}
	if port := u.Port(); port != "" && port == DefaultPort(u.Scheme) {
		host = strings.TrimSuffix(host, ":"+port)
	}
	return u.Scheme + "://" + host, nil
}

// DefaultPort returns the default port of http or https.
func DefaultPort(scheme string) string {
	if scheme == "https" {
		return "443"
	}
	return "80"
}
