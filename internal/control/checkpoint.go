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

// checkpointInterval is the pause between two writes of the checkpoint: the file is at
// most this old when the process is killed.
const checkpointInterval = 10 * time.Second

// loadCheckpoint reads the checkpoint that an earlier process saved for this Redis. It
// only serves to detect that a backup was restored, so a missing or broken file is not
// an error.
func (m *Manager) loadCheckpoint(ctx context.Context) (c store.Checkpoint, err error) {
	path, err := m.checkpointFile(ctx)
	if err != nil || path == "" {
		return c, err
	}
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		m.Logger.Warn("cannot read the Redis checkpoint; a restored backup may go unnoticed",
			zap.String("file", path), zap.Error(err))
		return store.Checkpoint{}, nil
	}
	return c, nil
}

// checkpointFile returns the path of this Redis's checkpoint, or "" if none is kept.
func (m *Manager) checkpointFile(ctx context.Context) (string, error) {
	if m.CheckpointDir == "" {
		return "", nil
	}
	name, err := m.installation(ctx)
	if err != nil {
		return "", err
	}
	if filepath.Base(name) != name {
		return "", fmt.Errorf("installation name %q cannot be used as a file name", name)
	}
	return filepath.Join(m.CheckpointDir, name+".json"), nil
}

// saveCheckpoints writes the checkpoint every checkpointInterval and when ctx ends.
func (m *Manager) saveCheckpoints(ctx context.Context) {
	tick := time.NewTicker(checkpointInterval)
	defer tick.Stop()
	var written store.Checkpoint
	failing := false // log the first failure only
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
		c := m.leaseholder.currentCheckpoint()
		if c == written || c.Clock == 0 {
			continue
		}
		err := m.writeCheckpoint(c)
		if err != nil && !failing {
			m.Logger.Warn("cannot save the Redis checkpoint; a restored backup may go unnoticed",
				zap.Error(err))
		}
		failing = err != nil
		written = c
	}
}

func (m *Manager) writeCheckpoint(c store.Checkpoint) error {
	path, err := m.checkpointFile(context.Background()) // the installation is cached by now
	if err != nil || path == "" {
		return err
	}
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(m.CheckpointDir, 0o700); err != nil {
		return err
	}
	// Several instances on one machine may write at the same time.
	temp, err := os.CreateTemp(m.CheckpointDir, "mark-")
	if err != nil {
		return err
	}
	_, err = temp.Write(text)
	err = errors.Join(err, temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(temp.Name())
	}
	return err
}
