package integration

import (
	"fmt"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

const budgetsBlock = `
		budget people {
			per user
			period month
			vcore_hours soft 80 hard 100
			gb_hours hard 400
		}
		budget nightly {
			per gateway
			match default/*
			period day
			vcore_hours hard 1000
			on_exceed stop
		}
		budget tokens {
			per token
			period month
			vcore_hours soft 300
		}`

// TestConsoleUsage shows what was used of budgets, by day and by whom, to an admin and to a member,
// who sees only what is their own.
func TestConsoleUsage(t *testing.T) {
	script := axe(t)
	needBrowser(t)
	_, block := livyDouble(t)
	redis := storetest.StartServer(t)
	c, site := startConsole(t, redis.Addr(), block+rolesBlock+budgetsBlock, "", "admin", "member")
	var g gateway
	c.json(&g, "gateway", "create", "etl", "--json")
	mine := c.newToken("etl", "--name", "notebooks", "--owner", "member")
	s := storetest.Open(t, store.Options{Addrs: []string{redis.Addr()}})
	now := time.Now().UTC()
	for n, of := range []struct {
		token, name, user string
		hours             int64 // vCores; each takes two GiB
	}{
		{mine.ID, "notebooks", "member", 86},
		{"lctk-1", "nightly", "bob", 104},
		{"lctk-2", "reports", "ann", 42},
		{"lctk-3", "adhoc", "cleo", 12},
		{"lctk-4", "tests", "dan", 3},
		{"lctk-5", "backfill-of-a-team-with-quite-a-long-name", "a-user-with-quite-a-long-name@example.com", 61},
		{"lctk-6", "", "finn", 1},
	} {
		all, left := of.hours*3600*1000, of.hours*3600*1000 // thousandths of a core, for a second
		for day := 1; day <= now.Day(); day++ {             // of this month; today is the rest
			at, cores := now, left
			if day < now.Day() {
				at = time.Date(now.Year(), now.Month(), day, 12, 0, 0, 0, time.UTC)
				cores = all * int64(day*7%5+n%3) / 200
			}
			left -= cores
			r := &store.Record{
				ID: fmt.Sprintf("livy-%d-%d", n, day), GatewayID: g.ID, Workspace: "default", Kind: "batch", Name: fmt.Sprint(n, day),
				PublicID: int64(100*n + day), LivyID: int64(100*n + day), State: "running", TokenID: of.token, TokenName: of.name, User: of.user,
				MilliCPU: cores, MemoryMB: 2 * cores * 1024 / 1000, Created: at.Add(-time.Second), Started: at.Add(-time.Second), Updated: at,
			}
			for _, r.Ended = range []time.Time{{}, at} {
				if err := s.SaveRecords(t.Context(), store.Fence{}, g.ID, r); err != nil {
					t.Fatal(err)
				}
			}
		}
	}

	w := openConsole(t, c, site, "admin:secret-of-ann")
	w.text("void (0, eval)(" + quoted(script) + ")")
	for _, look := range []struct {
		width, height int64
		scheme        string
	}{{1280, 1500, "light"}, {390, 844, "dark"}, {390, 2600, "light"}, {1280, 1500, "dark"}} {
		w.look(look.width, look.height, look.scheme)
		for _, by := range []string{"user", "token"} {
			w.place("#/nowhere") // what is shown anew has the colours of the scheme
			w.shows("There is no such page")
			w.place("#/usage?by=" + by)
			w.shows("104.00") // of bob
			w.await("the plots", `document.querySelectorAll('.plot canvas').length === 2`)
			name := fmt.Sprintf("usage-by-%s-%dx%d-%s", by, look.width, look.height, look.scheme)
			w.picture(name)
			if wide := w.text(`document.documentElement.scrollWidth - innerWidth`); wide != "0" {
				t.Errorf("%s: %s pixels stick out", name, wide)
			}
			for _, f := range accessibility(t, w) {
				for _, n := range f.Nodes {
					t.Errorf("%s: %s (%s): %s\n%.300s\n%s", name, f.ID, f.Impact, f.Help, n.HTML, n.Summary)
				}
			}
		}
	}
	w.place("#/usage")
	w.await("what bob has used up", `[...document.querySelectorAll('.budget')].some(e => /^Budget people\s*used up/i.test(e.innerText) && e.querySelector('tr[data-bound=hard]').innerText.includes('bob'))`)
	w.await("the member's soft bound", `document.querySelector('.budget tr[data-bound=soft]').innerText.includes('member')`)
	w.press("Show all 7")
	w.shows("finn")
	for _, by := range []string{"Token", "Gateway", "Workspace"} {
		w.press(by)
		w.await("the rows", `document.querySelector('.rows th')?.innerText === `+quoted(by))
	}
	w.place("#/usage?by=user")
	w.await("the link to a CSV file", `document.querySelector('a[download]')?.href.includes('by=user')`)
	w.await("its lines", `fetch(document.querySelector('a[download]').href).then(r => r.text()).then(t => t.startsWith('from,until,user,') && t.split('\n').length === 9)`)
	w.notLoadedAgain()

	w = openConsole(t, c, site, "member:secret-of-ann")
	w.place("#/usage")
	w.shows("86.00")
	w.await("the member's own usage alone", `document.querySelectorAll('.rows tbody tr').length === 1 && !/bob|ann|cleo|finn/.test(document.querySelector('main').innerText)`)
}
