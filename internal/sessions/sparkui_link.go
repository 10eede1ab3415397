package sessions

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
)

// UILinkLife is how long a link to a Spark UI can be opened, UICookieLife how long the
// browser that opened it has access. Links in replies of Livy's API can be opened for
// UIReplyLife: notebooks show them for as long as people look at a session.
const (
	UILinkLife   = 5 * time.Minute
	UICookieLife = time.Hour
	UIReplyLife  = time.Hour
)

// UILink and UICookie are the purposes of a signature: to open a Spark UI, or to keep access
// after opening it. A signature is valid only on the site that serves the UI; "" means all
// sites of the gateway.
func UILink(site string) string   { return strings.TrimSpace("link " + site) }
func UICookie(site string) string { return strings.TrimSpace("cookie " + site) }

// uiKey caches the key that signs links to Spark UIs.
type uiKey struct {
	mu  sync.Mutex
	key []byte
}

func (l *Ledger) signingKey(ctx context.Context) ([]byte, error) {
	l.ui.mu.Lock()
	defer l.ui.mu.Unlock()
	if l.ui.key != nil {
		return l.ui.key, nil
	}
	proposal := make([]byte, 32)
	if _, err := io.ReadFull(l.rand, proposal); err != nil {
		return nil, err
	}
	key, err := l.store.SharedKey(ctx, "spark-ui", proposal)
	if err == nil {
		l.ui.key = key
	}
	return key, err
}

// SignUI returns a signature that gives its bearer access to one record's Spark UI for a
// limited time. use is UILink or UICookie.
func (l *Ledger) SignUI(ctx context.Context, use, recordID string, life time.Duration) (string, error) {
	key, err := l.signingKey(ctx)
	if err != nil {
		return "", err
	}
	until := strconv.FormatInt(l.now().Add(life).Unix(), 10)
	return until + "." + seal(key, use, recordID, until), nil
}

// SignReply is SignUI for a link in a reply of Livy's API, which does not wait for Redis: it
// returns "" while the key cannot be read.
func (l *Ledger) SignReply(ctx context.Context, site, recordID string) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), quick)
	defer cancel()
	signature, err := l.SignUI(ctx, UILink(site), recordID, UIReplyLife)
	if err != nil {
		return ""
	}
	return signature
}

// CheckUI reports whether a signature gives access to a record's Spark UI now.
func (l *Ledger) CheckUI(ctx context.Context, use, recordID, signature string) (bool, error) {
	until, mac, ok := strings.Cut(signature, ".")
	seconds, err := strconv.ParseInt(until, 10, 64)
	if !ok || err != nil || !l.now().Before(time.Unix(seconds, 0)) {
		return false, nil
	}
	key, err := l.signingKey(ctx)
	if err != nil {
		return false, err
	}
	return hmac.Equal([]byte(mac), []byte(seal(key, use, recordID, until))), nil
}

func seal(key []byte, use, recordID, until string) string {
	h := hmac.New(sha256.New, key)
	fmt.Fprintf(h, "%s\n%s\n%s", use, recordID, until)
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}
