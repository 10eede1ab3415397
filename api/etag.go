package api

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/livygateway/livygateway/gateway"
)

// etag tells the revision of what is replied.
func (c *call) etag(revision int64) {
	c.w.Header().Set("ETag", `"`+strconv.FormatInt(revision, 10)+`"`)
}

// onlyIfMatch makes the change that this call asks for depend on its If-Match
// header, if it has one: it then fails with KindStale unless the gateway or token,
// which was just read at a revision, still is at one of those named.
func (c *call) onlyIfMatch(id string, revision int64) error {
	if c.r.Header["If-Match"] == nil {
		return nil
	}
	header := strings.Join(c.r.Header["If-Match"], ",")
	if strings.TrimSpace(header) == "*" {
		return nil
	}
	var wanted int64
	for tag := range strings.SplitSeq(header, ",") {
		text := strings.TrimSpace(tag)
		n, err := strconv.ParseInt(strings.Trim(text, `"`), 10, 64)
		if err != nil || n < 0 || len(text) < 3 || text[0] != '"' || text[len(text)-1] != '"' {
			return gateway.Invalid("If-Match", text, `must be the ETag of an earlier reply, such as "7"`)
		}
		wanted = n
		if n == revision {
			break
		}
	}
	c.r = c.r.WithContext(gateway.OnlyIf(c.ctx(), id, wanted))
	return gateway.CheckRevision(c.ctx(), id, revision)
}

// replyRevision replies with what has a revision.
func (c *call) replyRevision(status int, revision int64, v any) error {
	c.etag(revision)
	return c.reply(status, v)
}

// none replies that it is done.
func (c *call) none() error {
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}
