package integration

import (
	"context"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"

	"github.com/livygateway/livygateway/internal/require"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// TestLivyThatSomebodyElseRuns puts a gateway in front of a Livy server that the
// gateway did not start: the runtime static, with a container in its place.
func TestLivyThatSomebodyElseRuns(t *testing.T) {
	require.Need(t, require.Docker, dockerAnswers(), "no Docker engine answers")
	require.Need(t, require.Image, imageThere(), "image "+image()+" is not there (make image)")
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
	url, err := livy.PortEndpoint(ctx, "8998/tcp", "http")
	if err != nil {
		t.Fatal(err)
	}
	redis := storetest.StartServer(t)
	c := newCaddy(t, redis, "runtime static\n\t\tlocal_dir /opt/spark/examples\n\t\tengine elsewhere {\n\t\t\tlivy "+imageLivy()+"\n\t\t\turl "+url+"\n\t\t}")
	c.newGateway("etl")
	tok := c.newToken("etl")
	cl := client{t, c.url("etl"), tok.Token}
	const job = "local:/opt/spark/examples/src/main/python/pi.py"
	var batch struct{ ID int64 }
	cl.expect(http.StatusCreated, "POST", "/batches", map[string]any{"file": job}, &batch)
	state := ""
	eventually(t, 3*time.Minute, "the batch succeeding", func() bool {
		var got struct{ State string }
		cl.expect(http.StatusOK, "GET", "/batches/0/state", nil, &got)
		state = got.State
		return state == "success" || state == "dead"
	})
	if state != "success" {
		t.Errorf("the batch ended as %s", state)
	}

	// Stopping and starting the gateway leaves the server as it is; ids go on.
	c.livy("gateway", "stop", "etl", "--wait")
	cl.expect(http.StatusServiceUnavailable, "GET", "/batches", nil, nil)
	c.livy("gateway", "start", "etl", "--wait")
	cl.expect(http.StatusCreated, "POST", "/batches", map[string]any{"file": job}, &batch)
	if batch.ID <= 0 {
		t.Errorf("the next batch has id %d, which was given out before", batch.ID)
	}
}
