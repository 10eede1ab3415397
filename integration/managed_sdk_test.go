package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	openapi "github.com/alibabacloud-go/darabonba-openapi/v2/client"
	util "github.com/alibabacloud-go/tea-utils/v2/service"

	"github.com/livygateway/livygateway/internal/require"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// managedWorkspace is the id of the workspace "default" in the managed product.
const managedWorkspace = "w-1234567890abcdef"

// accessKey is what "caddy livy access-key create --json" prints.
type accessKey struct {
	ID     string `json:"id"`
	Secret string `json:"secret"`
}

// newManaged starts Caddy with the managed product's API on the site of all gateways, and makes
// an access key.
func newManaged(t *testing.T, redis *storetest.Server, livyBlock string) (*caddy, accessKey) {
	t.Helper()
	c := newCaddyWith(t, func(c *caddy) string { return withManaged(t, c.text(redis.Addr(), livyBlock)) })
	var key accessKey
	c.json(&key, "access-key", "create", "--name", "sdk", "--role", "admin", "--json")
	return c, key
}

// withManaged returns a Caddyfile with the managed product's API on the site of all gateways.
func withManaged(t testing.TB, caddyfile string) string {
	t.Helper()
	sealing := filepath.Join(t.TempDir(), "seal.key")
	if err := os.WriteFile(sealing, []byte("a sealing key of an integration test"), 0o600); err != nil {
		t.Fatal(err)
	}
	caddyfile = strings.Replace(caddyfile, "\tlivy {\n", "\tlivy {\n\t\tsealing_key {file."+sealing+"}\n", 1)
	return strings.Replace(caddyfile, "\tlivy_gateway\n", "\tlivy_gateway\n\tlivy_managed_api {\n\t\tworkspace "+managedWorkspace+" default\n"+
		"\t\trelease \"esr-4.3.0 (Spark 3.5.2, Scala 2.12)\" spark-3.5\n\t}\n", 1)
}

// TestManagedSDKs drives a real Livy with the managed product's SDKs, unmodified: all operations
// with the one for Python, and a session with a token that it made; some with the core of the
// one for Go.
func TestManagedSDKs(t *testing.T) {
	python := clientPython(t, require.Managed)
	l := oneLive(t)
	require.Need(t, require.Livy080, l.interactive, "this engine runs no interactive sessions")
	redis := storetest.StartServer(t)
	c, key := newManaged(t, redis, l.livyBlock)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, python, filepath.Join(root, "integration", "clients", "managed_sdk.py"), c.all, managedWorkspace)
	cmd.Env = append(os.Environ(), "ACCESS_KEY_ID="+key.ID, "ACCESS_KEY_SECRET="+key.Secret)
	out, err := cmd.CombinedOutput()
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if err != nil {
		t.Fatalf("the SDK for Python: %v\n%s", err, out)
	}
	t.Logf("the SDK for Python:\n%s", strings.Join(lines[:len(lines)-1], "\n"))
	var texts []string
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &texts); err != nil || len(texts) != 2 {
		t.Fatalf("token texts: %v", err)
	}

	g := managedByGo(t, c, key)
	for _, secret := range append(texts, key.Secret) {
		assertNowhere(t, secret, c, redis, g)
	}
}

// managedByGo makes a gateway with the core of the SDK for Go, and returns it.
func managedByGo(t *testing.T, c *caddy, key accessKey) gateway {
	t.Helper()
	client, err := openapi.NewClient(&openapi.Config{
		AccessKeyId: new(key.ID), AccessKeySecret: new(key.Secret), Endpoint: new(c.all), Protocol: new("HTTP"),
	})
	if err != nil {
		t.Fatal(err)
	}
	const computes = "/api/interactive/v1/workspace/" + managedWorkspace + "/livycompute"
	call := func(action, method, path string, query map[string]*string, body any) map[string]any {
		t.Helper()
		got, err := client.CallApi(&openapi.Params{
			Action: new(action), Version: new("2023-08-08"), Protocol: new("HTTP"), Pathname: new(path), Method: new(method),
			AuthType: new("AK"), Style: new("ROA"), ReqBodyType: new("json"), BodyType: new("json"),
		}, &openapi.OpenApiRequest{Query: query, Body: body}, &util.RuntimeOptions{})
		if err != nil {
			t.Fatalf("%s: %v", action, err)
		}
		return got["body"].(map[string]any)
	}
	data := func(reply map[string]any) map[string]any { return reply["data"].(map[string]any) }
	id := fmt.Sprint(data(call("CreateLivyCompute", "PUT", computes, nil, map[string]any{"name": "by-go", "cpuLimit": "1"}))["livyComputeId"])
	region := map[string]*string{"regionId": new("any region")}
	if got := data(call("GetLivyCompute", "GET", computes+"/"+id, region, nil)); got["name"] != "by-go" || got["status"] != "STOPPED" {
		t.Errorf("got %v", got)
	}
	tokenID := fmt.Sprint(data(call("CreateLivyComputeToken", "PUT", computes+"/"+id+"/token", nil, map[string]any{"name": "go"}))["tokenId"])
	if got := data(call("GetLivyComputeToken", "GET", computes+"/"+id+"/token/"+tokenID, nil, nil)); !strings.HasPrefix(fmt.Sprint(got["token"]), "lgw_") {
		t.Errorf("got %v", got)
	}
	sessions := "/api/v1/workspaces/" + managedWorkspace + "/livycompute/" + id + "/session"
	if got := call("ListLivyComputeSessions", "GET", sessions, map[string]*string{"pageSize": new("5")}, nil); fmt.Sprint(got["totalCount"]) != "0" {
		t.Errorf("got %v", got)
	}
	return c.show("by-go")
}
