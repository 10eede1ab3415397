package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/store"
)

// markInterval is how old the mark in the file may be when a process is killed.
const markInterval = 10 * time.Second

// recallMark reads the mark that an earlier process left for this Redis. It is only
// what lets a restored backup be noticed, so that a file that is missing or broken
// does no harm.
func (m *Manager) recallMark(ctx context.Context) (mark store.Mark, err error) {
	path, err := m.markFile(ctx)
	if err != nil || path == "" {
		return mark, err
	}
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &mark)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		m.Logger.Warn("reading how far Redis had come", zap.String("file", path), zap.Error(err))
		return store.Mark{}, nil
	}
	return mark, nil
}

// markFile is where the mark of this Redis is kept; empty for nowhere.
func (m *Manager) markFile(ctx context.Context) (string, error) {
	if m.MarkDir == "" {
		return "", nil
	}
	name, err := m.installation(ctx)
	if err != nil {
		return "", err
	}
	if filepath.Base(name) != name {
		return "", fmt.Errorf("the installation has the name %q, which is not one", name)
	}
	return filepath.Join(m.MarkDir, name+".json"), nil
}

// keepMark writes the mark down every now and then, and when ctx ends.
func (m *Manager) keepMark(ctx context.Context) {
	tick := time.NewTicker(markInterval)
	defer tick.Stop()
	var written store.Mark
	failing := false // it is said once
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
		mark := m.keeper.markNow()
		if mark == written || mark.Clock == 0 {
			continue
		}
		err := m.writeMark(mark)
		if err != nil && !failing {
			m.Logger.Warn("keeping in mind how far Redis has come, which is what shows that it was restored", zap.Error(err))
		}
		failing = err != nil
		written = mark
	}
}

func (m *Manager) writeMark(mark store.Mark) error {
	path, err := m.markFile(context.Background()) // known by now
	if err != nil || path == "" {
		return err
	}
	text, err := json.Marshal(mark)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(m.MarkDir, 0o700); err != nil {
		return err
	}
	// Instances on one machine may write at the same time.
	whole, err := os.CreateTemp(m.MarkDir, "mark-")
	if err != nil {
		return err
	}
	_, err = whole.Write(text)
	err = errors.Join(err, whole.Close())
	if err == nil {
		err = os.Rename(whole.Name(), path)
	}
	if err != nil {
		_ = os.Remove(whole.Name())
	}
	return err
}
