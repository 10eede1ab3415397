package integration

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/managedapi/managedtest"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// places is all that a gateway leaves behind, by where it is.
func places(t testing.TB, c *caddy, redis *storetest.Server, f *fake, bodies *strings.Builder) map[string]string {
	t.Helper()
	redis.MustDo("SAVE")
	all := map[string]string{
		"Caddy's log (debug level)": c.log(),
		"records":                   c.livy("session", "list", "--gateway", "etl", "--limit", "1000", "--json"),
		"list of tokens":            c.livy("token", "list", "--gateway", "etl", "--json"),
		"error bodies":              bodies.String(),
		"metrics":                   adminGet(t, c, "/metrics"),
	}
	var received strings.Builder
	for _, dump := range f.received() {
		received.Write(dump)
	}
	all["what Livy received"] = received.String()
	readAll(t, redis.Dir(), all)
	readAll(t, c.dir, all)
	return all
}

// found lists the places that hold a secret, in clear or as Basic credentials.
func found(all map[string]string, secret string) (where []string) {
	basic := base64.StdEncoding.EncodeToString([]byte("anybody:" + secret))
	for place, text := range all {
		if strings.Contains(text, secret) || strings.Contains(text, secret[len(secret)/2:]) || strings.Contains(text, basic) {
			where = append(where, place)
		}
	}
	return where
}

func adminGet(t testing.TB, c *caddy, path string) string {
	t.Helper()
	res, err := httpClient.Get("http://" + c.admin + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// useAccessKeys signs requests with access keys, and misuses their secrets. It returns these,
// and the texts of the tokens that it made.
func useAccessKeys(t testing.TB, c *caddy, keep func(*http.Request)) (secrets []string) {
	t.Helper()
	computes := "/api/interactive/v1/workspace/" + managedWorkspace + "/livycompute/" + c.show("etl").ID
	send := func(key accessKey, action, method, path, body string) (reply struct {
		Data struct{ TokenID, Token string }
	},
	) {
		req, err := http.NewRequest(method, "http://"+c.all+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		managedtest.Sign(req, key.ID, key.Secret, action, body)
		res, err := httpClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if err := json.NewDecoder(res.Body).Decode(&reply); err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s, %v", action, res.Status, err)
		}
		return reply
	}
	for i := range 5 {
		var key accessKey
		c.json(&key, "access-key", "create", "--name", "search", "--role", "admin", "--json")
		made := send(key, "CreateLivyComputeToken", "PUT", computes+"/token", `{"name":"made"}`).Data.TokenID
		if i > 0 { // of the first one the sealed text stays in Redis
			secrets = append(secrets, send(key, "GetLivyComputeToken", "GET", computes+"/token/"+made, "").Data.Token)
		}
		chosen := fmt.Sprintf("a-text-of-the-clients-own-choice-%d", i)
		send(key, "CreateLivyComputeToken", "PUT", computes+"/token", `{"name":"chosen","token":"`+chosen+`"}`)
		for _, set := range []func(*http.Request){
			func(r *http.Request) { managedtest.Sign(r, key.ID, key.Secret+"x", "GetLivyCompute", "") },
			func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+key.Secret) },
			func(r *http.Request) { r.SetBasicAuth(key.ID, key.Secret) },
			func(r *http.Request) { r.Header.Set(tokenHeader, key.Secret) },
			func(r *http.Request) {
				r.Header.Set("X-Acs-Signature-Type", "BEARERTOKEN")
				r.Header.Set("X-Acs-Bearer-Token", key.Secret)
			},
			func(r *http.Request) {
				r.Header.Set("X-Acs-Signature-Type", "BEARERTOKEN")
				r.Header.Set("X-Acs-Bearer-Token", chosen)
			},
		} {
			req, err := http.NewRequest("GET", "http://"+c.all+computes, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("X-Acs-Action", "GetLivyCompute")
			set(req)
			keep(req)
		}
		secrets = append(secrets, key.Secret, chosen)
	}
	return append(secrets, "a sealing key of an integration test")
}

// TestNoSecretOfAHundredTokensIsAnywhere uses and misuses a hundred tokens, and
// searches all that was written meanwhile.
func TestNoSecretOfAHundredTokensIsAnywhere(t *testing.T) {
	c, f, redis := newFake(t)
	before, err := os.ReadFile(c.caddyfile)
	if err != nil {
		t.Fatal(err)
	}
	c.write(withManaged(t, string(before)))
	c.reload()
	var secrets []string
	var bodies strings.Builder
	keep := func(req *http.Request) {
		res, err := httpClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, _ := io.ReadAll(res.Body)
		if res.StatusCode >= 400 {
			fmt.Fprintf(&bodies, "%d %s\n", res.StatusCode, text)
		}
	}
	request := func(method, url, body string) *http.Request {
		req, err := http.NewRequest(method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		return req
	}
	for i := range 100 {
		res, err := httpClient.Post("http://"+c.admin+"/livy/v1/workspaces/default/gateways/etl/tokens",
			"application/json", strings.NewReader(fmt.Sprintf(`{"name":"token %d"}`, i)))
		if err != nil {
			t.Fatal(err)
		}
		var tok token
		err = json.NewDecoder(res.Body).Decode(&tok)
		_ = res.Body.Close()
		if err != nil || tok.Token == "" {
			t.Fatalf("no token: %v", err)
		}
		secrets = append(secrets, tok.Token)

		for _, set := range []func(*http.Request){
			func(r *http.Request) { r.Header.Set(tokenHeader, tok.Token) },
			func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+tok.Token) },
			func(r *http.Request) { r.SetBasicAuth("anybody", tok.Token) },
		} {
			for _, req := range []*http.Request{
				request("GET", c.url("etl")+"/sessions", ""),
				request("GET", c.url("etl")+"/sessions/9999", ""),
				request("GET", c.url("etl")+"/metrics", ""),
				request("GET", c.url("nobody")+"/sessions", ""),
				request("POST", c.url("etl")+"/sessions", `{"kind":"nonsense"}`),
			} {
				set(req)
				keep(req)
			}
		}
		both := request("GET", c.url("etl")+"/sessions", "")
		both.Header.Set(tokenHeader, tok.Token)
		both.Header.Set("Authorization", "Bearer "+secrets[0])
		keep(both)
		if i%10 == 0 {
			create := request("POST", c.url("etl")+"/sessions", `{"kind":"pyspark"}`)
			create.Header.Set(tokenHeader, tok.Token)
			keep(create)
			c.livy("token", "revoke", "--gateway", "etl", tok.ID)
			revoked := request("GET", c.url("etl")+"/sessions", "")
			revoked.Header.Set(tokenHeader, tok.Token)
			keep(revoked)
		}
	}
	secrets = append(secrets, useAccessKeys(t, c, keep)...)
	all := places(t, c, redis, f, &bodies)
	for i, secret := range secrets {
		if where := found(all, secret); len(where) > 0 {
			t.Errorf("token %d is in %v", i, where)
		}
	}
	size := 0
	for _, text := range all {
		size += len(text)
	}
	t.Logf("%d tokens searched for in %d places, %d KiB", len(secrets), len(all), size>>10)

	// The same search finds one that is there.
	planted := "lgw_planted0planted0_PlantedPlantedPlantedPlantedPlanted_planted"
	redis.MustDo("SET", "planted", planted)
	log, err := os.OpenFile(c.logFile, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(log, planted)
	_ = log.Close()
	if where := found(places(t, c, redis, f, &bodies), planted); len(where) < 3 { // the log twice, the dump
		t.Errorf("the planted secret is found in %v only", where)
	}
}
