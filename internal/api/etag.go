package api

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"

	"github.com/livygateway/livygateway/internal/gateway"
)

// etag is `"7"` for what is at revision 7 and may look otherwise for some, else
// `"7-digest"`, or `"digest"` of what has no revision. A change goes by the revision;
// the digest tells whether anything at all looks different, since a token may expire
// or a setting need a restart without being changed.
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

// revisionOf is the revision that an ETag tells. What follows it may be of Caddy's
// encode handler too.
func revisionOf(tag string) (int64, bool) {
	if len(tag) < 3 || tag[0] != '"' || tag[len(tag)-1] != '"' {
		return 0, false
	}
	digits, _, _ := strings.Cut(tag[1:len(tag)-1], "-")
	n, err := strconv.ParseInt(digits, 10, 64)
	return n, err == nil && n >= 0
}

// unchanged reports whether the client has what this ETag stands for: If-None-Match names
// it, or anything.
func (c *call) unchanged(tag string) bool {
	for named := range strings.SplitSeq(strings.Join(c.r.Header["If-None-Match"], ","), ",") {
		named = strings.TrimPrefix(strings.TrimSpace(named), "W/")
		if named == tag || named == "*" {
			return true
		}
	}
	return false
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

// replyRevision replies with what has a revision.
func (c *call) replyRevision(status int, revision int64, v any) error {
	text, err := encode(v)
	if err != nil {
		return err
	}
	c.w.Header().Set("ETag", etag(revision, text))
	return c.replyText(status, text)
}

// replyText replies with JSON, or to a read with nothing when the client has it.
func (c *call) replyText(status int, text []byte) error {
	header := c.w.Header()
	header.Set("Content-Type", "application/json")
	if c.reading() && status == http.StatusOK && !c.untagged {
		if header.Get("ETag") == "" {
			header.Set("ETag", etag(0, text))
		}
		if header.Get("Cache-Control") == "" { // a site says no-store: its users' programs may keep it, their browsers not
			header.Set("Cache-Control", "private, no-cache") // to be kept, and asked about each time
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

// none replies that it is done.
func (c *call) none() error {
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}
