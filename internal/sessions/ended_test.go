package sessions_test

import (
	"errors"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/store"
)

// TestLivysSentenceComesFirst: clients look for it as Livy says it.
func TestLivysSentenceComesFirst(t *testing.T) {
	f := newFixture(t)
	in := f.create(livy.KindSession, 0)
	for range 2 { // the second time it comes from memory once it has ended
		err := f.EndedError(t.Context(), f.g.ID, livy.KindSession, 0)
		if want := "Session '0' not found. Livy no longer knows it."; err.Error() != want || gateway.KindOf(err) != gateway.KindNotFound {
			t.Errorf("%v (%v), want %s", err, gateway.KindOf(err), want)
		}
	}
	f.Deleted(t.Context(), f.g, livy.KindSession, 0, "token lctk-2")
	for range 2 {
		err := f.EndedError(t.Context(), f.g.ID, livy.KindSession, 0)
		ended, ok := errors.AsType[*sessions.EndedError](err)
		want := "This session ended at 2023-11-14T22:13:20Z (killed: deleted by token lctk-2); its record is " + in.ID + "."
		if !ok || ended.Sentence() != "Session '0' not found." || ended.Story() != want || err.Error() != ended.Sentence()+" "+want {
			t.Errorf("%v, want %s", err, want)
		}
		if body, ok := ended.Reply("batch.state"); ok {
			t.Errorf("a session is answered %s", body)
		}
	}
}

// TestSuccessIsRemembered: a batch that succeeded stays one after Livy forgot it.
func TestSuccessIsRemembered(t *testing.T) {
	f := newFixture(t)
	done := f.create(livy.KindBatch, 0, func(in *sessions.Intent) { in.Name = "nightly" })
	f.create(livy.KindBatch, 1)
	f.poll(&lists{batches: []livy.Batch{{ID: 0, State: "success", AppID: "app_1", Log: []string{"stdout: ", "42"}}, {ID: 1, State: "dead"}}})
	f.now = f.now.Add(time.Hour)
	f.poll(&lists{})
	note := `"Livy no longer has this log. The gateway's record ` + done.ID + ` has its end:"`
	for route, want := range map[string]string{
		"batch.state":  `{"id":0,"state":"success"}`,
		"batch.get":    `{"appId":"app_1","appInfo":{"driverLogUrl":null,"sparkUiUrl":null},"id":0,"log":[` + note + `,"stdout: ","42"],"name":"nightly","owner":null,"proxyUser":null,"state":"success"}`,
		"batch.log":    `{"from":0,"id":0,"log":[` + note + `,"stdout: ","42"],"total":3}`,
		"batch.delete": "",
	} {
		for range 2 {
			ended, _ := errors.AsType[*sessions.EndedError](f.EndedError(t.Context(), f.g.ID, livy.KindBatch, 0))
			if body, ok := ended.Reply(route); string(body) != want || ok != (want != "") {
				t.Errorf("%s: %s, want %s", route, body, want)
			}
		}
	}
	failed, _ := errors.AsType[*sessions.EndedError](f.EndedError(t.Context(), f.g.ID, livy.KindBatch, 1))
	if body, ok := failed.Reply("batch.state"); ok {
		t.Errorf("a batch that failed: %s", body)
	}
}

// TestTheDeadByName finds by name what Livy lists for a while yet, as by id.
func TestTheDeadByName(t *testing.T) {
	f := newFixture(t)
	named := func(name string) func(*sessions.Intent) { return func(in *sessions.Intent) { in.Name = name } }
	f.create(livy.KindSession, 0, named("mine"))
	f.create(livy.KindSession, 1, named("deleted"))
	f.create(livy.KindSession, 2, named("gone"))
	f.Deleted(t.Context(), f.g, livy.KindSession, 1, "token lctk-2")
	f.poll(&lists{sessions: []livy.Session{{ID: 0, Name: "mine", State: "dead"}}})
	for name, want := range map[string]int64{"mine": 0, "deleted": -1, "gone": -1, "nobody": -1} {
		id, err := f.IDOf(t.Context(), f.g.ID, livy.KindSession, name, true)
		if want >= 0 && (id != want || err != nil) {
			t.Errorf("%s: %d, %v; want %d", name, id, err, want)
		}
		if want < 0 && (gateway.KindOf(err) != gateway.KindNotFound || err.Error() != "Session '"+name+"' not found.") {
			t.Errorf("%s: %d, %v", name, id, err)
		}
	}
	f.create(livy.KindSession, 3, named("mine"))
	if id, err := f.IDOf(t.Context(), f.g.ID, livy.KindSession, "mine", true); id != 3 || err != nil {
		t.Errorf("the living one: %d, %v", id, err)
	}
	if err := f.ServerEnded(t.Context(), store.Fence{}, f.g, "the gateway was stopped"); err != nil {
		t.Fatal(err)
	}
	if id, err := f.IDOf(t.Context(), f.g.ID, livy.KindSession, "mine", true); gateway.KindOf(err) != gateway.KindNotFound {
		t.Errorf("of a server that is no more: %d, %v", id, err)
	}
}

// TestLiveAfterAServerEnded checks that the live sessions of the other servers are still counted
// when one of several servers ends, and none when the only one does.
func TestLiveAfterAServerEnded(t *testing.T) {
	f := newFixture(t)
	f.create(livy.KindSession, 0)
	f.g.Status = gateway.Status{
		State: gateway.StateRunning, Number: 2, Epoch: 2, SessionBase: 1001,
		Servers: []gateway.Server{{Number: 1, Epoch: 1, State: gateway.ServerDraining, SessionEnd: 1001}},
	}
	second := f.create(livy.KindSession, 0)
	live := func() (n int) {
		for _, count := range f.Live()[f.g.ID].Counts {
			n += count
		}
		return n
	}
	f.poll(&lists{sessions: []livy.Session{{ID: 0, Name: second.Name, State: "idle"}}})
	if n := live(); n != 2 {
		t.Fatalf("%d live sessions, want those of both servers", n)
	}
	end := func(g *gateway.Gateway) {
		t.Helper()
		if err := f.ServerEnded(t.Context(), store.Fence{}, g, "drained"); err != nil {
			t.Fatal(err)
		}
	}
	end(f.g.At(0))
	if n := live(); n != 1 {
		t.Errorf("%d live sessions after the draining server has ended, want 1", n)
	}
	f.g.Status.Servers = nil
	end(f.g)
	if _, known := f.Live()[f.g.ID]; known {
		t.Error("sessions of a gateway without a server are counted")
	}
}
