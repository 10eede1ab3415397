package livyhttp

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/sessions"
)

// headerRepeat is the header of creates that may be sent again.
const headerRepeat = "Idempotency-Key"

// maxRepeatKey is the largest length of the header's value, in bytes.
const maxRepeatKey = 255

// repeatOf parses the header that makes creates safe to send again. Bodies are equal if the
// policy makes the same request of them, which is ruled.
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
