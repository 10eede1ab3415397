package integration

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// attempt is one request with a token.
type attempt struct {
	start  time.Time
	status int
}

// hammer sends requests from 32 clients to the instances in turn, until stop is
// called, which returns them all.
func hammer(t *testing.T, token string, instances ...*caddy) (stop func() []attempt) {
	t.Helper()
	const clients = 32
	http := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}, Timeout: 20 * time.Second}
	var all [clients][]attempt
	var wg sync.WaitGroup
	end := make(chan struct{})
	for i := range clients {
		c := instances[i%len(instances)]
		wg.Go(func() {
			for {
				select {
				case <-end:
					return
				case <-time.After(5 * time.Millisecond):
				}
				a := attempt{start: time.Now()}
				if r, err := send(http, c.etl, token); err == nil {
					a.status = r
				}
				all[i] = append(all[i], a)
			}
		})
	}
	return func() (done []attempt) {
		close(end)
		wg.Wait()
		for _, a := range all {
			done = append(done, a...)
		}
		return done
	}
}

func send(c *http.Client, site, token string) (int, error) {
	req, err := http.NewRequest(http.MethodGet, "http://"+site+"/version", nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set(tokenHeader, token)
	res, err := c.Do(req)
	if err != nil {
		return 0, err
	}
	return res.StatusCode, res.Body.Close()
}

// twoCaddies are two instances in front of one double of Livy. Each reaches their
// Redis through a relay of its own.
func twoCaddies(t *testing.T, redis *storetest.Server) (instances []*caddy, relays []*storetest.Relay) {
	t.Helper()
	livy := httptest.NewServer(livytest.New())
	t.Cleanup(livy.Close)
	block := "runtime static\n\t\tengine fake {\n\t\t\turl " + livy.URL + "\n\t\t}"
	for range 2 {
		relay := storetest.StartRelay(t, redis.Addr())
		relays = append(relays, relay)
		instances = append(instances, newCaddyOn(t, relay.Addr(), block))
	}
	return instances, relays
}

// TestRevocationThroughTwoCaddies shows that no request which starts more than
// a second after "token revoke" returned succeeds, through either of two Caddy
// instances, whatever becomes of Redis and of the news that it sends.
func TestRevocationThroughTwoCaddies(t *testing.T) {
	for _, tc := range []struct {
		name   string
		before func(*storetest.Server, []*storetest.Relay)
		after  func(*storetest.Server)
	}{
		{name: "all is well"},
		{name: "no news gets through", before: func(_ *storetest.Server, relays []*storetest.Relay) {
			for _, r := range relays {
				r.SwallowSubscriptions()
			}
		}},
		{name: "connections are cut", before: func(_ *storetest.Server, relays []*storetest.Relay) {
			for _, r := range relays {
				r.Drop()
			}
		}},
		{name: "Redis is killed and started again", before: func(s *storetest.Server, _ []*storetest.Relay) {
			s.Kill()
			s.Restart()
		}},
		{name: "Redis halts just after", after: func(s *storetest.Server) {
			s.Stop()
			time.Sleep(1500 * time.Millisecond)
			s.Cont()
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			redis := storetest.StartServer(t)
			instances, relays := twoCaddies(t, redis)
			one := instances[0]
			one.newGateway("etl")
			doomed, other := one.newToken("etl"), one.newToken("etl")
			for _, c := range instances {
				eventually(t, 20*time.Second, "both instances serving the gateway", func() bool {
					status, err := send(http.DefaultClient, c.etl, other.Token)
					return err == nil && status == http.StatusOK
				})
			}
			stop := hammer(t, doomed.Token, instances...)
			time.Sleep(500 * time.Millisecond)
			if tc.before != nil {
				tc.before(redis, relays)
			}
			eventually(t, 20*time.Second, "the revocation going through", func() bool {
				_, err := one.tryLivy("token", "revoke", "--gateway", "etl", doomed.ID)
				return err == nil
			})
			returned := time.Now()
			if tc.after != nil {
				tc.after(redis)
			}
			time.Sleep(max(0, time.Until(returned.Add(2500*time.Millisecond))))

			var good, late, tooLate int
			for _, a := range stop() {
				switch after := a.start.Sub(returned); {
				case a.status != http.StatusOK:
				case after > time.Second:
					tooLate++
				case after > 0:
					late++
				default:
					good++
				}
			}
			t.Logf("%d requests served before the revocation returned, %d in the second after it, %d later", good, late, tooLate)
			if good == 0 {
				t.Error("the token never worked: this shows nothing")
			}
			if tooLate > 0 {
				t.Errorf("%d requests that started more than a second after the revocation succeeded", tooLate)
			}
			for _, c := range instances {
				eventually(t, 20*time.Second, "the other token working", func() bool {
					status, err := send(http.DefaultClient, c.etl, other.Token)
					return err == nil && status == http.StatusOK
				})
			}
		})
	}
}
