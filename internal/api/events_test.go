package api_test

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/access"
	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/events"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
	"github.com/livygateway/livygateway/internal/tokens"
)

// reading is an open stream of events.
type reading struct {
	t      *testing.T
	resp   *http.Response
	cancel context.CancelFunc
	lines  chan string // closed at its end
	id     string      // of the last event
}

// follow opens a stream over HTTP.
func (c *client) follow(query, lastID string) *reading {
	c.t.Helper()
	server := httptest.NewServer(c.handler)
	ctx, cancel := context.WithCancel(context.Background())
	c.t.Cleanup(func() { cancel(); server.Close() })
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/v1/events"+query, http.NoBody)
	if err != nil {
		c.t.Fatal(err)
	}
	maps.Copy(r.Header, c.header)
	if lastID != "" {
		r.Header.Set("Last-Event-ID", lastID)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = resp.Body.Close() })
	s := &reading{t: c.t, resp: resp, cancel: cancel, lines: make(chan string, 10_000)}
	go func() {
		defer close(s.lines)
		for scan := bufio.NewScanner(resp.Body); scan.Scan(); {
			s.lines <- scan.Text()
		}
	}()
	return s
}

// next is the next event, as "name data", within two seconds.
func (s *reading) next() string {
	s.t.Helper()
	name := ""
	late := time.After(2 * time.Second)
	for {
		select {
		case line, ok := <-s.lines:
			if !ok {
				return "end"
			}
			field, value, _ := strings.Cut(line, ": ")
			switch field {
			case "id":
				s.id = value
			case "event":
				name = value
			case "data":
				return name + " " + value
			}
		case <-late:
			s.t.Fatal("no event came within 2 seconds")
		}
	}
}

// await reads on until an event that contains a text.
func (s *reading) await(text string) string {
	s.t.Helper()
	for {
		switch e := s.next(); {
		case strings.Contains(e, text):
			return e
		case e == "end":
			s.t.Fatalf("the stream ended without %q", text)
		}
	}
}

// TestTwoInstancesTellOfOneChange changes things through one of two instances.
func TestTwoInstancesTellOfOneChange(t *testing.T) {
	s, mini := storetest.Mini(t)
	one := newClientOn(t, s)
	other := newClientOn(t, storetest.Open(t, store.Options{Addrs: []string{mini.Addr()}}))
	var streams []*reading
	for _, c := range []*client{one, other} {
		c.awaitGateways()
		streams = append(streams, c.follow("", ""))
	}
	var g api.Gateway
	one.do("POST", base, `{"name":"etl"}`, 201, &g)
	for _, s := range streams {
		want := fmt.Sprintf(`gateway {"workspace":"default","gateway":%q,"name":"etl","state":"Created","revision":1,"deleted":false}`, g.ID)
		if got := s.await("gateway {"); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	change := fmt.Sprintf(`{"workspace":"default","gateway":%q}`, g.ID)
	one.do("POST", base+"/etl/tokens", `{"name":"x"}`, 201, nil)
	for _, s := range streams {
		s.await("tokens " + change)
	}
	now := time.Now().UTC()
	r := &store.Record{ID: "livy-1", GatewayID: g.ID, Kind: "session", State: "success", Created: now, Updated: now, Ended: now}
	if err := s.SaveRecords(t.Context(), store.Fence{}, g.ID, r); err != nil {
		t.Fatal(err)
	}
	for _, s := range streams {
		s.await("records " + change)
	}
	one.do("DELETE", base+"/etl", "", 204, nil)
	for _, s := range streams {
		s.await(`"deleted":true`)
	}
	if got := streams[0].resp.Header; got.Get("Content-Type") != "text/event-stream" || got.Get("Cache-Control") != "no-store" {
		t.Errorf("header %v", got)
	}

	// What is sent of a stream is known to its own instance alone.
	other.do("POST", base, `{"name":"second"}`, 201, nil)
	streams[0].await("second")
	streams[1].await("second")
	other.do("POST", base, `{"name":"third"}`, 201, nil)
	if got := one.awaitKnown("third").follow("", streams[0].id).next(); !strings.Contains(got, "third") {
		t.Errorf("goes on with %s", got)
	}
	if got := one.follow("", streams[1].id).next(); got != "reset {}" {
		t.Errorf("behind an event of another instance: %s", got)
	}
}

// awaitGateways waits until the instance has read the gateways.
func (c *client) awaitGateways() { c.awaitThat(func(error) bool { return true }) }

// awaitKnown waits until the instance knows of a gateway.
func (c *client) awaitKnown(name string) *client {
	c.awaitThat(func(err error) bool { return err == nil }, name)
	return c
}

func (c *client) awaitThat(done func(error) bool, name ...string) {
	c.t.Helper()
	for range 500 {
		_, err := c.server.Manager.Lookup("default", strings.Join(name, ""))
		if gateway.KindOf(err) != gateway.KindUnavailable && done(err) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	c.t.Fatal("the instance knows of no gateways")
}

func TestEventsAreThoseOneMaySee(t *testing.T) {
	c := newClient(t)
	c.awaitGateways()
	ann := c.site(tokens.SelfService{}, access.Grant{Workspace: "a", Role: access.Viewer, Users: []string{"ann"}}).as("ann")
	stream := ann.follow("", "")
	c.do("POST", "/v1/workspaces/b/gateways", `{"name":"hidden"}`, 201, nil)
	c.do("POST", "/v1/workspaces/b/gateways/hidden/tokens", `{"name":"x"}`, 201, nil)
	c.do("POST", "/v1/workspaces/a/gateways", `{"name":"shown"}`, 201, nil)
	if got := stream.await("gateway"); !strings.Contains(got, "shown") {
		t.Errorf("got %s", got)
	}
}

// A stream ends with the configuration that it belongs to, and with the instance.
func TestStreamsEnd(t *testing.T) {
	c := newClient(t)
	c.awaitGateways()
	ended := make(chan struct{})
	site := &client{t: t, handler: c.server.HandlerFor(api.Surface{
		Caller: func(*http.Request) api.Caller { return api.Caller{Unlimited: true} },
		Ended:  func() <-chan struct{} { return ended },
	})}
	ofSite, ofInstance := site.follow("", ""), c.follow("", "")
	close(ended)
	if got := ofSite.next(); got != "end" {
		t.Errorf("after a reload came %s", got)
	}
	c.do("POST", base, `{"name":"etl"}`, 201, nil)
	ofInstance.await("etl")
	c.server.Manager.Close(false)
	if got := ofInstance.next(); got != "end" {
		t.Errorf("after the end came %s", got)
	}
}

func TestStreamsAreBoundedOverHTTP(t *testing.T) {
	c := newClient(t)
	c.awaitGateways()
	var open []*events.Stream
	for range events.MaxStreams {
		s, err := c.server.Manager.Events.Follow("", false)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, s)
	}
	if got := c.do("GET", "/v1/events", "", 503, nil); got.Get("Retry-After") == "" {
		t.Errorf("header %v", got)
	}
	open[0].Close()
	c.follow("", "").cancel()
}

// Many pages come and go while things change, one of which reads nothing.
func TestManyStreams(t *testing.T) {
	c := newClient(t)
	c.awaitGateways()
	idle := c.follow("", "")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 3 {
				s := c.follow("", "")
				s.await("busy")
				s.cancel()
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	c.do("POST", base, `{"name":"busy"}`, 201, nil)
	for i := 0; ; i++ {
		select {
		case <-done:
			idle.cancel()
			return
		default:
			c.do("PATCH", base+"/busy", fmt.Sprintf(`{"autoStop":{"enabled":true,"minutes":%d}}`, i%1000+1), 200, nil)
		}
	}
}

// An instance that may have missed what others told says so.
func TestLostNoticesAreAReset(t *testing.T) {
	_, mini := storetest.Mini(t)
	relay := storetest.StartRelay(t, mini.Addr())
	c := newClientOn(t, storetest.Open(t, store.Options{Addrs: []string{relay.Addr()}, Timeout: storetest.Patience}))
	c.awaitGateways()
	c.do("POST", base, `{"name":"etl"}`, 201, nil)
	stream := c.follow("", "")
	relay.Drop()
	if got := stream.next(); got != "reset {}" {
		t.Errorf("got %s", got)
	}
}
