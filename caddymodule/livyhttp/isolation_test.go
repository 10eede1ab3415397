package livyhttp_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/tokens"
)

func TestIsolation(t *testing.T) {
	double := livytest.New()
	double.Manual = true
	s := caddytest.New(t, double)
	s.Isolate()
	other := s.NewToken("other", tokens.Settings{})
	for i := range 6 { // 0, 2, 4 are mine
		headers := []string{}
		if i%2 == 1 {
			headers = append(headers, other)
		}
		if r := s.Do("POST", "/sessions", fmt.Sprintf(`{"name":"s%d"}`, i), headers...); r.StatusCode != 201 {
			t.Fatalf("%d %s", r.StatusCode, r.Text)
		}
	}
	for query, want := range map[string]string{
		"":               `{"from":0,"total":3,"ids":[0,2,4]}`,
		"?from=1&size=1": `{"from":1,"total":3,"ids":[2]}`,
		"?from=3":        `{"from":3,"total":3,"ids":[]}`,
		"?size=2":        `{"from":0,"total":3,"ids":[0,2]}`,
	} {
		var list struct {
			From, Total int
			Sessions    []struct{ ID int }
		}
		r := s.Do("GET", "/sessions"+query, "")
		if err := json.Unmarshal([]byte(r.Text), &list); err != nil {
			t.Fatalf("%s: %v", r.Text, err)
		}
		ids := []int{}
		for _, x := range list.Sessions {
			ids = append(ids, x.ID)
		}
		got, _ := json.Marshal(struct {
			From  int   `json:"from"`
			Total int   `json:"total"`
			IDs   []int `json:"ids"`
		}{list.From, list.Total, ids})
		if string(got) != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	for _, path := range []string{"/sessions/1", "/sessions/s1", "/sessions/1/state", "/sessions/1/log", "/sessions/1/statements", "/sessions/77"} {
		if r := s.Do("GET", path, ""); r.StatusCode != 404 {
			t.Errorf("GET %s: %d %s", path, r.StatusCode, r.Text)
		}
	}
	if r := s.Do("DELETE", "/sessions/1", ""); r.StatusCode != 404 {
		t.Errorf("deleted somebody else's: %d", r.StatusCode)
	}
	if r := s.Do("POST", "/sessions/1/statements", `{"code":"1"}`); r.StatusCode != 404 {
		t.Errorf("ran code in somebody else's: %d", r.StatusCode)
	}
	if r := s.Do("GET", "/sessions/s1", "", other); r.StatusCode != 200 || r.JSON(t).ID != 1 {
		t.Errorf("its owner: %d %s", r.StatusCode, r.Text)
	}
	if r := s.Do("HEAD", "/sessions", ""); r.StatusCode != 200 || r.ContentLength > 0 {
		t.Errorf("HEAD: %d, %d bytes", r.StatusCode, r.ContentLength)
	}
}

// TestIsolationTellsNothingOfOthers compares the replies about another token's sessions with
// those about sessions that do not exist.
func TestIsolationTellsNothingOfOthers(t *testing.T) {
	double := livytest.New()
	double.Manual = true
	s := caddytest.New(t, double)
	s.Isolate()
	other := s.NewToken("other", tokens.Settings{})
	for _, create := range [][2]string{{"/sessions", `{"name":"payroll"}`}, {"/batches", `{"file":"file:/data/x.py","name":"payroll"}`}} {
		if r := s.Do("POST", create[0], create[1]); r.StatusCode != 201 {
			t.Fatalf("%d %s", r.StatusCode, r.Text)
		}
	}
	answer := func(method, path, body string) string {
		r := s.Do(method, path, body, other)
		r.Header.Del("Date")
		return fmt.Sprintln(r.StatusCode, r.Header, r.Text)
	}
	for _, tc := range [][2]string{
		{"GET", ""}, {"GET", "/state"}, {"GET", "/log"}, {"DELETE", ""}, {"HEAD", ""},
	} {
		for _, collection := range []string{"/sessions/", "/batches/"} {
			for taken, free := range map[string]string{"payroll": "nothing", "0": "7"} {
				got := strings.ReplaceAll(answer(tc[0], collection+taken+tc[1], ""), "'"+taken+"'", "'"+free+"'")
				if want := answer(tc[0], collection+free+tc[1], ""); got != want {
					t.Errorf("%s %s%s%s: %s, but for %s %s", tc[0], collection, taken, tc[1], got, free, want)
				}
			}
		}
	}
	for _, create := range [][2]string{{"/sessions", `{"name":"payroll"}`}, {"/batches", `{"file":"file:/data/x.py","name":"payroll"}`}} {
		r := s.Do("POST", create[0], create[1], other)
		if r.StatusCode != 400 || !strings.Contains(r.Text, "has this name, perhaps one of another token") || strings.ContainsAny(r.JSON(t).Msg, "0123456789") {
			t.Errorf("a create by a name that is taken: %d %s", r.StatusCode, r.Text)
		}
	}
	if n := len(s.Records(store.RecordFilter{})); n != 2 {
		t.Errorf("%d records, want 2", n)
	}
}
