package sparkui

import "testing"

func TestParseSite(t *testing.T) {
	for text, want := range map[string]string{
		"https://UI.example.com:443/": "https://ui.example.com", "http://a:80": "http://a", "http://a:443": "http://a:443", "https://a:8443": "https://a:8443",
	} {
		if got, err := ParseSite(text); got != want || err != nil {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
}
