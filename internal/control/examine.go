package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/livygateway/livygateway/internal/doctor"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/resolved"
)

// Examine checks the stored gateways, and the addresses that their settings and the
// catalog refer to.
func (m *Manager) Examine(ctx context.Context) []doctor.Result {
	results := m.examineClusters(ctx)
	all, err := m.List(ctx, "")
	if err != nil {
		return results // Redis is unreachable, which the store reports
	}
	healthy := 0
	for _, g := range all {
		found := m.examineGateway(ctx, g)
		if len(found) == 0 {
			healthy++
		}
		results = append(results, found...)
	}
	results = append(results, m.examineOrphans(ctx)...)
	return append(results, doctor.Good("gateways", "%d of %d have no problems", healthy, len(all)))
}

func (m *Manager) examineGateway(ctx context.Context, g *gateway.Gateway) (found []doctor.Result) {
	check := "gateway " + g.Ref()
	switch since := g.Status.UnresponsiveSince; {
	case g.Status.State == gateway.StateError:
		found = append(found, doctor.Failure(check, g.Status.Reason, "check its log: "+command("logs", g)))
	case g.Status.State == gateway.StateDeleting && g.Status.Reason != string(stopServer):
		found = append(found, doctor.Failure(check, "its deletion is not complete: "+g.Status.Reason,
			"mend the cause; the deletion is retried"))
	case !since.IsZero():
		found = append(found, doctor.Failure(check, m.unresponsiveNote(since),
			"see what it does with "+command("logs", g)+", or restart it with "+command("restart", g)))
	}
	if _, err := m.policy(g); err != nil {
		found = append(found, doctor.Failure(check,
			"refuses all creates because its policy cannot be compiled: "+err.Error(),
			mendSettings(g)))
	}
	rest := *g
	rest.Status.UnresponsiveSince = time.Time{} // reported above
	for _, f := range m.Findings(&rest) {
		found = append(found, doctor.Warning(check, f.Text, f.Mend))
	}
	if pending := m.RestartNeeded(g); len(pending) > 0 {
		found = append(found, doctor.Warning(check,
			"has changes that take effect after a restart: "+strings.Join(pending, ", "),
			"restart it with "+command("restart", g)))
	}
	if now := m.resolve(g).inForce; now.LivyConf(resolved.AuthTypeKey) == "ldap" {
		found = append(found, examineLDAP(ctx, check, now.LivyConf(resolved.LDAPURLKey))...)
	}
	return found
}

// examineLDAP checks that at least one of a gateway's LDAP servers accepts connections.
// The urls are separated by spaces.
func examineLDAP(ctx context.Context, check, urls string) []doctor.Result {
	err := errors.New("livy.server.auth.ldap.url is empty")
	for address := range strings.FieldsSeq(urls) {
		var u *url.URL
		if u, err = url.Parse(address); err != nil {
			err = errors.New("not a URL") // the value itself may contain a password
			continue
		}
		port := map[string]string{"ldap": "389", "ldaps": "636"}[u.Scheme]
		if u.Port() != "" {
			port = u.Port()
		}
		if err = dial(ctx, net.JoinHostPort(u.Hostname(), port)); err == nil {
			return nil
		}
	}
	return []doctor.Result{doctor.Failure(check, "no LDAP server answers: "+err.Error(),
		"fix livy.server.auth.ldap.url in livy.conf, or start the LDAP server")}
}

// examineClusters checks that the standalone masters of the catalog accept connections.
func (m *Manager) examineClusters(ctx context.Context) (results []doctor.Result) {
	for _, c := range m.Catalog().Clusters {
		check := "cluster " + c.Name
		hosts, ok := strings.CutPrefix(c.Master, "spark://")
		if !ok {
			continue
		}
		// Masters are standbys of each other: one is enough.
		var err error
		reached := slices.ContainsFunc(strings.Split(hosts, ","), func(host string) bool {
			err = dial(ctx, host)
			return err == nil
		})
		if !reached {
			results = append(results,
				doctor.Failure(check, fmt.Sprintf("%s does not answer: %s", c.Master, err),
					"start the Spark master, or fix the cluster's master"))
			continue
		}
		results = append(results, doctor.Good(check, "%s answers", c.Master))
	}
	return results
}

func dial(ctx context.Context, address string) error {
	d := net.Dialer{Timeout: 3 * time.Second}
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}
