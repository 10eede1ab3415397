package api

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"

	"github.com/livygateway/livygateway/internal/gateway"
)

// etag returns `"7-digest"` for a reply at revision 7, `"7"` without a text, or `"digest"`
// without a revision. Changes are conditional on the revision. The digest shows whether the reply
// differs in any way: a token may expire, or a setting may need a restart, without a new revision.
func etag(revision int64, text []byte) string {
	var parts []string
	if revision > 0 {
		parts = append(parts, strconv.FormatInt(revision, 10))
	}
	if text != nil {
		sum := sha256.Sum256(text)
		parts = append(parts, hex.EncodeToString(sum[:10]))
	}
	return `"` + strings.Join(parts, "-") + `"`
}

// revisionOf returns the revision in an ETag. Caddy's encode handler may have added a suffix.
func revisionOf(tag string) (int64, bool) {
	if len(tag) < 3 || tag[0] != '"' || tag[len(tag)-1] != '"' {
		return 0, false
	}
	digits, _, _ := strings.Cut(tag[1:len(tag)-1], "-")
	n, err := strconv.ParseInt(digits, 10, 64)
	return n, err == nil && n >= 0
}

// unchanged reports whether If-None-Match contains this ETag or *.
func (c *call) unchanged(tag string) bool {
	for named := range strings.SplitSeq(strings.Join(c.r.Header["If-None-Match"], ","), ",") {
		named = strings.TrimPrefix(strings.TrimSpace(named), "W/")
		if named == tag || named == "*" {
			return true
		}
	}
	return false
}

// onlyIfMatch makes the requested change conditional on the If-Match header, if there is one: it
// then fails with KindStale unless the gateway or token has one of the revisions in the header.
// revision is the one that was just read.
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
		n, ok := revisionOf(text)
		if !ok {
			return gateway.Invalid("If-Match", text, `must be the ETag of an earlier reply, such as "7"`)
		}
		wanted = n
		if n == revision {
			break
		}
	}
	if wanted != revision {
		return gateway.Stale(id, wanted)
	}
	c.order.IfRevision = wanted
	return nil
}

// replyRevision replies with an object that has a revision.
func (c *call) replyRevision(status int, revision int64, v any) error {
	text, err := encode(v)
	if err != nil {
		return err
	}
	c.w.Header().Set("ETag", etag(revision, text))
	return c.replyText(status, text)
}

// replyText replies with JSON, or with 304 to a read if the client already has it.
func (c *call) replyText(status int, text []byte) error {
	header := c.w.Header()
	header.Set("Content-Type", "application/json")
	if c.reading() && status == http.StatusOK && !c.untagged {
		if header.Get("ETag") == "" {
			header.Set("ETag", etag(0, text))
		}
		// A site says no-store: programs of its users may keep a reply, their browsers may not.
		if header.Get("Cache-Control") == "" {
			header.Set("Cache-Control", "private, no-cache") // may be cached, but must be revalidated
		}
		if c.unchanged(header.Get("ETag")) {
			header.Del("Content-Type")
			c.w.WriteHeader(http.StatusNotModified)
			return nil
		}
	}
	c.w.WriteHeader(status)
	_, _ = c.w.Write(text)
	return nil
}

// none replies with 204.
func (c *call) none() error {
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}
