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

// Examine looks at the gateways on record: those in trouble, and what theirs and
// the catalog's settings point to on the network.
func (m *Manager) Examine(ctx context.Context) []doctor.Result {
	results := m.examineClusters(ctx)
	all, err := m.List(ctx, "")
	if err != nil {
		return results // Redis is away, which the store says
	}
	healthy := 0
	for _, g := range all {
		found := m.examineGateway(ctx, g)
		if len(found) == 0 {
			healthy++
		}
		results = append(results, found...)
	}
	return append(results, doctor.Good("gateways", "%d of %d without a finding", healthy, len(all)))
}

func (m *Manager) examineGateway(ctx context.Context, g *gateway.Gateway) (found []doctor.Result) {
	check := "gateway " + g.Ref()
	command := func(verb string) string {
		return fmt.Sprintf("caddy livy gateway %s %s --workspace %s", verb, g.Spec.Name, g.Workspace)
	}
	if g.Status.State == gateway.StateError {
		found = append(found, doctor.Failure(check, g.Status.Reason, "look at its log: "+command("logs")))
	}
	if _, err := m.policy(g); err != nil {
		found = append(found, doctor.Failure(check, "lets nothing through, since its policy cannot be made: "+err.Error(),
			"correct it with "+command("update")))
	}
	for _, note := range m.Findings(g) {
		found = append(found, doctor.Warning(check, note, "correct it with "+command("update")))
	}
	if pending := m.RestartNeeded(g); len(pending) > 0 {
		found = append(found, doctor.Warning(check, "was changed and runs without: "+strings.Join(pending, ", "), command("restart")))
	}
	if now := m.resolve(g).inForce; now.LivyConf(resolved.AuthTypeKey) == "ldap" {
		found = append(found, examineLDAP(ctx, check, now.LivyConf(resolved.LDAPURLKey))...)
	}
	return found
}

// examineLDAP tries the servers that a gateway's Livy asks for passwords, one of
// which is enough: urls are separated by blanks.
func examineLDAP(ctx context.Context, check, urls string) []doctor.Result {
	err := errors.New("livy.server.auth.ldap.url is empty")
	for address := range strings.FieldsSeq(urls) {
		var u *url.URL
		if u, err = url.Parse(address); err != nil {
			err = errors.New("it is no URL") // what stands there may hold a password
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
		"correct livy.server.auth.ldap.url in livy.conf, or start the LDAP server")}
}

// examineClusters tries the masters of the catalog that have an address.
func (m *Manager) examineClusters(ctx context.Context) (results []doctor.Result) {
	for _, c := range m.Catalog().Clusters {
		check := "cluster " + c.Name
		hosts, ok := strings.CutPrefix(c.Master, "spark://")
		if !ok {
			continue
		}
		// Several masters stand by for each other: one is enough.
		var err error
		reached := slices.ContainsFunc(strings.Split(hosts, ","), func(host string) bool {
			err = dial(ctx, host)
			return err == nil
		})
		if !reached {
			results = append(results, doctor.Failure(check, fmt.Sprintf("%s does not answer: %s", c.Master, err),
				"start the Spark master, or correct the cluster's master"))
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

// Findings are the notes on a gateway that tell of something to mend.
func (m *Manager) Findings(g *gateway.Gateway) []string {
	known := *g
	known.Declared = false // which is nothing to mend
	return m.Notes(&known)
}
