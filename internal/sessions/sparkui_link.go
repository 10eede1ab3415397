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

// How long a link to a Spark UI can be opened, and how long the browser that
// opened it may look.
const (
	UILinkLife   = 5 * time.Minute
	UICookieLife = time.Hour
)

// UILink and UICookie are what a signature is good for: it opens a Spark UI, or lets
// who opened it look on. site is the address of the site that shows the UI, which no
// other site's signature is good at; "" stands for all sites of the gateway.
func UILink(site string) string   { return strings.TrimSpace("link " + site) }
func UICookie(site string) string { return strings.TrimSpace("cookie " + site) }

// uiKey signs links to Spark UIs; it is read once.
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

// SignUI makes a signature that lets its bearer look at one record's Spark UI for
// a while. use is UILink or UICookie.
func (l *Ledger) SignUI(ctx context.Context, use, recordID string, life time.Duration) (string, error) {
	key, err := l.signingKey(ctx)
	if err != nil {
		return "", err
	}
	until := strconv.FormatInt(l.now().Add(life).Unix(), 10)
	return until + "." + seal(key, use, recordID, until), nil
}

// CheckUI reports whether a signature lets its bearer look at a record's Spark UI now.
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
