package kubeapi

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// Follower is told of pods; see FollowPods. Its methods are called one at a time.
type Follower interface {
	// Listed replaces all pods that are known by those of a list, which has a resource version.
	Listed(pods []corev1.Pod, version string)
	// Changed is called with a pod that is new or changed, and with one that was deleted.
	Changed(pod *corev1.Pod, deleted bool)
	// Watching is called without an error when a watch begins, and with one when there is none.
	Watching(err error)
}

// FollowPods keeps a follower up to date about the pods with some labels in a namespace, with one
// list and one watch, until the context ends.
func (c *Client) FollowPods(ctx context.Context, namespace, selector string, f Follower) {
	const shortest = 200 * time.Millisecond
	pause := shortest
	for ctx.Err() == nil {
		version, err := c.listPods(ctx, namespace, selector, f)
		if err == nil {
			pause = shortest
			err = c.watchPods(ctx, namespace, selector, version, f)
		}
		f.Watching(err)
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
		pause = min(2*pause, 10*time.Second)
	}
}

func (c *Client) listPods(ctx context.Context, namespace, selector string, f Follower) (version string, err error) {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	var list corev1.PodList
	err = c.Core.Get().Namespace(namespace).Resource("pods").
		VersionedParams(&metav1.ListOptions{LabelSelector: selector}, Parameters).Do(ctx).Into(&list)
	if err != nil {
		return "", err
	}
	f.Listed(list.Items, list.ResourceVersion)
	return list.ResourceVersion, nil
}

// watchPods follows changes until the watch breaks; the error is not nil. Where it ends in order,
// as it does every few minutes, it is continued from the last version.
func (c *Client) watchPods(ctx context.Context, namespace, selector, version string, f Follower) error {
	for {
		w, err := c.Core.Get().Namespace(namespace).Resource("pods").VersionedParams(&metav1.ListOptions{
			LabelSelector: selector, Watch: true, ResourceVersion: version, AllowWatchBookmarks: true, TimeoutSeconds: new(int64(300)),
		}, Parameters).Watch(ctx)
		if err != nil {
			return err
		}
		f.Watching(nil)
		began := time.Now()
		if version, err = receive(w, version, f); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Since(began) < time.Second {
			return errors.New("the watch ended at once")
		}
	}
}

func receive(w watch.Interface, version string, f Follower) (string, error) {
	defer w.Stop()
	for e := range w.ResultChan() {
		pod, ok := e.Object.(*corev1.Pod)
		if !ok {
			if e.Type == watch.Error {
				return "", apierrors.FromObject(e.Object)
			}
			return "", fmt.Errorf("the watch sent a %T", e.Object)
		}
		version = pod.ResourceVersion
		if e.Type != watch.Bookmark {
			f.Changed(pod, e.Type == watch.Deleted)
		}
	}
	return version, nil
}
