package tokens

import "strings"

// Forge returns a secret with the id of a true one and a good checksum, but
// another random part.
func Forge(secret string) string {
	body := []byte(secret[:secretLength-1-crcLength])
	random := body[len(body)-randomLength:]
	copy(random, strings.Repeat("0", randomLength))
	crc := checksum(body)
	return string(body) + "_" + string(crc[:])
}
