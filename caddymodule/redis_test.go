package caddymodule

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

func TestRedisBlock(t *testing.T) {
	a := new(App)
	d := caddyfile.NewTestDispenser(`livy {
redis rediss://h {
		prefix x:
		ca /ca
		cert /cert /key
		server_name r.internal
		timeout 500ms
		connect_timeout 2s
	}
	}`)
	d.Next()
	d.NextBlock(0)
	if err := a.unmarshalRedis(d); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(a.Redis)
	want := `{"url":"rediss://h","prefix":"x:","ca":"/ca","cert":"/cert","key":"/key","server_name":"r.internal","timeout":500000000,"connect_timeout":2000000000}`
	if err != nil || string(text) != want {
		t.Errorf("%s, %v", text, err)
	}
	o, err := a.Redis.options()
	if err != nil || o.URL != "rediss://h" || o.Prefix != "x:" || o.CAFile != "/ca" || o.CertFile != "/cert" || o.KeyFile != "/key" ||
		o.ServerName != "r.internal" || o.Timeout != 500*time.Millisecond || o.ConnectTimeout != 2*time.Second {
		t.Errorf("%+v, %v", o, err)
	}
	for block, want := range map[string]string{
		"db 1": `unknown option "db" of redis`, "cert /cert": "wrong argument count", `cert "" /key`: "cert: its argument is empty",
		"timeout soon": "timeout", "timeout 5s": "timeout: must be a duration from 10ms to 3s", "connect_timeout 1ms": "connect_timeout: must be",
	} {
		a := new(App)
		d := caddyfile.NewTestDispenser("livy {\nredis rediss://h {\n" + block + "\n}\n}")
		d.Next()
		d.NextBlock(0)
		err := a.unmarshalRedis(d)
		if err == nil {
			_, err = a.Redis.options()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", block, err, want)
		}
	}
}
