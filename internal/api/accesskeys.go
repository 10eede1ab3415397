package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/livygateway/livygateway/internal/accesskeys"
	"github.com/livygateway/livygateway/internal/gateway"
)

// AccessKeyList is a page of the access keys, oldest first.
type AccessKeyList struct {
	// Total counts the access keys on all pages.
	Total      int64             `json:"total"`
	AccessKeys []*accesskeys.Key `json:"accessKeys"`
}

// NewAccessKey is the reply to creating an access key. Only this reply contains the secret.
type NewAccessKey struct {
	*accesskeys.Key
	// Secret is what clients sign their requests with.
	Secret string `json:"secret"`
}

// reachesKey reports whether the caller is an admin wherever the key has its role.
func (c *call) reachesKey(workspaces []string) bool {
	return !slices.ContainsFunc(workspaces, func(w string) bool { return !c.sees(w) })
}

func (c *call) listAccessKeys() error {
	p, err := c.page()
	if err != nil {
		return err
	}
	all, err := c.AccessKeys.List(c.ctx())
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(k *accesskeys.Key) bool { return !c.reachesKey(k.Workspaces) })
	list := AccessKeyList{Total: int64(len(all)), AccessKeys: append([]*accesskeys.Key{}, cut(all, p)...)}
	c.more(p, list.Total)
	return c.reply(http.StatusOK, list)
}

func (c *call) createAccessKey() error {
	body := accesskeys.CreateRequest{By: c.order.Origin}
	if err := c.read(&body); err != nil {
		return err
	}
	if !c.reachesKey(body.Workspaces) {
		return gateway.Errorf(gateway.KindForbidden, "workspaces: this requires the role admin in each workspace of the access key")
	}
	key, secret, err := c.AccessKeys.Create(c.ctx(), body)
	if err != nil {
		return err
	}
	c.w.Header().Set("Cache-Control", "no-store")
	return c.reply(http.StatusCreated, NewAccessKey{Key: key, Secret: secret})
}

// accessKey returns the access key in the path, which the caller must reach.
func (c *call) accessKey() (*accesskeys.Key, error) {
	id := c.r.PathValue("key")
	key, err := c.AccessKeys.Get(c.ctx(), id)
	if err == nil && !c.reachesKey(key.Workspaces) {
		err = gateway.Errorf(gateway.KindNotFound, "no access key %q", id)
	}
	return key, err
}

func (c *call) showAccessKey() error {
	key, err := c.accessKey()
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, key)
}

func (c *call) disableAccessKey() error { return c.onAccessKey(c.AccessKeys.Disable) }
func (c *call) enableAccessKey() error  { return c.onAccessKey(c.AccessKeys.Enable) }

func (c *call) onAccessKey(do func(context.Context, gateway.Order, string) (*accesskeys.Key, error)) error {
	key, err := c.accessKey()
	if err != nil {
		return err
	}
	if key, err = do(c.ctx(), c.order, key.ID); err != nil {
		return err
	}
	return c.reply(http.StatusOK, key)
}

func (c *call) deleteAccessKey() error {
	key, err := c.accessKey()
	if err != nil {
		return err
	}
	if err := c.AccessKeys.Delete(c.ctx(), c.order, key.ID); err != nil {
		return err
	}
	return c.none()
}
