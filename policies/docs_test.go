package policies

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/golden"
)

// TestDocsAreCurrent holds the list in docs/policies.md to the one in code.
// To write it: go test ./policies -run TestDocsAreCurrent -update
func TestDocsAreCurrent(t *testing.T) {
	golden.Part(t, "../docs/policies.md", "<!-- aliases -->", "<!-- end of aliases -->", aliasTable())
}

func code(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "`" + strings.Join(names, "`, `") + "`"
}

var units = map[unit]string{
	unitInt: "number", unitMiB: "size, bare number in MiB", unitBytes: "size, bare number in bytes",
	unitDuration: "duration, bare number in ms", unitCPU: "cores: 2, 1.5 or 1500m",
}

// aliasTable lists the families: Livy's field and Spark's keys, the winner first; what
// goes along; how values compare.
func aliasTable() string {
	var b strings.Builder
	b.WriteString("\n")
	for i := range families {
		f := &families[i]
		if len(f.members())+len(f.related) < 2 && f.unit == unitText && f.note == "" {
			continue
		}
		names := f.keys
		if f.field != "" {
			names = append([]string{f.field}, f.keys...)
		}
		text := code(names)
		var notes []string
		if f.unit != unitText {
			notes = append(notes, units[f.unit])
		}
		if f.list {
			notes = append(notes, "list")
		}
		if f.unlimited {
			notes = append(notes, "0 means no limit")
		}
		if f.note != "" {
			notes = append(notes, f.note)
		}
		if len(notes) > 0 {
			text += " (" + strings.Join(notes, "; ") + ")"
		}
		b.WriteString(golden.Wrap(text, "- ", "  "))
		if len(f.related) > 0 {
			b.WriteString(golden.Wrap("related: "+code(f.related), "  - ", "    "))
		}
	}
	b.WriteString("\nThese key spaces mean the same, name by name:\n\n")
	for _, pair := range prefixPairs {
		fmt.Fprintf(&b, "- `%s*` and `%s*`\n", pair[0], pair[1])
	}
	b.WriteString("\nThese keys are under the path rule, besides Livy's lists:\n\n")
	keys := slices.Sorted(maps.Keys(fileKeys))
	for _, p := range fileKeyPatterns {
		keys = append(keys, p[0]+"*"+p[1])
	}
	b.WriteString(golden.Wrap(code(keys)+".", "", "") + "\n")
	return b.String()
}

// TestTableIsSound: the tables agree with each other.
func TestTableIsSound(t *testing.T) {
	seen := map[string]string{}
	for i := range families {
		f := &families[i]
		if f.field == "" && len(f.keys) == 0 {
			t.Errorf("family %d has no name", i)
		}
		if f.field != "" {
			if _, ok := fieldIndex[f.field]; !ok {
				t.Errorf("%s is no field", f.field)
			}
		}
		for _, name := range append(f.members(), f.related...) {
			if reason := badKey(name); reason != "" {
				t.Errorf("%q %s", name, reason)
			}
		}
		if f.fallback != "" && f.unit != unitText {
			if _, ok := f.unit.parse(f.fallback); !ok {
				t.Errorf("%s: default %q does not parse", f.key(), f.fallback)
			}
		}
		if other, ok := seen[f.key()]; ok {
			t.Errorf("%s is the first name of two families (%s)", f.key(), other)
		}
		seen[f.key()] = f.key()
	}
	for _, f := range fields {
		if f.name == "conf" {
			continue
		}
		if primary(f.name) == nil {
			t.Errorf("field %s is in no family", f.name)
		}
	}
}

func TestUnits(t *testing.T) {
	for _, c := range []struct {
		u    unit
		text string
		want int64
		ok   bool
	}{
		{unitMiB, "4g", 4 << 30, true},
		{unitMiB, "4096m", 4 << 30, true},
		{unitMiB, "4096", 4 << 30, true},
		{unitMiB, " 4GB ", 4 << 30, true},
		{unitMiB, "1t", 1 << 40, true},
		{unitMiB, "1024b", 1024, true},
		{unitBytes, "4096", 4096, true},
		{unitSize, "4096", 0, false},
		{unitSize, "4k", 4096, true},
		{unitMiB, "4.5g", 0, false},
		{unitMiB, "-1g", 0, false},
		{unitMiB, "g", 0, false},
		{unitMiB, "4 g", 0, false},
		{unitMiB, "４g", 0, false},
		{unitMiB, "${x}", 0, false},
		{unitMiB, "9223372036854775807g", 0, false},
		{unitMiB, "99999999999999999999", 0, false},
		{unitInt, "12", 12, true},
		{unitInt, "12g", 0, false},
		{unitInt, "1e9", 0, false},
		{unitInt, "0x10", 0, false},
		{unitInt, "+1", 0, false},
		{unitDuration, "30m", 1800e6, true},
		{unitDuration, "30min", 1800e6, true},
		{unitDuration, "1800000", 1800e6, true},
		{unitDuration, "1d", 86400e6, true},
		{unitDuration, "5us", 5, true},
		{unitDuration, "1w", 0, false},
		{unitText, "1", 0, false},
		{unitCPU, "2", 2000, true},
		{unitCPU, " 1.5 ", 1500, true},
		{unitCPU, "0.25", 250, true},
		{unitCPU, "250m", 250, true},
		{unitCPU, "1.5m", 0, false},
		{unitCPU, "2k", 0, false},
		{unitCPU, "1e3", 0, false},
		{unitCPU, "-1", 0, false},
		{unitCPU, "", 0, false},
	} {
		if got, ok := c.u.parse(c.text); got != c.want && c.ok || ok != c.ok {
			t.Errorf("%d %q: %d, %v, want %d, %v", c.u, c.text, got, ok, c.want, c.ok)
		}
	}
}

// TestSecurityDocNamesRealTests: a case that docs/security.md names for a CVE is there.
func TestSecurityDocNamesRealTests(t *testing.T) {
	doc, err := os.ReadFile("../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	corpus, err := os.ReadFile("testdata/3-files.txt")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`3-files/([^`]*CVE[^`]*)`").FindAllStringSubmatch(string(doc), -1)
	if len(named) < 6 {
		t.Errorf("%d cases are named, want 6", len(named))
	}
	for _, m := range named {
		if !strings.Contains(string(corpus), "\n== "+m[1]+"\n") {
			t.Errorf("no case %q", m[1])
		}
	}
}
