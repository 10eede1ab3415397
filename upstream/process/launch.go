package process

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/upstream"
)

// launching describes a server that is about to be started.
type launching struct {
	upstream.Launch
	server string // its program
	user   account
	port   int
	// metastore is the port of the metastore; 0 if there is none.
	metastore int
	bounds    group
}

// held waits for a line before it becomes the server: until then it is a process that can be
// found and stopped like a server. It ends by itself if this process ends.
const held = `read -r word && exec "$0" </dev/null`

func (r *Runtime) launch(ctx context.Context, l launching, d dirs) (upstream.Instance, error) {
	files, err := upstream.WithHome(upstream.WithAddress(l.Files, l.user.host(), l.port), d.work)
	if err != nil {
		return upstream.Instance{}, err
	}
	files = upstream.WithMetastore(files, l.Warehouse.Path, l.user.host(), l.metastore)
	if err := d.prepare(files, &l.Launch, l.user.cred); err != nil {
		return upstream.Instance{}, err
	}
	needed := append(engineFiles(l.Engine), d.conf)
	if l.Warehouse.Path != "" {
		needed = append(needed, l.Warehouse.Path)
	}
	if err := l.user.reaches(ctx, needed...); err != nil {
		return upstream.Instance{}, err
	}
	log, err := d.openLog()
	if err != nil {
		return upstream.Instance{}, err
	}
	defer log.Close()
	cmd := exec.Command("/bin/sh", "-c", held, l.server)
	cmd.Dir = d.work
	cmd.Env = environment(l.Launch, d, l.user, r.marker(l.ServerID(), l.Epoch))
	word, err := cmd.StdinPipe()
	if err != nil {
		return upstream.Instance{}, gateway.Wrap(gateway.KindUnavailable, "starting "+l.server, err)
	}
	defer word.Close()
	cmd.Stdout, cmd.Stderr = log, log
	// Its own session keeps the terminal's signals from it, and identifies the processes that
	// it starts.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: l.user.cred}
	if err := startOn(cmd, pickCPUs(l.ServerID(), l.CPU), l.user.other()); err != nil {
		return upstream.Instance{}, gateway.Wrap(gateway.KindUnavailable, "starting "+l.server, err)
	}
	s := state{
		ServerID: l.ServerID(), PID: cmd.Process.Pid, Port: l.port, Started: r.opts.Now().UTC(),
		Installation: l.Installation, Epoch: l.Epoch, Cgroups: l.bounds, Metastore: l.metastore,
	}
	if l.user.alone {
		s.Host, s.UID = l.user.host(), l.user.uid()
	}
	noted := make(chan struct{})
	if err = l.bounds.add(s.PID); err == nil {
		err = l.Confirmed(ctx)
	}
	if err == nil {
		_, err = io.WriteString(word, "go\n")
	}
	if err != nil {
		_ = syscall.Kill(-s.PID, syscall.SIGKILL)
		r.reap(cmd, s, d, noted)
		return upstream.Instance{}, fmt.Errorf("releasing process %d: %w", s.PID, err)
	}
	if s.Ticks, err = bornTicks(s.PID); err == nil {
		s.Boot = bootID()
		r.mu.Lock()
		r.reaps[s.id()] = noted
		err = d.writeState(s)
		r.mu.Unlock()
	}
	if err != nil {
		_ = syscall.Kill(-s.PID, syscall.SIGKILL)
		r.reap(cmd, s, d, noted)
		return upstream.Instance{}, fmt.Errorf("recording process %d: %w", s.PID, err)
	}
	go r.reap(cmd, s, d, noted)
	r.logger.Info("started a Livy process", zap.String("gateway", l.ServerID()),
		zap.Int("pid", s.PID), zap.Int("port", l.port))
	return s.instance(true), nil
}

// reap waits for a server that this process started and records how it ended.
func (r *Runtime) reap(cmd *exec.Cmd, s state, d dirs, noted chan struct{}) {
	_ = cmd.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	defer close(noted)
	delete(r.reaps, s.id())
	now, ok, err := d.readState()
	if err != nil || !ok || now.PID != s.PID || now.Ticks != s.Ticks {
		return // stopped on purpose, or already replaced
	}
	s.Exit = describeExit(cmd.ProcessState)
	if err := d.writeState(s); err != nil {
		r.logger.Warn("cannot record how a Livy process ended",
			zap.String("gateway", s.ServerID), zap.Error(err))
	}
}

func describeExit(p *os.ProcessState) string {
	if ws, ok := p.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return "killed by signal " + ws.Signal().String()
	}
	return fmt.Sprintf("exit code %d", p.ExitCode())
}
