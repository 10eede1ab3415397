package livyadmin_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/store"
)

func TestRecordsInTheAPI(t *testing.T) {
	double := livytest.New()
	double.Manual = true
	s := caddytest.New(t, double)
	for range 3 {
		s.Do("POST", "/sessions", `{"kind":"pyspark","driverMemory":"2g"}`)
	}
	double.SetState("sessions", 0, "idle")

	var r store.Record
	if status, body := s.Manage("DELETE", "records/session:1", &r); status != 200 || r.State != "killed" || r.Reason != "deleted by ann" {
		t.Fatalf("close: %d %s", status, body)
	}
	if r := s.Do("GET", "/sessions/1", ""); r.StatusCode != 404 || !strings.Contains(r.Text, "deleted by ann") {
		t.Errorf("the client of a closed session: %d %s", r.StatusCode, r.Text)
	}
	if status, _ := s.Manage("DELETE", "records/session:1", nil); status != 200 {
		t.Errorf("closed twice: %d", status)
	}
	if status, body := s.Manage("GET", "records/"+r.ID, &r); status != 200 || r.PublicID != 1 || !strings.Contains(string(r.Resources), `"driverMemory":"2g"`) {
		t.Errorf("show: %d %s", status, body)
	}
	for query, want := range map[string]int64{
		"": 3, "?state=killed": 1, "?state=live": 2, "?token=" + s.TokenID: 3, "?token=lctk-none": 0,
		"?from=2999-01-01T00:00:00Z": 0, "?until=2999-01-01T00:00:00Z": 3, "?limit=1": 3,
	} {
		var list api.RecordList
		if status, body := s.Manage("GET", "records"+query, &list); status != 200 || list.Total != want {
			t.Errorf("records%s: %d %s", query, status, body)
		}
	}
	for _, path := range []string{"records?from=yesterday", "usage?from=x", "usage?format=xml", "records/export?until=1"} {
		if status, body := s.Manage("GET", path, nil); status != 400 || !strings.Contains(body, `"field"`) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	for _, path := range []string{"records/livy-none", "records/session:99", "records/x:y"} {
		if status, _ := s.Manage("GET", path, nil); status != 404 {
			t.Errorf("%s: %d", path, status)
		}
	}
	_, lines := s.Manage("GET", "records/export", nil)
	if n := strings.Count(lines, "\n"); n != 3 {
		t.Errorf("%d lines exported: %s", n, lines)
	}
	for line := range strings.Lines(lines) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
	if status, body := s.Manage("GET", "usage?format=csv", nil); status != 200 || !strings.HasPrefix(body, "day,gateway,token,vcoreHours,gbHours\n") || !strings.Contains(body, s.TokenID) {
		t.Errorf("usage: %d %s", status, body)
	}
}
