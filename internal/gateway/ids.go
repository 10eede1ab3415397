package gateway

import (
	"io"
)

const idAlphabet = "abcdefghijklmnopqrstuvwxyz0123456789"

// NewID returns prefix and 16 random characters of a-z0-9 (82 bits), like the ids of the
// managed product. rand is crypto/rand.Reader outside tests.
func NewID(prefix string, rand io.Reader) (string, error) {
	id := make([]byte, 0, len(prefix)+16)
	id = append(id, prefix...)
	var buf [32]byte
	for len(id) < len(prefix)+16 {
		if _, err := io.ReadFull(rand, buf[:]); err != nil {
			return "", err
		}
		for _, b := range buf {
			// 252 is the largest multiple of 36 in a byte, so all characters are equally likely.
			if b < 252 && len(id) < len(prefix)+16 {
				id = append(id, idAlphabet[b%36])
			}
		}
	}
	return string(id), nil
}
