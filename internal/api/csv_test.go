package api

import "testing"

// TestCSVText checks that no name is a formula in a spreadsheet.
func TestCSVText(t *testing.T) {
	for name, want := range map[string]string{
		"": "", "ann": "ann", "a=1": "a=1", "3 jobs": "3 jobs",
		`=HYPERLINK("https://example.com")`: `'=HYPERLINK("https://example.com")`,
		"+1":                                "'+1", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)", "\t=1": "'\t=1", "\r=1": "'\r=1", "＝1": "'＝1",
	} {
		if got := csvText(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
