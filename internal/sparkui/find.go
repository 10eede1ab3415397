package sparkui

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/livygateway/livygateway/internal/control"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/policies"
	"github.com/livygateway/livygateway/upstream"
	"github.com/livygateway/livygateway/upstream/yarn"
)

// Drivers take the first free port from 4040 on; Spark tries 16 more, and
// spark.ui.port can begin elsewhere. These are looked at.
const (
	firstUIPort = 4040
	lastUIPort  = 4140
)

// finder finds the Spark UIs of records: at drivers that run beside Livy
// servers, at YARN's proxy, and at the history server.
type finder struct {
	// Runtime knows where drivers run.
	Runtime   upstream.Runtime
	store     *store.Store
	manager   *control.Manager
	transport *http.Transport
	now       func() time.Time
	found     cache
}

// target is where the Spark UI of a record is.
type target struct {
	origin string // scheme://host:port
	root   string // the path of the UI there, "" where it has the host for itself
	links  string // the path of the UI in its own links, "" where it is the browser's
	app    string // the application's id, which no other one has
	// finished says that it is the history server's; attempt is then which attempt
	// of the application is shown, "" where there is but one.
	finished bool
	attempt  string
}

func newFinder(s *store.Store, rt upstream.Runtime, m *control.Manager) *finder {
	return &finder{store: s, Runtime: rt, manager: m, transport: newTransport(), now: time.Now}
}

// Serves reports whether the gateway shows the Spark UIs of jobs under a policy.
func (u *finder) Serves(g *gateway.Gateway, p *policies.Policy) bool {
	return p.DriversHere() || u.yarnConf(g) != "" || u.manager.History() != nil
}

// yarnConf is the directory with the configuration of the YARN that a gateway's
// jobs run on, "" if there is none.
func (u *finder) yarnConf(g *gateway.Gateway) string {
	c, ok := u.manager.Catalog().Cluster(g.InForce().Cluster)
	if !ok || !strings.HasPrefix(c.Master, "yarn") {
		return ""
	}
	return c.ConfDir
}

// find finds the Spark UI of a record.
func (u *finder) find(ctx context.Context, g *gateway.Gateway, id string) (*target, error) {
	return u.found.get(ctx, foundKey{g.ID, id}, func(ctx context.Context, last *target) (*target, error) {
		return u.look(ctx, g, id, last)
	})
}

// look looks for the Spark UI of a record: that of the application itself while it lives,
// and at the history server, if there is one, when it has ended. last is where it was
// before, if that is known.
func (u *finder) look(ctx context.Context, g *gateway.Gateway, id string, last *target) (t *target, err error) {
	r, err := u.record(ctx, g.ID, id)
	if err != nil {
		return nil, err
	}
	live := r.Live() && r.Epoch == g.Status.Epoch && g.Status.State == gateway.StateRunning
	history := u.manager.History()
	switch {
	case live && u.yarnConf(g) != "":
		t, err = u.onYarn(ctx, g, r)
	case live:
		t, err = u.beside(ctx, g, r, last)
	case history != nil:
		t, err = u.finished(ctx, history, r)
	default:
		err = gateway.Errorf(gateway.KindNotFound, "%s %s has ended (%s), and its Spark UI with it", r.Kind, id, r.State)
	}
	if err != nil {
		return nil, err
	}
	if !t.finished && strings.HasPrefix(r.SparkUI, "/") { // a history server is told the path
		t.links = r.SparkUI
	}
	return t, nil
}

func errNoUI(r *store.Record) error {
	return gateway.NotNow("the driver of %s %s does not serve its Spark UI now (state %s)", r.Kind, r.ID, r.State)
}

// onYarn finds the Spark UI of an application on YARN. Spark answers the
// cluster's proxy alone, so that is where it is: at the address that the
// cluster's own configuration names, for the application that its own
// ResourceManager knows as this gateway's.
func (u *finder) onYarn(ctx context.Context, g *gateway.Gateway, r *store.Record) (*target, error) {
	if r.AppID == "" {
		return nil, errNoUI(r)
	}
	cluster, err := yarn.Read(u.yarnConf(g))
	if err != nil {
		return nil, err
	}
	app, err := cluster.Application(ctx, u.transport, r.AppID)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(app.Tags, strings.ToLower(policies.LabelTag("gateway", g.ID))) {
		return nil, errNoRecord(r.ID)
	}
	if app.State != "RUNNING" {
		return nil, errNoUI(r)
	}
	return &target{origin: app.Proxy, root: app.ProxyPath(), app: app.ID}, nil
}

// beside finds the driver that runs a record on the host of its Livy server.
// Only a driver that says itself that it is this record's is taken: another one,
// or another program on such a port, is never reached.
func (u *finder) beside(ctx context.Context, g *gateway.Gateway, r *store.Record, last *target) (*target, error) {
	hoster, ok := u.Runtime.(upstream.DriverHoster)
	if !ok {
		return nil, gateway.Errorf(gateway.KindNotFound, "Spark UIs cannot be reached with runtime %s", u.Runtime.Name())
	}
	host, err := hoster.DriverHost(ctx, g.ID)
	if err != nil {
		return nil, err
	}
	if last != nil && !last.finished && u.app(ctx, last.origin) == last.app {
		again := *last
		return &again, nil
	}
	if t := u.search(ctx, host, r.ID); t != nil {
		return t, nil
	}
	return nil, errNoUI(r)
}

// search asks all ports of a host; nil if the record has no driver there.
func (u *finder) search(ctx context.Context, host, id string) *target {
	hits := make(chan *target, lastUIPort-firstUIPort+1)
	var wg sync.WaitGroup
	for port := firstUIPort; port <= lastUIPort; port++ {
		address := net.JoinHostPort(host, strconv.Itoa(port))
		wg.Go(func() {
			d := net.Dialer{Timeout: 2 * time.Second}
			conn, err := d.DialContext(ctx, "tcp", address)
			if err != nil {
				return
			}
			_ = conn.Close()
			origin := "http://" + address
			if app := u.app(ctx, origin); app != "" && u.runs(ctx, origin, escapeApp(app), id) {
				hits <- &target{origin: origin, app: app}
			}
		})
	}
	wg.Wait()
	close(hits)
	return <-hits
}

// app is the id of the application that a driver runs, "" if it is none.
func (u *finder) app(ctx context.Context, origin string) string {
	var apps []struct{ ID string }
	if err := u.ask(ctx, origin+applicationsPath, &apps); err != nil || len(apps) != 1 {
		return ""
	}
	return apps[0].ID
}

// applicationsPath is where Spark UIs and history servers list applications.
const applicationsPath = "/api/v1/applications"

// runs asks whether an application (or "application/attempt", as in paths) is the
// one of a record: its proxy base says so.
func (u *finder) runs(ctx context.Context, origin, app, id string) bool {
	var env struct{ SparkProperties [][2]string }
	if err := u.ask(ctx, origin+applicationsPath+"/"+app+"/environment", &env); err != nil {
		return false
	}
	for _, p := range env.SparkProperties {
		if p[0] == "spark.ui.proxyBase" {
			return strings.HasSuffix(p[1], gateway.SparkUIPath+id)
		}
	}
	return false
}

func (u *finder) ask(ctx context.Context, address string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := u.transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %d", req.URL.Host, resp.StatusCode)
	}
	return json.NewDecoder(http.MaxBytesReader(nil, resp.Body, 4<<20)).Decode(into)
}

// escapeApp makes an application's id, which a driver may make up, one segment of
// a path.
func escapeApp(id string) string { return url.PathEscape(id) }

// record reads a record, or what is remembered of it.
func (u *finder) record(ctx context.Context, gatewayID, id string) (*store.Record, error) {
	r, err := u.store.RecordByID(ctx, gatewayID, id)
	if gateway.KindOf(err) == gateway.KindNotFound {
		return nil, errNoRecord(id)
	}
	return r, err
}
