package tokens

import (
	"crypto/sha256"
	"encoding/hex"
	"hash/crc32"
	"io"
	"strings"
)

// A generated secret is one word of letters, digits and underscores:
//
//	lgw_<16: the token's id without "lctk-">_<32: random>_<6: checksum>
//
// The random part is Base62, 190 bits. The checksum is the CRC-32 (IEEE) of everything before
// its underscore, in Base62. It serves to reject mistyped or truncated secrets without asking
// Redis, and to avoid false positives of secret scanners. It is no protection: anyone can
// compute it.
const (
	// SecretPattern matches generated secrets, for secret scanners.
	SecretPattern = `\blgw_[a-z0-9]{16}_[0-9A-Za-z]{32}_[0-9A-Za-z]{6}\b`

	secretPrefix = "lgw_"
	idPrefix     = "lctk-"
	idLength     = 16
	randomLength = 32
	crcLength    = 6
	secretLength = len(secretPrefix) + idLength + 1 + randomLength + 1 + crcLength

	base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// Limits on the length of supplied secrets, in characters.
const (
	MinSuppliedLength = 16
	MaxSuppliedLength = 256
)

// sum is the SHA-256 of a secret, the only form in which it is stored.
type sum [sha256.Size]byte

func sumOf(secret string) sum {
	var buf [MaxSuppliedLength]byte // on the stack: the hot path does not allocate
	return sha256.Sum256(append(buf[:0], secret...))
}

func (s sum) hex() string { return hex.EncodeToString(s[:]) }

// mint generates a secret for the token with the given id.
func mint(id string, random io.Reader) (string, error) {
	return NewSecret(strings.TrimPrefix(id, idPrefix), random)
}

// NewSecret generates a secret in the form of a token's; id are the 16 characters after the
// prefix of the id of what it is for. Mask hides all secrets of this form.
func NewSecret(id string, random io.Reader) (string, error) {
	secret := make([]byte, 0, secretLength)
	secret = append(secret, secretPrefix...)
	secret = append(secret, id...)
	secret = append(secret, '_')
	var buf [64]byte
	for end := len(secret) + randomLength; len(secret) < end; {
		if _, err := io.ReadFull(random, buf[:]); err != nil {
			return "", err
		}
		for _, b := range buf {
			// 248 is the largest multiple of 62 in a byte, so all characters are equally likely.
			if b < 248 && len(secret) < end {
				secret = append(secret, base62[b%62])
			}
		}
	}
	crc := checksum(secret)
	secret = append(secret, '_')
	secret = append(secret, crc[:]...)
	return string(secret), nil
}

// checksum returns the CRC-32 of b as six Base62 digits.
func checksum[T string | []byte](b T) [crcLength]byte {
	n := crc32.ChecksumIEEE([]byte(b))
	var digits [crcLength]byte
	for i := crcLength - 1; i >= 0; i-- {
		digits[i] = base62[n%62]
		n /= 62
	}
	return digits
}

// isOurs reports whether a secret has the prefix of generated secrets, which supplied ones cannot have.
func isOurs(secret string) bool { return strings.HasPrefix(secret, secretPrefix) }

// tokenID returns the token id in a generated secret; ok is false if the secret does not have
// that form or its checksum is wrong.
func tokenID(secret string) (id string, ok bool) {
	if len(secret) != secretLength || !isOurs(secret) {
		return "", false
	}
	id = secret[len(secretPrefix) : len(secretPrefix)+idLength]
	body := secret[:secretLength-1-crcLength]
	for i := range len(id) {
		if c := id[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return "", false
		}
	}
	crc := checksum(body)
	if secret[len(secretPrefix)+idLength] != '_' || secret[len(body)] != '_' ||
		secret[len(body)+1:] != string(crc[:]) {
		return "", false
	}
	return idPrefix + id, true
}

// canBeSupplied reports whether a text is valid as a supplied secret: 16 to 256 printable
// ASCII characters without spaces, not in the form of a generated one.
func canBeSupplied(secret string) bool {
	if len(secret) < MinSuppliedLength || len(secret) > MaxSuppliedLength || isOurs(secret) {
		return false
	}
	for i := range len(secret) {
		if secret[i] <= ' ' || secret[i] > '~' {
			return false
		}
	}
	return true
}
