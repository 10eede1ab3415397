package upstream

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// LastLogs keeps the last lines of servers that are gone: in files if it has a directory,
// otherwise in memory.
type LastLogs struct {
	Dir string

	mu     sync.Mutex
	memory map[string][]string // by server id
}

func (l *LastLogs) path(serverID string) string {
	return filepath.Join(l.Dir, filepath.Base(serverID)+".log")
}

// Keep replaces the log of a server.
func (l *LastLogs) Keep(serverID string, lines []string) error {
	if l.Dir == "" {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.memory == nil {
			l.memory = map[string][]string{}
		}
		l.memory[serverID] = lines
		return nil
	}
	if err := os.MkdirAll(l.Dir, 0o700); err != nil {
		return fmt.Errorf("keeping a log: %w", err)
	}
	if err := os.WriteFile(l.path(serverID), []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		return fmt.Errorf("keeping a log: %w", err)
	}
	return nil
}

// Read returns the last lines of a server's log.
func (l *LastLogs) Read(serverID string, lines int) ([]string, error) {
	if l.Dir == "" {
		l.mu.Lock()
		defer l.mu.Unlock()
		kept := l.memory[serverID]
		return kept[max(len(kept)-lines, 0):], nil
	}
	return TailFile(l.path(serverID), lines)
}

// Forget removes the log of a server.
func (l *LastLogs) Forget(serverID string) error {
	if l.Dir == "" {
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
