package upstream

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestSatisfies(t *testing.T) {
	for _, tt := range []struct {
		version, want string
		ok            bool
	}{
		{"0.8.0", "0.8.0", true},
		{"0.8.0-incubating", "0.8.0", true},
		{"0.9.0", "", true},
		{"0.7.1-incubating", "0.8.0", false},
		{"0.8.01", "0.8.0", false},
	} {
		if Satisfies(tt.version, tt.want) != tt.ok {
			t.Errorf("%q satisfies %q: %v", tt.version, tt.want, !tt.ok)
		}
	}
}

func TestGetVersion(t *testing.T) {
	tests := []struct {
		name, body string
		status     int
		want       string
		fails      bool
	}{
		{"answers", `{"version":"0.8.0-incubating","user":"x"}`, 200, "0.8.0-incubating", false},
		{"asks for credentials", "", 401, "", false},
		{"is not Livy", "<html>", 200, "", true},
		{"has no version", "{}", 200, "", true},
		{"fails", `{"version":"0.8.0"}`, 500, "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/version" {
					t.Errorf("asked %s", r.URL)
				}
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			}))
			defer s.Close()
			got, err := GetVersion(t.Context(), strings.TrimPrefix(s.URL, "http://"))
			if got != tt.want || (err != nil) != tt.fails {
				t.Errorf("GetVersion = %q, %v", got, err)
			}
		})
	}
}
