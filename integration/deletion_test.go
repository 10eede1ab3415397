package integration

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/store/storetest"
)

// deleteAcrossAKill kills Caddy while it deletes the running gateway etl. The next Caddy
// completes the deletion.
func deleteAcrossAKill(t *testing.T, c *caddy, redis *storetest.Server) {
	t.Helper()
	g := c.show("etl")
	deleted := make(chan error, 1)
	go func() {
		_, err := c.tryLivy("gateway", "delete", "etl", "--force")
		deleted <- err
	}()
	eventually(t, 30*time.Second, "the deletion", func() bool {
		return strings.Contains(fmt.Sprint(redis.MustDo("HGET", "livygw:gateways", g.ID)), `"desired":"Deleting"`)
	})
	c.kill()
	if err := <-deleted; err == nil {
		t.Error("the deletion was complete before the kill")
	}
	c.start()
	eventually(t, time.Minute, "the end of the deletion", func() bool {
		_, err := c.tryLivy("gateway", "show", "etl")
		return err != nil
	})
	if out, err := exec.Command("docker", "ps", "--all", "--quiet", "--no-trunc", "--filter", "id="+g.container()).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("its container is left: %s, %v", out, err)
	}
	if keys := fmt.Sprint(redis.MustDo("KEYS", "*"+g.ID+"*")); keys != "[]" {
		t.Errorf("left behind in Redis: %s", keys)
	}
}
