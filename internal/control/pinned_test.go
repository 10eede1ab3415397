package control

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// TestAnUpgradedEngine has another version of Livy. Gateways that require none go on with it.
// Others say in one line how to do so.
func TestAnUpgradedEngine(t *testing.T) {
	s, redis := storetest.Mini(t)
	m := testManager(t, s, newFakeRuntime(t)) // its servers are Livy 0.8.0
	configure(m, func(s *Settings) { s.Catalog.Engines[0].Livy = "0.7.1" })
	free, pinned := create(t, m, "free", false), create(t, m, "pinned", false)
	pinned = patch(t, m, pinned, false, `{"livyVersion":"0.7.1"}`)

	// A gateway as earlier versions stored it, with the defaults of that time.
	var doc map[string]any
	if err := json.Unmarshal([]byte(redis.HGet("livygw:gateways", free.ID)), &doc); err != nil {
		t.Fatal(err)
	}
	doc["id"] = "lc-earlierearlieree"
	spec := doc["spec"].(map[string]any)
	spec["name"], spec["cpu"], spec["memory"], spec["engine"], spec["livyVersion"] = "earlier", 1, "4Gi", "spark", "0.7.1"
	delete(doc["status"].(map[string]any), "lastFailure")
	text, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	redis.HSet("livygw:gateways", "lc-earlierearlieree", string(text))
	redis.HSet("livygw:gateway-revisions", "lc-earlierearlieree", redis.HGet("livygw:gateway-revisions", free.ID))
	redis.HSet("livygw:gateway-names", "default/earlier", "lc-earlierearlieree")
	earlier := await(t, m, "lc-earlierearlieree", "earlier", inState(gateway.StateCreated))

	configure(m, func(s *Settings) { s.Catalog.Engines[0].Livy = "0.8.0" })
	for _, g := range []*gateway.Gateway{free, pinned, earlier} {
		if _, err := m.Start(t.Context(), g, gateway.By("ann")); err != nil {
			t.Fatal(err)
		}
	}
	await(t, m, free.ID, "running", inState(gateway.StateRunning))
	if notes := m.Notes(free); len(notes) != 0 {
		t.Errorf("notes on a gateway that requires no version: %q", notes)
	}
	for _, g := range []*gateway.Gateway{pinned, earlier} {
		now := await(t, m, g.ID, "error", inState(gateway.StateError))
		want := `livyVersion: is required, but engine spark has 0.8.0; to use that: ` +
			`caddy livy gateway update ` + g.Spec.Name + ` --workspace default --unset livyVersion (got "0.7.1")`
		if now.Status.Reason != want {
			t.Errorf("%s: reason %q", g.Spec.Name, now.Status.Reason)
		}
		if notes := m.Notes(now); len(notes) != 1 || notes[0] != want {
			t.Errorf("%s: notes %q", g.Spec.Name, notes)
		}
		mended, err := m.Update(t.Context(), now, UpdateRequest{Patch: []byte(`{"livyVersion":null}`), Restart: true, Order: gateway.By("ann")})
		if err != nil {
			t.Fatal(err)
		}
		await(t, m, mended.ID, "running", inState(gateway.StateRunning))
	}
}

// TestWhatIsNoLongerOffered names the mend.
func TestWhatIsNoLongerOffered(t *testing.T) {
	s, _ := storetest.Mini(t)
	m := testManager(t, s, newFakeRuntime(t))
	configure(m, func(s *Settings) {
		s.Catalog.Engines = append(s.Catalog.Engines, gateway.Engine{Name: "old", Image: "x"})
	})
	g := patch(t, m, create(t, m, "etl", false), false, `{"engine":"old"}`)
	configure(m, func(s *Settings) { s.Catalog.Engines = s.Catalog.Engines[:1] })
	if _, err := m.Start(t.Context(), g, gateway.By("ann")); err != nil {
		t.Fatal(err)
	}
	const mend = "caddy livy gateway update etl --workspace default --unset engine"
	now := await(t, m, g.ID, "error", inState(gateway.StateError))
	if !strings.Contains(now.Status.Reason, mend) || strings.Contains(now.Status.Reason, "\n") {
		t.Errorf("reason %q", now.Status.Reason)
	}
	if notes := m.Notes(now); len(notes) != 1 || !strings.Contains(notes[0], mend) {
		t.Errorf("notes %q", notes)
	}
	declared := *now
	declared.Declared = true
	if notes := m.Notes(&declared); !strings.Contains(notes[0], "change engine of this gateway in the configuration of Caddy") {
		t.Errorf("notes on a declared gateway: %q", notes)
	}
}
