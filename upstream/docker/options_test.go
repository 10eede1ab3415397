package docker

import (
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
)

// Options that no Docker engine can be used with are refused by New, hence when a
// configuration is loaded.
func TestOptions(t *testing.T) {
	t.Setenv("DOCKER_HOST", "")
	for name, tt := range map[string]struct {
		opts Options
		env  string // DOCKER_HOST
		want string // part of the error; none if empty
	}{
		"the local engine":           {},
		"a socket":                   {opts: Options{Host: "unix:///run/user/1000/docker.sock"}},
		"tcp":                        {opts: Options{Host: "tcp://10.0.0.5:2376"}},
		"tcp, IPv6, path":            {opts: Options{Host: "tcp://[fd00::5]:2376/engine"}},
		"https":                      {opts: Options{Host: "https://docker.internal:2376"}},
		"ssh":                        {opts: Options{Host: "ssh://ops@build1"}, want: `host: cannot be an ssh address: forward`},
		"ssh, with a password":       {opts: Options{Host: "ssh://ops:topsecret@build1"}, want: `"ssh://ops:xxxxx@build1"`},
		"ssh in the environment":     {env: "ssh://ops@build1", want: "DOCKER_HOST: cannot be an ssh address"},
		"the option wins over it":    {opts: Options{Host: "unix:///run/docker.sock"}, env: "ssh://ops@build1"},
		"a path alone":               {opts: Options{Host: "/var/run/docker.sock"}, want: "unix:///"},
		"a relative socket":          {opts: Options{Host: "unix://docker.sock"}, want: "must be an absolute path"},
		"no host":                    {opts: Options{Host: "tcp://:2376"}, want: "must be tcp://HOST:PORT"},
		"a file descriptor":          {opts: Options{Host: "fd://3"}, want: "must begin with unix:///"},
		"an ordinary network":        {opts: Options{Network: "livy"}},
		"the network of the host":    {opts: Options{Network: "host"}, want: "network: must be a network"},
		"the network of a container": {opts: Options{Network: "container:redis"}, want: "network: must be a network"},
		"no network":                 {opts: Options{Network: "none"}, want: "network: must be a network"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("DOCKER_HOST", tt.env)
			r, err := New(tt.opts, zap.NewNop())
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				_ = r.Close()
				return
			}
			if gateway.KindOf(err) != gateway.KindInvalid || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v; want %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "topsecret") {
				t.Errorf("the error has the password: %v", err)
			}
		})
	}
}

func TestCheckImage(t *testing.T) {
	for image, ok := range map[string]bool{
		"livygateway/livy:0.8.0-spark3.5.8": true, "registry.internal:5000/spark/livy": true,
		"livy@sha256:" + strings.Repeat("a", 64): true,
		"Livy/Livy:1":                            false, "livy:a b": false, "livy:": false, "https://registry.internal/livy": false,
	} {
		if err := CheckImage(image); (err == nil) != ok {
			t.Errorf("%s: %v", image, err)
		}
	}
}
