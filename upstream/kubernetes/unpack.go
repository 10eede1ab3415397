package kubernetes

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/remotecommand"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/kubeapi"
	"github.com/livygateway/livygateway/upstream"
)

// unpackContainer runs before the server and unpacks what is sent to it.
func unpackContainer(l *upstream.Launch, o *Options) corev1.Container {
	return corev1.Container{
		Name: unpacker, Image: l.Engine.Image, ImagePullPolicy: corev1.PullPolicy(o.PullPolicy),
		Command: []string{"tar", "-x", "-f", "-", "-C", workDir}, Stdin: true, StdinOnce: true,
		VolumeMounts:    []corev1.VolumeMount{{Name: "home", MountPath: workDir}},
		SecurityContext: confined(), TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
	}
}

// unpack sends the archives to the container that waits for them.
func (r *Runtime) unpack(ctx context.Context, a *kubeapi.Client, l *upstream.Launch, pod *corev1.Pod) error {
	if len(l.Archives) == 0 {
		return nil
	}
	timeout := time.NewTimer(r.opts.PendingTimeout)
	defer timeout.Stop()
	for waits := false; !waits; {
		seen, _, changed := r.pods.seen(pod.Name)
		if seen == nil || seen.UID != pod.UID {
			return gateway.Errorf(gateway.KindConflict, "pod %s was deleted while it started", pod.Name)
		}
		if now := judge(seen, r.opts.PendingTimeout, time.Now()); !now.running {
			return gateway.Errorf(gateway.KindUnavailable, "pod %s of gateway %s does not start: %s%s", pod.Name, l.ServerID(), now.exit, r.events(ctx, a, seen, now.exit))
		}
		for _, s := range seen.Status.InitContainerStatuses {
			waits = waits || s.Name == unpacker && s.State.Running != nil
		}
		if waits {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timeout.C: // judged again, also if the clock of the API server is ahead of ours
			timeout.Reset(time.Second)
		case <-changed:
		}
	}
	read, write := io.Pipe()
	packed := make(chan error, 1)
	go func() {
		err := pack(l.Archives, write)
		_ = write.CloseWithError(err)
		packed <- err
	}()
	var said bytes.Buffer
	err := stream(ctx, a, pod.Name, "attach", map[string]string{"container": unpacker, "stdin": "true", "stderr": "true"},
		remotecommand.StreamOptions{Stdin: read, Stderr: &said})
	_ = read.Close() // ends the packing if the container did not read it all
	if packing := <-packed; packing != nil && !errors.Is(packing, io.ErrClosedPipe) {
		return packing
	}
	if err != nil {
		return gateway.Wrap(gateway.KindUnavailable, "unpacking archives in pod "+pod.Name+": "+strings.TrimSpace(said.String()), err)
	}
	return nil
}

// pack writes archives as one.
func pack(archives []upstream.Archive, to io.Writer) error {
	w := tar.NewWriter(to)
	for _, archive := range archives {
		err := archive.Each(func(h *tar.Header, content io.Reader) error {
			h.Uid, h.Gid = userID, userID
			if err := w.WriteHeader(h); err != nil {
				return err
			}
			_, err := io.Copy(w, content)
			return err
		})
		if err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("packing archives: %w", err)
	}
	return nil
}
