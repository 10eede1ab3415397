package tokens

import (
	"bytes"
	"crypto/rand"
	"hash/crc32"
	"math/big"
	"regexp"
	"strings"
	"testing"
)

func TestSecretForm(t *testing.T) {
	t.Parallel()
	pattern := regexp.MustCompile(SecretPattern)
	word := regexp.MustCompile(`^\w+$`) // what a double click selects
	seen := map[string]bool{}
	for range 1000 {
		id := idPrefix + strings.Repeat("x", idLength-1) + string(base62[36+len(seen)%26])
		secret, err := mint(id, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if pattern.FindString("token="+secret+",") != secret || !word.MatchString(secret) || seen[secret] {
			t.Fatalf("bad or repeated secret %q", secret)
		}
		seen[secret] = true
		if got, ok := tokenID(secret); !ok || got != id {
			t.Fatalf("%q: id %q, %v; want %q", secret, got, ok, id)
		}
	}
	// 62^32 has more than 190 bits; the promise is 160.
	if bits := new(big.Int).Exp(big.NewInt(62), big.NewInt(randomLength), nil).BitLen() - 1; bits < 160 {
		t.Errorf("%d random bits", bits)
	}
}

// TestEveryLetterIsAsLikely counts the letters of the random part: with 32,000
// draws each of 62 is expected 516 times, with a deviation of 23.
func TestEveryLetterIsAsLikely(t *testing.T) {
	t.Parallel()
	counts := map[byte]int{}
	for range 1000 {
		secret, err := mint(idPrefix+"aaaaaaaaaaaaaaaa", rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []byte(secret[len(secretPrefix)+idLength+1:][:randomLength]) {
			counts[c]++
		}
	}
	for c := range len(base62) {
		if n := counts[base62[c]]; n < 380 || n > 660 {
			t.Errorf("%q: %d times", base62[c], n)
		}
	}
}

// TestKnownSecret pins the form: secrets that are out there must stay good.
func TestKnownSecret(t *testing.T) {
	t.Parallel()
	secret, err := mint("lctk-0123456789abcdef", bytes.NewReader(make([]byte, 64)))
	if err != nil {
		t.Fatal(err)
	}
	const want = "lgw_0123456789abcdef_00000000000000000000000000000000_0FrxTk"
	if secret != want {
		t.Errorf("minted %q, want %q", secret, want)
	}
	var n uint32
	for _, c := range []byte(secret[len(secret)-crcLength:]) {
		n = n*62 + uint32(strings.IndexByte(base62, c))
	}
	if n != crc32.ChecksumIEEE([]byte(secret[:len(secret)-1-crcLength])) {
		t.Errorf("%q does not end in its CRC-32", secret)
	}
}

// TestChecksumCatchesSlips changes each character, and swaps each pair.
func TestChecksumCatchesSlips(t *testing.T) {
	t.Parallel()
	secret, err := mint(idPrefix+"abcdefghijklmnop", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(secret) {
		for _, c := range []byte("a0Z_") {
			slip := []byte(secret)
			slip[i] = c
			if _, ok := tokenID(string(slip)); ok && string(slip) != secret {
				t.Errorf("accepted %s for %s", slip, secret)
			}
		}
		if i > 0 {
			slip := []byte(secret)
			slip[i], slip[i-1] = slip[i-1], slip[i]
			if _, ok := tokenID(string(slip)); ok && string(slip) != secret {
				t.Errorf("accepted %s for %s", slip, secret)
			}
		}
	}
}

func FuzzTokenID(f *testing.F) {
	secret, _ := mint(idPrefix+"abcdefghijklmnop", rand.Reader)
	f.Add(secret)
	f.Add("lgw_")
	f.Add(strings.Repeat("_", secretLength))
	f.Fuzz(func(t *testing.T, s string) {
		id, ok := tokenID(s)
		if ok && (!isOurs(s) || id != idPrefix+s[len(secretPrefix):][:idLength]) {
			t.Errorf("%q gives %q", s, id)
		}
	})
}
