package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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
		targets = append(targets, target{name: "nginx+redis", addr: site, path: "/sessions/0", headers: header},
			target{name: "nginx, cached", addr: site, path: "/cached/sessions/0", headers: header})
	}
	haproxy, missing := exec.LookPath("haproxy")
	if missing != nil {
		return targets, append(skipped, "haproxy (needs the Debian package haproxy)"), nil
	}
	site := sparePort()
	if _, err := s.fill("haproxy.lua", backend, site, redisAddr); err != nil {
		return nil, nil, err
	}
	file, err := s.fill("haproxy.cfg", backend, site, redisAddr)
	if err != nil {
		return nil, nil, err
	}
	if err := s.start("haproxy", nil, haproxy, "-db", "-f", file); err != nil {
		return nil, nil, err
	}
	return append(targets, target{name: "haproxy+lua", addr: site, path: "/sessions/0", headers: header}), skipped, s.await("haproxy", site)
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
