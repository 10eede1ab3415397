package livyhttp

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/sessions"
)

// headerRepeat marks creates that may be sent again.
const headerRepeat = "Idempotency-Key"

// maxRepeatKey bounds the header's value, in bytes.
const maxRepeatKey = 255

// repeatOf reads the header that makes creates safe to send again. Bodies are
// the same when they mean the same to the policy: ruled is what it made of one.
func repeatOf(header http.Header, ruled []byte) (*sessions.Repeat, error) {
	values := header.Values(headerRepeat)
	if len(values) == 0 {
		return nil, nil
	}
	if len(values) > 1 || values[0] == "" || len(values[0]) > maxRepeatKey {
		return nil, gateway.Invalid(headerRepeat, "", "must be given once, with 1 to 255 bytes")
	}
	sum := sha256.Sum256(ruled)
	return &sessions.Repeat{Key: values[0], Body: hex.EncodeToString(sum[:])}, nil
}
