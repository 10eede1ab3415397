package accesskeys

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/livygateway/livygateway/internal/gateway"
)

// MinSealingKey is the least length of the text of a sealing key, in characters.
const MinSealingKey = 32

// Sealer encrypts secrets that must be readable again with keys that are not stored with
// them. The first key seals, all of them open, so that keys can be replaced. The nil Sealer,
// of a configuration without a sealing key, seals and opens nothing.
type Sealer struct{ keys []sealingKey }

type sealingKey struct {
	id   string // identifies the key in what it sealed
	aead cipher.AEAD
}

// NewSealer returns a sealer with the keys derived from texts, nil without any.
func NewSealer(texts []string) (*Sealer, error) {
	if len(texts) == 0 {
		return nil, nil
	}
	s := new(Sealer)
	for i, text := range texts {
		text = strings.TrimSpace(text)
		if len(text) < MinSealingKey {
			return nil, gateway.InvalidLine("sealing_key "+strconv.Itoa(i+1),
				fmt.Sprintf("must have at least %d characters, e.g. the output of: openssl rand -base64 32", MinSealingKey))
		}
		k, err := newSealingKey(text)
		if err != nil {
			return nil, err
		}
		s.keys = append(s.keys, k)
	}
	return s, nil
}

func newSealingKey(text string) (k sealingKey, err error) {
	key, err := hkdf.Key(sha256.New, []byte(text), nil, "livygateway: sealing", 32)
	if err != nil {
		return k, fmt.Errorf("deriving a sealing key: %w", err)
	}
	id, err := hkdf.Key(sha256.New, []byte(text), nil, "livygateway: id of a sealing key", 8)
	if err != nil {
		return k, fmt.Errorf("deriving a sealing key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return k, fmt.Errorf("deriving a sealing key: %w", err)
	}
	k.id = hex.EncodeToString(id)
	k.aead, err = cipher.NewGCMWithRandomNonce(block)
	return k, err
}

// Seal encrypts a secret. It can be opened only with the same purpose, which ties it to what it
// is for.
func (s *Sealer) Seal(purpose, secret string) (string, error) {
	if s == nil {
		return "", errNoSealingKey
	}
	k := s.keys[0]
	sealed := k.aead.Seal(nil, nil, []byte(secret), []byte(purpose)) //nolint:gosec // it makes its own random nonce
	return k.id + "." + base64.RawStdEncoding.EncodeToString(sealed), nil
}

// Open returns a sealed secret. It fails with KindUnavailable if no key of the sealer opens it.
func (s *Sealer) Open(purpose, sealed string) (string, error) {
	if s == nil {
		return "", errNoSealingKey
	}
	id, text, _ := strings.Cut(sealed, ".")
	for _, k := range s.keys {
		if k.id != id {
			continue
		}
		raw, err := base64.RawStdEncoding.DecodeString(text)
		if err != nil {
			break
		}
		secret, err := k.aead.Open(nil, nil, raw, []byte(purpose))
		if err != nil {
			break
		}
		return string(secret), nil
	}
	return "", errNotOpened
}

// current reports whether the key that seals has sealed a secret.
func (s *Sealer) current(sealed string) bool {
	return s != nil && strings.HasPrefix(sealed, s.keys[0].id+".")
}

var (
	errNoSealingKey = gateway.Errorf(gateway.KindUnavailable,
		"access keys are off: the configuration has no sealing_key")
	errNotOpened = gateway.Errorf(gateway.KindUnavailable,
		"the secret was sealed with a key that is not among those of the option sealing_key")
)

// random is the source of ids and secrets.
var random = rand.Reader
