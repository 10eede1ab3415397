package integration

import (
	"encoding/json"
	"math"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/store/storetest"
)

// TestBudgetsOfTwoInstances runs a batch through each of two instances. Together they reach the
// soft bound of a budget, then the hard one: creates are announced and then refused on both, and
// what runs goes on. Its end is settled once.
func TestBudgetsOfTwoInstances(t *testing.T) {
	l := processLive(t)
	jobs := t.TempDir()
	write(t, filepath.Join(jobs, "slow.py"), "import time\ntime.sleep(300)\n")
	block := l.livyBlock + `
		local_dir ` + jobs + `
		budget nightly {
			per token
			match budgeted
			period day
			vcore_hours soft 0.001 hard 0.006
			reserve 0s
		}`
	redis := storetest.StartServer(t).Addr()
	a := newCaddyOn(t, redis, block)
	b := newCaddyOn(t, redis, block)
	a.newGateway("etl")
	token := a.newToken("etl", "--name", "budgeted").Token
	through := []client{{t, a.url("etl"), token}, {t, b.url("etl"), token}}
	slow := map[string]any{"file": "file:" + filepath.Join(jobs, "slow.py"), "driverMemory": "512m"}
	type budget struct {
		Used []struct{ VCoreHours float64 }
	}
	used := func(c *caddy) float64 {
		var shown budget
		c.json(&shown, "budget", "show", "nightly", "--json")
		if len(shown.Used) == 0 {
			return 0
		}
		return shown.Used[0].VCoreHours
	}
	const header = "X-Livy-Gateway-Budget"
	begun := time.Now()
	step := func(what string) { t.Logf("%s after %s", what, time.Since(begun).Round(100*time.Millisecond)) }

	first := through[0].expect(http.StatusCreated, "POST", "/batches", slow, nil)
	if h := first.header.Get(header); h != "" {
		t.Errorf("the first create has the header %s", h)
	}
	eventually(t, time.Minute, "the soft bound", func() bool { return used(b) >= 0.001 })
	step("soft bound")
	second := through[1].expect(http.StatusCreated, "POST", "/batches", slow, nil)
	if h := second.header.Get(header); !strings.HasPrefix(h, `"nightly";per=token;period=day;resource=vcore_hours;used=0.00`) {
		t.Errorf("above the soft bound, a create has the header %q", h)
	}
	eventually(t, time.Minute, "the hard bound", func() bool { return used(a) > 0.006 })
	step("hard bound")
	for i, cl := range through {
		r := cl.do("POST", "/batches", slow)
		var refusal struct{ Reason, Budget string }
		if err := json.Unmarshal(r.body, &refusal); r.status != http.StatusTooManyRequests || err != nil ||
			refusal.Reason != "budget_exceeded" || refusal.Budget != "nightly" {
			t.Errorf("above the hard bound, instance %d answers %d %s", i, r.status, r.body)
		}
	}
	for id := range 2 {
		through[1-id].expect(http.StatusOK, "GET", "/batches/"+strconv.Itoa(id), nil, nil) // it goes on
		through[1-id].expect(http.StatusOK, "DELETE", "/batches/"+strconv.Itoa(id), nil, nil)
	}
	step("refused")
	var list struct {
		Records []struct {
			Ended        time.Time
			VCoreSeconds float64
		}
	}
	a.json(&list, "session", "list", "--gateway", "etl", "--json")
	sum := 0.0
	for _, r := range list.Records {
		if r.Ended.IsZero() {
			t.Errorf("a record has not ended: %+v", r)
		}
		sum += r.VCoreSeconds / 3600
	}
	eventually(t, 10*time.Second, "the sums of the records", func() bool {
		return len(list.Records) == 2 && math.Abs(used(a)-sum) < 1e-6 && math.Abs(used(b)-sum) < 1e-6
	})
}
