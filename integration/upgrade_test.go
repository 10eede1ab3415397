package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

const schema1Dir = "testdata/schema1"

// upgradeBlock are lines of the livy block that keep records and audit entries
// however old the data of an older version are.
func upgradeBlock(livyURL string) string {
	return "retention 876000h\n\t\taudit_retention 876000h\n\t\truntime static\n\t\tengine fake {\n\t\t\turl " + livyURL + "\n\t\t}"
}

// installation is what testdata/schema1/contents.json says of the dump beside it.
type installation struct {
	GatewayID     string   `json:"gatewayId"`
	Valid         []string `json:"valid"`   // secrets of tokens
	Refused       []string `json:"refused"` // secrets of tokens that were disabled or revoked
	NextSessionID int64    `json:"nextSessionId"`
	// Records are "ID kind state", Statements "session:statement status code",
	// Audit "ID actor action", each newest first.
	Records    []string `json:"records"`
	Statements []string `json:"statements"`
	Audit      []string `json:"audit"`
}

// contents reads from the API what an installation has.
func (c *caddy) contents(gatewayName string) (in installation) {
	c.t.Helper()
	in.GatewayID = c.show(gatewayName).ID
	for _, r := range c.records(gatewayName) {
		in.Records = append(in.Records, fmt.Sprintf("%s %s %s", r.ID, r.Kind, r.State))
	}
	var ran struct {
		Statements []struct {
			SessionID, StatementID int64
			Status, Code           string
		}
	}
	c.json(&ran, "session", "statements", "--gateway", gatewayName, "--json")
	for _, st := range ran.Statements {
		in.Statements = append(in.Statements, fmt.Sprintf("%d:%d %s %s", st.SessionID, st.StatementID, st.Status, st.Code))
	}
	var audit struct {
		Entries []struct{ ID, Actor, Action string }
	}
	c.json(&audit, "audit", "list", "--limit", "1000", "--json")
	for _, e := range audit.Entries {
		in.Audit = append(in.Audit, fmt.Sprintf("%s %s %s", e.ID, e.Actor, e.Action))
	}
	return in
}

// missing are the wanted lines that are not there.
func missing(got, want []string) (lost []string) {
	for _, line := range want {
		if !slices.Contains(got, line) {
			lost = append(lost, line)
		}
	}
	return lost
}

// TestUpgrade starts Caddy on a Redis that the version before wrote: gateways,
// tokens, records, statements and audit entries are found again.
func TestUpgrade(t *testing.T) {
	var want installation
	text, err := os.ReadFile(filepath.Join(schema1Dir, "contents.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	dump, err := os.ReadFile(filepath.Join(schema1Dir, "dump.rdb"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "dump.rdb"), dump, 0o600); err != nil {
		t.Fatal(err)
	}
	redis := storetest.StartServer(t, "--appendonly", "no", "--dir", dir)
	if got := redis.MustDo("GET", "livygw:schema"); got != "1" {
		t.Fatalf("the dump has schema %v", got)
	}
	livy := httptest.NewServer(livytest.New())
	t.Cleanup(livy.Close)
	c := newCaddy(t, redis, upgradeBlock(livy.URL)+"\n\t\tunresponsive_after 1s")
	eventually(t, time.Minute, "the gateway running", func() bool { return c.show("etl").Status.State == "Running" })

	got := c.contents("etl")
	if got.GatewayID != want.GatewayID {
		t.Errorf("gateway %s, want %s", got.GatewayID, want.GatewayID)
	}
	for what, lines := range map[string][2][]string{
		"records": {got.Records, want.Records}, "statements": {got.Statements, want.Statements}, "audit entries": {got.Audit, want.Audit},
	} {
		if lost := missing(lines[0], lines[1]); len(lost) > 0 || len(lines[1]) == 0 {
			t.Errorf("%s not found:\n%s\nof these:\n%s", what, strings.Join(lost, "\n"), strings.Join(lines[0], "\n"))
		}
	}
	if older := got.Audit[len(got.Audit)-len(want.Audit):]; !slices.Equal(older, want.Audit) {
		t.Errorf("the order of audit entries:\n%s", strings.Join(older, "\n"))
	}
	for _, secret := range want.Valid {
		cl := client{t, c.url("etl"), secret}
		// The dump's server is gone: the one at the configured address takes its place.
		eventually(t, time.Minute, "the server answering", func() bool {
			return cl.do("GET", "/sessions", nil).status == http.StatusOK
		})
	}
	for _, secret := range want.Refused {
		cl := client{t, c.url("etl"), secret}
		cl.expect(http.StatusUnauthorized, "GET", "/sessions", nil, nil)
	}
	var made struct{ ID int64 }
	client{t, c.url("etl"), want.Valid[0]}.expect(http.StatusCreated, "POST", "/sessions", map[string]any{"kind": "pyspark"}, &made)
	if made.ID < want.NextSessionID {
		t.Errorf("a new session has id %d, which may have been given out before %d", made.ID, want.NextSessionID)
	}
	if schema := redis.MustDo("GET", "livygw:schema"); schema != "2" {
		t.Errorf("schema %v", schema)
	}
	if left := redis.MustDo("EXISTS", "livygw:trail", "livygw:audit:"+got.GatewayID, "livygw:audit-index:"+got.GatewayID); left != int64(0) {
		t.Errorf("%v keys of the version before are left", left)
	}
}
