package tokens_test

import (
	"context"
	"crypto/sha256"
	"net/http"
	"testing"

	"github.com/livygateway/livygateway/tokens"
)

func BenchmarkVerifyWarm(b *testing.B) {
	s, _ := mini(b, tokens.Options{})
	_, secret := mustCreate(b, s, tokens.CreateRequest{})
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Verify(ctx, gw, secret, get); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyWarmParallel(b *testing.B) {
	s, _ := mini(b, tokens.Options{})
	_, secret := mustCreate(b, s, tokens.CreateRequest{})
	ctx := context.Background()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Verify(ctx, gw, secret, get); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkHashAlone is the part of BenchmarkVerifyWarm that is the hash.
func BenchmarkHashAlone(b *testing.B) {
	s, _ := mini(b, tokens.Options{})
	_, secret := mustCreate(b, s, tokens.CreateRequest{})
	b.ReportAllocs()
	for b.Loop() {
		if sha256.Sum256([]byte(secret)) == [32]byte{} {
			b.Fatal("zero")
		}
	}
}

func BenchmarkFromRequest(b *testing.B) {
	h := http.Header{}
	h.Set(tokens.Header, "lgw_aaaaaaaaaaaaaaaa_0123456789abcdefghijklmnopqrstuv_ABCDEF")
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := tokens.FromRequest(h, false); err != nil {
			b.Fatal(err)
		}
	}
}
