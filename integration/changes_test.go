package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/store/storetest"
)

// order makes a call of the management API, with a body, and reads the reply into v, if it is
// not nil.
func (c *caddy) order(method, path string, body, v any) {
	c.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		c.t.Fatal(err)
	}
	req, err := http.NewRequest(method, "http://"+c.admin+"/livy/v1/workspaces/default/gateways"+path, bytes.NewReader(text))
	if err != nil {
		c.t.Fatal(err)
	}
	if body == nil {
		req.Body, req.ContentLength = http.NoBody, 0
	} else {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := httpClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err = io.ReadAll(res.Body)
	if err == nil && v != nil {
		err = json.Unmarshal(text, v)
	}
	if err != nil || res.StatusCode > 299 {
		c.t.Fatalf("%s %s: %s: %v: %s", method, path, res.Status, err, text)
	}
}

// TestChangesReachTheOtherInstance makes every kind of change through the API of
// one of two Caddys and measures when requests at the other one go by it: within a
// second, whether it hears of the change or not.
func TestChangesReachTheOtherInstance(t *testing.T) {
	for _, tc := range []struct {
		name string
		// lose begins to lose the news, until stop is closed.
		lose func(stop <-chan struct{}, redis *storetest.Server, relays []*storetest.Relay)
	}{
		{name: "news gets through"},
		{name: "no news gets through", lose: func(_ <-chan struct{}, _ *storetest.Server, relays []*storetest.Relay) {
			for _, r := range relays {
				r.SwallowSubscriptions()
			}
		}},
		{name: "Redis ends all subscriptions, again and again", lose: func(stop <-chan struct{}, redis *storetest.Server, _ []*storetest.Relay) {
			go func() {
				for {
					select {
					case <-stop:
						return
					case <-time.After(20 * time.Millisecond):
						_, _ = redis.Do("CLIENT", "KILL", "TYPE", "pubsub")
					}
				}
			}()
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			redis := storetest.StartServer(t)
			instances, relays := twoCaddies(t, redis)
			one, two := instances[0], instances[1]
			public := "127.0.0.1:" + sparePort(t)
			text, err := os.ReadFile(two.caddyfile)
			if err != nil {
				t.Fatal(err)
			}
			two.write(string(text) + fmt.Sprintf("http://%s {\n\tlivy_gateway {\n\t\tpublic\n\t}\n}\n", public))
			two.reload()
			if tc.lose != nil {
				stop := make(chan struct{})
				t.Cleanup(func() { close(stop) })
				tc.lose(stop, redis, relays)
			}
			slowest := map[string]time.Duration{}
			for round := range 3 {
				changesAtOne(t, round, one, two, public, slowest)
			}
			for _, what := range slices.Sorted(maps.Keys(slowest)) {
				t.Logf("%-17s at the latest after %v", what, slowest[what].Round(time.Millisecond))
				if slowest[what] > time.Second {
					t.Errorf("%s: it took %v", what, slowest[what])
				}
			}
		})
	}
}

// changesAtOne makes the changes through one instance and notes in slowest how long
// the other one took at most.
func changesAtOne(t *testing.T, round int, one, two *caddy, public string, slowest map[string]time.Duration) {
	t.Helper()
	name := fmt.Sprintf("changing-%d", round)
	secret := fmt.Sprintf("a-text-of-our-own-number-%d", round)
	path := "/api/v1/workspace/default/livycompute/" + name
	private := client{t: t, base: "http://" + two.all + path, token: secret}
	open := client{t: t, base: "http://" + public + path, token: secret}
	// seen waits until a request is answered with this status.
	seen := func(what string, cl client, method, path string, body any, want int) {
		t.Helper()
		returned := time.Now()
		for {
			asked := time.Now()
			r := cl.do(method, path, body)
			if r.status == want {
				slowest[what] = max(slowest[what], asked.Sub(returned))
				return
			}
			if asked.Sub(returned) > 10*time.Second {
				t.Fatalf("%s: %s %s is still answered %d: %s", what, method, path, r.status, r.body)
			}
			// Wrong tokens from one address are limited to 20 at once.
			time.Sleep(60 * time.Millisecond)
		}
	}
	get := func(what string, cl client, want int) {
		t.Helper()
		seen(what, cl, "GET", "/version", nil, want)
	}
	private.expect(http.StatusNotFound, "GET", "/version", nil, nil)
	var g gateway
	one.order("POST", "", map[string]any{"name": name, "start": true}, &g)
	get("gateway created", private, http.StatusUnauthorized) // it is there, the token is not
	var tok struct{ ID string }
	one.order("POST", "/"+name+"/tokens", map[string]any{"name": "mine", "token": secret}, &tok)
	for g.Status.State != "Running" {
		one.order("GET", "/"+name, nil, &g)
	}
	get("token created", private, http.StatusOK)

	job := map[string]any{"file": "hdfs:///job.py", "numExecutors": 8}
	one.order("PATCH", "/"+name, map[string]any{"policyRules": "max spark.executor.instances 4"}, nil)
	seen("policy changed", private, "POST", "/batches", job, http.StatusBadRequest)
	one.order("PATCH", "/"+name, map[string]any{"policyRules": nil}, nil)
	seen("policy changed", private, "POST", "/batches", job, http.StatusCreated)

	get("public endpoint", open, http.StatusNotFound)
	one.order("PATCH", "/"+name, map[string]any{"public": true}, nil)
	get("public endpoint", open, http.StatusOK)
	one.order("PATCH", "/"+name, map[string]any{"public": false}, nil)
	get("public endpoint", open, http.StatusNotFound)

	one.order("POST", "/"+name+"/tokens/"+tok.ID+"/disable", nil, nil)
	get("token disabled", private, http.StatusUnauthorized)
	one.order("POST", "/"+name+"/tokens/"+tok.ID+"/enable", nil, nil)
	get("token enabled", private, http.StatusOK)

	one.order("POST", "/"+name+"/stop", nil, nil)
	get("gateway stopped", private, http.StatusServiceUnavailable)
	one.order("POST", "/"+name+"/start", nil, nil)
	for one.order("GET", "/"+name, nil, &g); g.Status.State != "Running"; {
		one.order("GET", "/"+name, nil, &g)
	}
	get("gateway started", private, http.StatusOK)

	one.order("DELETE", "/"+name+"/tokens/"+tok.ID, nil, nil)
	get("token revoked", private, http.StatusUnauthorized)
	one.order("DELETE", "/"+name+"?force=true", nil, nil)
	get("gateway deleted", private, http.StatusNotFound)
}
