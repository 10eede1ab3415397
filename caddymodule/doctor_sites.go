package caddymodule

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/livygateway/livygateway/internal/doctor"
	"github.com/livygateway/livygateway/internal/tokens"
)

// config is the part of Caddy's configuration that the doctor reads as it was written, since
// Caddy does not keep it in the modules.
type config struct {
	Admin *struct {
		Listen   string `json:"listen"`
		Disabled bool   `json:"disabled"`
	} `json:"admin"`
	Logging struct {
		Logs map[string]struct {
			Include []string        `json:"include"`
			Exclude []string        `json:"exclude"`
			Encoder json.RawMessage `json:"encoder"`
		} `json:"logs"`
	} `json:"logging"`
	Apps struct {
		HTTP struct {
			Servers map[string]server `json:"servers"`
		} `json:"http"`
		Livy json.RawMessage `json:"livy"`
	} `json:"apps"`
}

type server struct {
	Listen []string `json:"listen"`
	Routes any      `json:"routes"`
	Logs   *struct {
		ShouldLogCredentials bool `json:"should_log_credentials"`
	} `json:"logs"`
	TrustedProxies       json.RawMessage `json:"trusted_proxies"`
	TrustedProxiesStrict int             `json:"trusted_proxies_strict"`
}

func readConfig(text []byte) (*config, error) {
	c := new(config)
	return c, json.Unmarshal(text, c)
}

// gateways returns the livy_gateway handlers in a server's routes.
func (s *server) gateways() []placed {
	return slices.DeleteFunc(s.handlers(), func(h placed) bool { return h.name != "livy_gateway" })
}

// examineSites checks the transport, the access logs and the trusted proxies of sites with
// gateways.
func (p *patient) examineSites() (results []doctor.Result) {
	found := 0
	for _, name := range slices.Sorted(maps.Keys(p.config.Apps.HTTP.Servers)) {
		s := p.config.Apps.HTTP.Servers[name]
		gateways := s.gateways()
		if len(gateways) == 0 {
			continue
		}
		found++
		where := strings.Join(s.Listen, ", ")
		results = append(results, p.examineTransport("site "+where, name, &s, gateways),
			p.examineAccessLog("log "+where, &s, gateways))
		if len(s.TrustedProxies) > 0 {
			results = append(results, examineProxies("client addresses "+where, &s))
		}
	}
	if found == 0 {
		results = append(results, doctor.Warning("sites", "no site has a livy_gateway directive: clients reach no gateway",
			"add a site with livy_gateway, see Caddyfile.example"))
	}
	return results
}

// examineTransport checks whether tokens are sent over the network in clear text.
func (p *patient) examineTransport(check, name string, s *server, gateways []placed) doctor.Result {
	public := slices.ContainsFunc(gateways, func(g placed) bool { return g.public })
	encrypted := false
	if p.http != nil {
		if made := p.http.Servers[name]; made != nil {
			encrypted = len(made.TLSConnPolicies) > 0
		}
	}
	open := slices.ContainsFunc(s.Listen, func(address string) bool { return !isLocal(address) })
	switch {
	case encrypted:
		return doctor.Good(check, "HTTPS")
	case public && open:
		return doctor.Warning(check, "a public endpoint without HTTPS: tokens can be read in transit",
			"write the site's address as https://HOST; if a load balancer in front of Caddy terminates TLS, "+
				"bind the site to the address that it uses")
	case open:
		return doctor.Warning(check, "plain HTTP on all addresses of this machine: tokens can be read in transit",
			"bind 127.0.0.1 in the site if all clients are on this machine; "+
				"otherwise write its address as https://HOST")
	}
	return doctor.Good(check, "plain HTTP, on this machine only")
}

// examineProxies checks whether clients can choose the address that they seem to come from, if
// addresses are read from a proxy's header.
func examineProxies(check string, s *server) doctor.Result {
	if s.TrustedProxiesStrict > 0 {
		return doctor.Good(check, "the nearest address that is not a trusted proxy's")
	}
	return doctor.Warning(check,
		"trusted_proxies without trusted_proxies_strict: the first address of X-Forwarded-For is used, "+
			"which clients can choose; "+
			"so the address ranges of tokens have no effect, and wrong tokens are counted for invented addresses",
		"add trusted_proxies_strict beside trusted_proxies, in the global option servers")
}

// isLocal reports whether an address to listen on can only be reached from this machine.
func isLocal(address string) bool {
	parsed, err := caddy.ParseNetworkAddress(caddy.NewReplacer().ReplaceAll(address, ""))
	if err != nil {
		return false
	}
	ip := net.ParseIP(parsed.Host)
	return parsed.IsUnixNetwork() || parsed.IsFdNetwork() || parsed.Host == "localhost" || ip != nil && ip.IsLoopback()
}

// examineAccessLog checks whether tokens are written to access logs. livy_gateway removes them
// from the lines of its own requests. Other requests to the site are logged by Caddy, which only
// hides Authorization.
func (p *patient) examineAccessLog(check string, s *server, gateways []placed) doctor.Result {
	if s.Logs == nil {
		return doctor.Good(check, "no access log")
	}
	if s.Logs.ShouldLogCredentials {
		return doctor.Failure(check, "log_credentials is on: tokens in Authorization headers are logged",
			"remove log_credentials from the global option servers")
	}
	if !slices.ContainsFunc(gateways, func(g placed) bool { return g.some }) {
		return doctor.Good(check, "tokens are removed")
	}
	if name, ok := p.config.unfiltered(); ok {
		return doctor.Warning(check,
			fmt.Sprintf("livy_gateway handles only some requests; for the others, the log %q has the header %s",
				name, tokens.Header),
			"in the log's block: format filter { request>headers>"+tokens.Header+" delete }")
	}
	return doctor.Good(check, "tokens are removed, and filtered from other requests")
}

// unfiltered returns a log that receives access logs and keeps the token's header.
func (c *config) unfiltered() (string, bool) {
	const access = "http.log.access"
	covers := func(list []string) bool {
		return slices.ContainsFunc(list, func(name string) bool {
			return name == access || strings.HasPrefix(name, access+".") || strings.HasPrefix(access, name+".")
		})
	}
	if len(c.Logging.Logs) == 0 {
		return caddy.DefaultLoggerName, true
	}
	for _, name := range slices.Sorted(maps.Keys(c.Logging.Logs)) {
		l := c.Logging.Logs[name]
		if len(l.Include) > 0 && !covers(l.Include) || slices.Contains(l.Exclude, access) ||
			slices.Contains(l.Exclude, "http.log") || slices.Contains(l.Exclude, "http") {
			continue
		}
		if !filters(l.Encoder) {
			return name, true
		}
	}
	return "", false
}

// filters reports whether an encoder removes or replaces the token's header.
func filters(encoder json.RawMessage) bool {
	var e struct {
		Format string         `json:"format"`
		Fields map[string]any `json:"fields"`
	}
	if json.Unmarshal(encoder, &e) != nil || e.Format != "filter" {
		return false
	}
	for field := range e.Fields {
		if field == "request" || field == "request>headers" || strings.EqualFold(field, "request>headers>"+tokens.Header) {
			return true
		}
	}
	return false
}

// examineListeners checks whether the sites' addresses are free, unless they are those of a Caddy
// that runs.
func (p *patient) examineListeners() (results []doctor.Result) {
	if p.running {
		return nil
	}
	used := p.config.usedByCaddy()
	for _, name := range slices.Sorted(maps.Keys(p.config.Apps.HTTP.Servers)) {
		for _, address := range p.config.Apps.HTTP.Servers[name].Listen {
			parsed, err := caddy.ParseNetworkAddress(caddy.NewReplacer().ReplaceAll(address, ""))
			if err != nil || parsed.Network != "tcp" || parsed.PortRangeSize() > 1 {
				continue
			}
			check := "port " + address
			l, err := net.Listen("tcp", parsed.JoinHostPort(0))
			if err != nil && slices.Contains(used, address) {
				results = append(results, doctor.Good(check, "used by the Caddy that is running"))
				continue
			}
			if err != nil {
				results = append(results, doctor.Failure(check, "cannot listen: "+err.Error(),
					"stop the program that uses it (see ss -ltnp) or choose another port; "+
						"for ports below 1024: setcap cap_net_bind_service=+ep on the caddy binary"))
				continue
			}
			_ = l.Close()
			results = append(results, doctor.Good(check, "free"))
		}
	}
	return results
}

// usedByCaddy returns the addresses of the sites of the Caddy that runs with the same admin
// endpoint; none if there is no such Caddy.
func (c *config) usedByCaddy() (addresses []string) {
	admin := caddy.DefaultAdminListen
	if c.Admin != nil && c.Admin.Disabled {
		return nil
	}
	if c.Admin != nil && c.Admin.Listen != "" {
		admin = caddy.NewReplacer().ReplaceAll(c.Admin.Listen, "")
	}
	client, base, err := dialAdmin(admin)
	if err != nil {
		return nil
	}
	client.Timeout = time.Second
	reply, err := client.Get(strings.TrimSuffix(base, "/livy") + "/config/")
	if err != nil {
		return nil
	}
	defer reply.Body.Close()
	var running config
	if reply.StatusCode != http.StatusOK || json.NewDecoder(reply.Body).Decode(&running) != nil {
		return nil
	}
	for _, s := range running.Apps.HTTP.Servers {
		addresses = append(addresses, s.Listen...)
	}
	return addresses
}

// examineAdmin checks who can connect to the admin endpoint, which gives full control.
func (p *patient) examineAdmin() doctor.Result {
	const check = "admin endpoint"
	if len(p.admin) == 0 {
		return doctor.Good(check, "can only be reached from this machine")
	}
	return doctor.Failure(check,
		"answers at "+strings.Join(p.admin, ", ")+": whoever can connect to it has full control, without a password",
		"global option: admin localhost:2019, or admin unix//run/caddy/admin.sock")
}

// exposedAdmin returns the address of the admin endpoint if other machines can reach it.
func (c *config) exposedAdmin() []string {
	if c.Admin == nil || c.Admin.Disabled || c.Admin.Listen == "" || isLocal(c.Admin.Listen) {
		return nil
	}
	return []string{c.Admin.Listen}
}

// exposed returns the addresses of this machine, other than loopback, at which the port of the
// admin endpoint accepts connections.
func exposed(r *http.Request) (found []string) {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok {
		return nil // a Unix socket
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range addresses {
		ip, ok := a.(*net.IPNet)
		if !ok || ip.IP.IsLoopback() || ip.IP.IsLinkLocalUnicast() {
			continue
		}
		address := net.JoinHostPort(ip.IP.String(), fmt.Sprint(local.Port))
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			_ = conn.Close()
			found = append(found, address)
		}
	}
	return found
}
