package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// figures is what the gateway holds while there is no load.
type figures struct {
	HeapMB, ResidentMB        float64
	Goroutines                int
	Files, Sockets, RedisKeys int
	// Notices are the Redis keys, beside RedisKeys, that remember what was reported: one for each
	// session that was lost when its gateway stopped, for seven days.
	Notices int
}

// settle is how long the gateway is left alone before the figures are taken: idle connections to Livy
// servers are closed after 20 seconds, and old configurations when their last request has ended.
const settle = 30 * time.Second

func (s *site) look() (f figures, err error) {
	time.Sleep(settle)
	heap, err := s.pprof("heap?debug=1&gc=1")
	if err != nil {
		return f, err
	}
	f.HeapMB = float64(numberAfter(heap, "# HeapAlloc = ")) / (1 << 20)
	goroutines, err := s.pprof("goroutine?debug=1")
	if err != nil {
		return f, err
	}
	f.Goroutines = numberAfter(goroutines, "goroutine profile: total ")
	f.ResidentMB = s.residentMB()
	folder := fmt.Sprintf("/proc/%d/fd", s.caddyPID)
	files, err := os.ReadDir(folder)
	if err != nil {
		return f, err
	}
	f.Files = len(files)
	for _, file := range files {
		if to, err := os.Readlink(filepath.Join(folder, file.Name())); err == nil && strings.HasPrefix(to, "socket:") {
			f.Sockets++
		}
	}
	if f.Notices, err = s.redisNumber(`EVAL "return #redis.call('KEYS','livygw:noticed:*')" 0`); err != nil {
		return f, err
	}
	keys, err := s.redisNumber("DBSIZE")
	f.RedisKeys = keys - f.Notices
	return f, err
}

func (s *site) pprof(path string) (string, error) {
	resp, err := http.Get("http://" + s.admin + "/debug/pprof/" + path)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}

// numberAfter returns the number that follows a text, or 0.
func numberAfter(in, text string) int {
	_, rest, _ := strings.Cut(in, text)
	rest = strings.TrimLeft(rest, " ")
	end := 0
	for end < len(rest) && rest[end] >= '0' && rest[end] <= '9' {
		end++
	}
	n, _ := strconv.Atoi(rest[:end])
	return n
}

// residentMB returns the memory of Caddy, 0 if it has ended.
func (s *site) residentMB() float64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.caddyPID))
	return float64(numberAfter(strings.ReplaceAll(string(status), "\t", ""), "VmRSS:")) / 1024
}

func (s *site) redisNumber(command string) (int, error) {
	line, err := s.redisReply(command)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimPrefix(line, ":"))
}

func (s *site) askRedis(command string) error {
	line, err := s.redisReply(command)
	if err == nil && line != "+OK" {
		err = fmt.Errorf("answer of Redis: %s", line)
	}
	return err
}

func (s *site) redisReply(command string) (string, error) { return replyOf(s.redis, command) }

// replyOf returns the first line of what a Redis replies to a command.
func replyOf(address, command string) (string, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, command+"\r\n"); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSpace(line), err
}

func (f figures) String() string {
	return fmt.Sprintf("heap %.1f MB, resident %.1f MB, %d goroutines, %d files of which %d sockets, %d Redis keys besides %d of notices",
		f.HeapMB, f.ResidentMB, f.Goroutines, f.Files, f.Sockets, f.RedisKeys, f.Notices)
}

// grownFrom returns an error for each figure that has grown by more than chance explains: timers and
// connections that come and go, caches that fill up.
func (f *figures) grownFrom(before *figures) error {
	var errs []error
	check := func(what string, before, after, slack float64) {
		if after > before+slack {
			errs = append(errs, fmt.Errorf("%s have grown from %.0f to %.0f", what, before, after))
		}
	}
	check("the heap's megabytes", before.HeapMB, f.HeapMB, 10+before.HeapMB/2)
	check("resident megabytes", before.ResidentMB, f.ResidentMB, 40+before.ResidentMB/4)
	check("goroutines", float64(before.Goroutines), float64(f.Goroutines), 20)
	check("files", float64(before.Files), float64(f.Files), 20)
	check("Redis keys", float64(before.RedisKeys), float64(f.RedisKeys), 50)
	return errors.Join(errs...)
}
