package api

import (
	"net/http"

	"github.com/livygateway/livygateway/internal/access"
	"github.com/livygateway/livygateway/internal/control"
)

// OrphanList is the Livy servers that belong to no gateway and are left alone.
type OrphanList struct {
	Orphans []control.Orphan `json:"orphans"`
}

// listOrphans shows orphans to admins of all workspaces: nobody knows which one an orphan is
// from.
func (c *call) listOrphans() error {
	if c.reachIn(access.Everywhere) != access.All {
		return c.reply(http.StatusOK, OrphanList{Orphans: []control.Orphan{}})
	}
	all, err := c.Manager.Orphans(c.ctx())
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, OrphanList{Orphans: all})
}
