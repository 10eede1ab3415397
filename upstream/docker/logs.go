package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"

	"github.com/livygateway/livygateway/upstream"
)

// keptLines is the number of log lines kept after a container is removed.
const keptLines = 1000

// Logs returns the last lines of the server's container, or of the last one removed.
func (r *Runtime) Logs(ctx context.Context, serverID string, lines int) ([]string, error) {
	c, ok, err := r.inspect(ctx, serverID)
	if err != nil {
		return nil, err
	}
	if !ok {
		return r.last.read(serverID, lines)
	}
	return r.containerLogs(ctx, c.ID, lines)
}

func (r *Runtime) containerLogs(ctx context.Context, id string, lines int) ([]string, error) {
	stream, err := r.api.ContainerLogs(ctx, id, client.ContainerLogsOptions{
		ShowStdout: true, ShowStderr: true, Tail: strconv.Itoa(lines),
	})
	if err != nil {
		return nil, callError("reading the log of container "+id, err)
	}
	defer stream.Close()
	var text bytes.Buffer
	if _, err := stdcopy.StdCopy(&text, &text, stream); err != nil {
		return nil, callError("reading the log of container "+id, err)
	}
	return upstream.LastLines(text.String(), lines), nil
}

// Forget removes the last log of a deleted gateway.
func (r *Runtime) Forget(_ context.Context, serverID string) error {
	return r.last.forget(serverID)
}

// lastLogs keeps the last lines of removed containers: in files if it has a directory,
// otherwise in memory.
type lastLogs struct {
	dir string

	mu     sync.Mutex
	memory map[string][]string // by server id
}

func (l *lastLogs) path(serverID string) string {
	return filepath.Join(l.dir, filepath.Base(serverID)+".log")
}

func (l *lastLogs) keep(serverID string, lines []string) error {
	if l.dir == "" {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.memory == nil {
			l.memory = map[string][]string{}
		}
		l.memory[serverID] = lines
		return nil
	}
	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		return fmt.Errorf("keeping a log: %w", err)
	}
	if err := os.WriteFile(l.path(serverID), []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		return fmt.Errorf("keeping a log: %w", err)
	}
	return nil
}

func (l *lastLogs) read(serverID string, lines int) ([]string, error) {
	if l.dir == "" {
		l.mu.Lock()
		defer l.mu.Unlock()
		kept := l.memory[serverID]
		return kept[max(len(kept)-lines, 0):], nil
	}
	return upstream.TailFile(l.path(serverID), lines)
}

func (l *lastLogs) forget(serverID string) error {
	if l.dir == "" {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.memory, serverID)
		return nil
	}
	if err := os.Remove(l.path(serverID)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing a log: %w", err)
	}
	return nil
}
