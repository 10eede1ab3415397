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
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/policies"
	"github.com/livygateway/livygateway/upstream"
	"github.com/livygateway/livygateway/upstream/yarn"
)

// Drivers use the first free port from 4040 on. Spark tries 16 more, and spark.ui.port can be set
// to another one. All ports in this range are searched.
const (
	firstUIPort = 4040
	lastUIPort  = 4140
)

// finder finds the Spark UIs of records: of drivers that run next to Livy servers, at YARN's
// proxy, and at the history server.
type finder struct {
	// Runtime knows where drivers run.
	Runtime   upstream.Runtime
	store     *store.Store
	manager   *control.Manager
	transport *http.Transport
	now       func() time.Time
	found     cache
}

// target is the location of a record's Spark UI.
type target struct {
	origin string // scheme://host:port
	root   string // the path of the UI there, "" if it is at the root
	links  string // the path in the UI's own links, "" if it is the public path
	app    string // the unique id of the application
	// finished is set if the UI is that of the history server. attempt is the attempt of the
	// application that is shown, "" if there is only one.
	finished bool
	attempt  string
}

func newFinder(s *store.Store, rt upstream.Runtime, m *control.Manager) *finder {
	return &finder{store: s, Runtime: rt, manager: m, transport: newTransport(), now: time.Now}
}

// Serves reports whether the gateway shows the Spark UIs of jobs under a policy.
func (u *finder) Serves(g *gateway.Gateway, p *policies.Policy) bool {
	return u.manager.ServesSparkUI(u.Runtime, g, p)
}

// yarnConf returns the directory with the configuration of the YARN that a gateway's jobs run on,
// or "".
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

// look searches for the Spark UI of a record: the application's own while it is live, and that of
// the history server, if there is one, afterwards. last is the previous result, or nil.
func (u *finder) look(ctx context.Context, g *gateway.Gateway, id string, last *target) (t *target, err error) {
	r, err := u.record(ctx, g.ID, id)
	if err != nil {
		return nil, err
	}
	server := g.Serving(r.Epoch)
	live := r.Live() && server != nil
	history := u.manager.History()
	switch {
	case live && u.yarnConf(server) != "":
		t, err = u.onYarn(ctx, server, r)
	case live && u.manager.RunsPods(server):
		t, err = u.inPod(ctx, server, r, last)
	case live:
		t, err = u.beside(ctx, server, r, last)
	case history != nil:
		t, err = u.finished(ctx, history, r)
	default:
		err = gateway.Errorf(gateway.KindNotFound,
			"%s %s has ended (%s), and its Spark UI with it", r.Kind, id, r.State)
	}
	if err != nil {
		return nil, err
	}
	if !t.finished && strings.HasPrefix(r.SparkUI, "/") { // a history server gets the path in a header
		t.links = r.SparkUI
		if r.Warm { // it was started before anybody asked for it
			t.links = g.SparkUI(r.ID)
		}
	}
	return t, nil
}

func errNoUI(r *store.Record) error {
	return gateway.NotNow("the driver of %s %s does not serve its Spark UI now (state %s)", r.Kind, r.ID, r.State)
}

// onYarn finds the Spark UI of an application on YARN. Spark only accepts requests from the
// cluster's proxy, so this is where it is found: at the address in the cluster's own
// configuration, for an application that its ResourceManager has tagged with this gateway.
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

// inPod finds the Spark UI of a record on Kubernetes: that of the driver's pod, or that of a driver
// beside the Livy server.
func (u *finder) inPod(ctx context.Context, g *gateway.Gateway, r *store.Record, last *target) (*target, error) {
	pods, err := u.manager.JobPods(ctx, g, r)
	if err != nil {
		return nil, err
	}
	for _, p := range pods {
		if !p.Driver {
			continue
		}
		if p.IP == "" || !p.Running {
			return nil, errNoUI(r)
		}
		if t := u.search(ctx, p.IP, r.ID); t != nil {
			return t, nil
		}
		return nil, errNoUI(r)
	}
	if r.Kind == string(livy.KindBatch) {
		return nil, errNoUI(r)
	}
	return u.beside(ctx, g, r, last)
}

// beside finds the driver of a record on the host of its Livy server. The driver itself must
// report that it is this record's, so that neither another driver nor another program on such a
// port is ever reached.
func (u *finder) beside(ctx context.Context, g *gateway.Gateway, r *store.Record, last *target) (*target, error) {
	hoster, ok := u.Runtime.(upstream.DriverHoster)
	if !ok {
		return nil, gateway.Errorf(gateway.KindNotFound,
			"Spark UIs cannot be reached with runtime %s", u.Runtime.Name())
	}
	host, err := hoster.DriverHost(ctx, g.ServerID())
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

// search tries all ports of a host. It returns nil if the record has no driver there.
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

// app returns the id of the application of the driver at origin, or "" if there is none.
func (u *finder) app(ctx context.Context, origin string) string {
	var apps []struct{ ID string }
	if err := u.ask(ctx, origin+applicationsPath, &apps); err != nil || len(apps) != 1 {
		return ""
	}
	return apps[0].ID
}

// applicationsPath is where Spark UIs and history servers list applications.
const applicationsPath = "/api/v1/applications"

// runs reports whether an application (or "application/attempt", as in paths) is that of a
// record, by its spark.ui.proxyBase.
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

// escapeApp escapes an application's id, which a driver can choose, for use in a path.
func escapeApp(id string) string { return url.PathEscape(id) }

// record reads a record.
func (u *finder) record(ctx context.Context, gatewayID, id string) (*store.Record, error) {
	r, err := u.store.RecordByID(ctx, gatewayID, id)
	if gateway.KindOf(err) == gateway.KindNotFound {
		return nil, errNoRecord(id)
	}
	return r, err
}
