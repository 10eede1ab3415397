package caddymodule

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/livygateway/livygateway/gateway"
	"github.com/livygateway/livygateway/store"
	"github.com/livygateway/livygateway/upstream"
)

// Drivers take the first free port from 4040 on; Spark tries 16 more, and
// spark.ui.port can begin elsewhere. These are looked at.
const (
	firstUIPort = 4040
	lastUIPort  = 4140
)

// foundLife is how long a driver's port is believed to be its own.
const foundLife = 5 * time.Second

// sparkUIs finds the Spark UIs of drivers that run beside Livy servers.
type sparkUIs struct {
	store     *store.Store
	runtime   upstream.Runtime
	transport *http.Transport
	now       func() time.Time

	mu    sync.Mutex
	found map[string]foundUI // by record
}

type foundUI struct {
	address string
	app     string // its application id, which no other driver has
	until   time.Time
}

func newSparkUIs(s *store.Store, rt upstream.Runtime) *sparkUIs {
	return &sparkUIs{store: s, runtime: rt, transport: uiTransport(), now: time.Now, found: make(map[string]foundUI)}
}

// find returns host:port of the driver that runs a record. Only a driver that
// says itself that it is this record's is taken: another one, or another program
// on such a port, is never reached.
func (u *sparkUIs) find(ctx context.Context, g *gateway.Gateway, id string) (string, error) {
	u.mu.Lock()
	f := u.found[id]
	u.mu.Unlock()
	if u.now().Before(f.until) {
		return f.address, nil
	}
	r, err := u.record(ctx, g.ID, id)
	if err != nil {
		return "", err
	}
	if !r.Live() || r.Epoch != g.Status.Epoch || g.Status.State != gateway.StateRunning {
		return "", gateway.Errorf(gateway.KindNotFound, "%s %s has ended (%s), and its Spark UI with it", r.Kind, id, r.State)
	}
	hoster, ok := u.runtime.(upstream.DriverHoster)
	if !ok {
		return "", gateway.Errorf(gateway.KindNotFound, "Spark UIs cannot be reached with runtime %s", u.runtime.Name())
	}
	host, err := hoster.DriverHost(ctx, g.ID)
	if err != nil {
		return "", err
	}
	if !u.still(ctx, f) {
		if f = u.search(ctx, host, id); f.address == "" {
			return "", gateway.Errorf(gateway.KindUnavailable, "the driver of %s %s does not serve its Spark UI now (state %s)", r.Kind, id, r.State)
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for old, f := range u.found {
		if u.now().After(f.until.Add(time.Minute)) {
			delete(u.found, old)
		}
	}
	f.until = u.now().Add(foundLife)
	u.found[id] = f
	return f.address, nil
}

// patience is how long a driver may take to say who it is.
const patience = 20 * time.Second

// still says whether a driver that was found before is still there.
func (u *sparkUIs) still(ctx context.Context, f foundUI) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return f.address != "" && u.app(ctx, f.address) == f.app
}

// search asks all ports of a host.
func (u *sparkUIs) search(ctx context.Context, host, id string) foundUI {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	hits := make(chan foundUI, lastUIPort-firstUIPort+1)
	var wg sync.WaitGroup
	for port := firstUIPort; port <= lastUIPort; port++ {
		address := net.JoinHostPort(host, strconv.Itoa(port))
		wg.Go(func() {
			d := net.Dialer{Timeout: 2 * time.Second}
			conn, err := d.DialContext(ctx, "tcp", address)
			if err != nil {
				return
			}
			conn.Close()
			if app := u.app(ctx, address); app != "" && u.runs(ctx, address, app, id) {
				hits <- foundUI{address: address, app: app}
			}
		})
	}
	wg.Wait()
	close(hits)
	return <-hits
}

// app is the id of the application that a driver runs, "" if it is none.
func (u *sparkUIs) app(ctx context.Context, address string) string {
	var apps []struct{ ID string }
	if err := u.ask(ctx, address, "/api/v1/applications", &apps); err != nil || len(apps) != 1 {
		return ""
	}
	return apps[0].ID
}

// runs asks a driver whether it is the one of a record: its proxy base says so.
func (u *sparkUIs) runs(ctx context.Context, address, app, id string) bool {
	var env struct{ SparkProperties [][2]string }
	if err := u.ask(ctx, address, "/api/v1/applications/"+url.PathEscape(app)+"/environment", &env); err != nil {
		return false
	}
	for _, p := range env.SparkProperties {
		if p[0] == "spark.ui.proxyBase" {
			return strings.HasSuffix(p[1], sparkUIPath+id)
		}
	}
	return false
}

func (u *sparkUIs) ask(ctx context.Context, address, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := u.transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %d", address, resp.StatusCode)
	}
	return json.NewDecoder(http.MaxBytesReader(nil, resp.Body, 4<<20)).Decode(into)
}
