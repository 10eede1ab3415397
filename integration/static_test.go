package integration

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"

	"github.com/livygateway/livygateway/internal/require"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// outerPrefix is the prefix of the path at which the gateway behind another one is reached.
const outerPrefix = "/spark"

// TestLivyThatSomebodyElseRuns puts a gateway in front of a Livy server that the gateway did not
// start: the runtime static, with a container in its place. Another gateway is in front of this
// one, as it would be at another site: with HTTPS, a path prefix, and the token as its login.
func TestLivyThatSomebodyElseRuns(t *testing.T) {
	require.Need(t, require.Docker, dockerAnswers(), "no Docker engine answers")
	require.Need(t, require.Image, imageThere(), "image "+image()+" is not there (make image)")
	livy, url := foreignLivy(t)
	redis := storetest.StartServer(t)
	c, secure := newSecureCaddy(t, redis, haltedLimits+staticEngine("elsewhere", "url "+url))
	g := c.newGateway("etl")
	cl := client{t, c.url("etl"), c.newToken("etl").Token}
	front := newFrontGateway(t, c, cl.token, secureEndpoint(t, c, secure))

	const job = "local:/opt/spark/examples/src/main/python/pi.py"
	var batch struct{ ID int64 }
	front.expect(http.StatusCreated, "POST", "/batches", map[string]any{"file": job}, &batch)
	session := idleSession(t, front)
	front.expect(http.StatusCreated, "POST", session+"/statements", map[string]string{"code": "40+2"}, nil)
	eventually(t, time.Minute, "the statement's output", func() bool {
		r := front.do("GET", session+"/statements/0", nil)
		return strings.Contains(string(r.body), `"text/plain":"42"`)
	})
	state := ""
	eventually(t, 3*time.Minute, "the batch succeeding", func() bool {
		var got struct{ State string }
		front.expect(http.StatusOK, "GET", fmt.Sprintf("/batches/%d/state", batch.ID), nil, &got)
		state = got.State
		return state == "success" || state == "dead"
	})
	if state != "success" {
		t.Errorf("the batch ended as %s", state)
	}

	checkHalts(t, c, cl, g, onlySession(t, cl), func() func() { return pause(t, livy.GetContainerID()) })
	eventually(t, time.Minute, "the session's answers through both gateways", func() bool {
		r, err := front.try("GET", session, nil)
		return err == nil && r.status == http.StatusOK
	})

	// Stopping and starting the gateway leaves the server as it is; ids go on.
	c.livy("gateway", "stop", "etl", "--wait")
	cl.expect(http.StatusServiceUnavailable, "GET", "/batches", nil, nil)
	c.livy("gateway", "start", "etl", "--wait")
	cl.expect(http.StatusCreated, "POST", "/batches", map[string]any{"file": job}, &batch)
	if batch.ID <= 0 {
		t.Errorf("the next batch has id %d, which was given out before", batch.ID)
	}
}

// foreignLivy runs a Livy server in a container, and returns its address.
func foreignLivy(t *testing.T) (livy *testcontainers.DockerContainer, url string) {
	t.Helper()
	t.Setenv("TESTCONTAINERS_RYUK_DISABLED", "true") // its image may be out of reach; clean-up is below
	t.Setenv("TESTCONTAINERS_HOST_OVERRIDE", "localhost")
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	port := network.MustParsePort("8998/tcp")
	livy, err := testcontainers.Run(ctx, image(),
		testcontainers.WithExposedPorts("8998/tcp"),
		testcontainers.WithHostConfigModifier(func(h *container.HostConfig) {
			h.PortBindings = network.PortMap{port: {{HostIP: netip.MustParseAddr("127.0.0.1")}}}
		}),
		testcontainers.WithWaitStrategyAndDeadline(3*time.Minute, wait.ForHTTP("/version").WithPort("8998/tcp")),
	)
	testcontainers.CleanupContainer(t, livy)
	if err != nil {
		t.Fatal(err)
	}
	if url, err = livy.PortEndpoint(ctx, "8998/tcp", "http"); err != nil {
		t.Fatal(err)
	}
	return livy, url
}

// staticEngine is a livy block with the runtime static and one engine.
func staticEngine(name, options string) string {
	return "runtime static\n\t\tlocal_dir /opt/spark/examples\n\t\tengine " + name + " {\n\t\t\tlivy " + imageLivy() + "\n\t\t\t" + options + "\n\t\t}"
}

// newSecureCaddy starts Caddy with another site, of all gateways: HTTPS with a certificate of
// Caddy's own authority, below outerPrefix.
func newSecureCaddy(t *testing.T, redis *storetest.Server, livyBlock string) (c *caddy, secure string) {
	t.Helper()
	const alone = "\tauto_https disable_redirects\n\tskip_install_trust\n\tservers {\n\t\tprotocols h1 h2\n\t}\n" // no ports besides its own
	secure = "localhost:" + sparePort(t)
	c = newCaddyWith(t, func(c *caddy) string {
		text := strings.Replace(c.text(redis.Addr(), livyBlock), "\tdebug\n", "\tdebug\n"+alone, 1)
		return text + fmt.Sprintf("https://%s {\n\ttls internal\n\thandle_path %s/* {\n\t\tlivy_gateway\n\t}\n}\n", secure, outerPrefix)
	})
	return c, secure
}

// secureEndpoint returns the endpoint of gateway etl on the site with HTTPS, which is shown.
func secureEndpoint(t *testing.T, c *caddy, secure string) string {
	t.Helper()
	want := "https://" + secure + outerPrefix + "/api/v1/workspace/default/livycompute/etl"
	var g struct{ Endpoints []struct{ URL string } }
	c.json(&g, "gateway", "show", "etl", "--json")
	for _, e := range g.Endpoints {
		if e.URL == want {
			return want
		}
	}
	t.Fatalf("endpoints %v, want %s among them", g.Endpoints, want)
	return ""
}

// newFrontGateway starts another Caddy, with a gateway in front of one of behind, and returns a
// client of it.
func newFrontGateway(t *testing.T, behind *caddy, token, url string) client {
	t.Helper()
	secret := filepath.Join(behind.dir, "token")
	write(t, secret, token)
	c := newCaddy(t, storetest.StartServer(t), staticEngine("other",
		"url "+url+
			"\n\t\t\theader "+tokenHeader+" {file."+secret+"}"+
			"\n\t\t\tca "+filepath.Join(behind.dir, "caddy", "pki", "authorities", "local", "root.crt")))
	c.newGateway("front")
	return client{t, c.url("front"), c.newToken("front").Token}
}

// onlySession returns the path of the only session that a gateway has.
func onlySession(t *testing.T, cl client) string {
	t.Helper()
	var list struct{ Sessions []struct{ ID int64 } }
	cl.expect(http.StatusOK, "GET", "/sessions", nil, &list)
	if len(list.Sessions) != 1 {
		t.Fatalf("%d sessions, want 1", len(list.Sessions))
	}
	return fmt.Sprintf("/sessions/%d", list.Sessions[0].ID)
}
