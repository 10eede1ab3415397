package tokens_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
	"github.com/livygateway/livygateway/internal/tokens"
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
		if _, _, err := tokens.FromRequest(h); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerifyAmongMany verifies on a real Redis that holds one token or
// 100,000: warm from the cache, and cold, with a question to Redis each time.
func BenchmarkVerifyAmongMany(b *testing.B) {
	for _, many := range []int{1, 100_000} {
		st, _ := storetest.Real(b)
		fill(b, st, many)
		ctx := context.Background()
		b.Run(fmt.Sprintf("warm/%d", many), func(b *testing.B) {
			s := tokens.New(st, tokens.Options{}, nil)
			_, secret := mustCreate(b, s, tokens.CreateRequest{})
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Verify(ctx, gw, secret, get); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("cold/%d", many), func(b *testing.B) {
			s := tokens.New(st, tokens.Options{CacheSize: 1}, nil)
			_, one := mustCreate(b, s, tokens.CreateRequest{})
			_, two := mustCreate(b, s, tokens.CreateRequest{})
			for b.Loop() {
				for _, secret := range []string{one, two} { // each pushes the other out
					if _, err := s.Verify(ctx, gw, secret, get); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(2*b.N), "ns/verify")
		})
	}
}

// fill creates many tokens, in a hundred gateways.
func fill(b *testing.B, st *store.Store, many int) {
	b.Helper()
	s := tokens.New(st, tokens.Options{}, nil)
	var wg sync.WaitGroup
	var next atomic.Int64
	for range 8 {
		wg.Go(func() {
			for n := next.Add(1); n <= int64(many); n = next.Add(1) {
				r := tokens.CreateRequest{GatewayID: fmt.Sprintf("lc-%016d", n%100), Settings: tokens.Settings{Name: new("filler")}}
				err := store.Retry(context.Background(), 5*time.Second, func(ctx context.Context) error {
					_, _, err := s.Create(ctx, r)
					return err
				})
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
