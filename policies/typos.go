package policies

import (
	"fmt"
	"slices"
	"strings"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/policies/sparkconf"
)

// Typing collects keys that look mistyped: those that Spark 3.5 or Livy does not know but that are
// very similar to a known one. Others may be settings of applications. It checks the first 500
// keys.
type Typing struct {
	notes  []string
	looked int
}

var livySettings = gateway.NewDictionary(livy.Settings)

const (
	maxLooked   = 500
	maxNoted    = 10
	sparkSeries = "Spark 3.5"
)

// Notes returns a note for each key found, at most ten.
func (t *Typing) Notes() []string {
	if more := len(t.notes) - maxNoted; more > 0 {
		return append(slices.Clip(t.notes[:maxNoted]),
			fmt.Sprintf("and %s like these", gateway.Count(more, "more key")))
	}
	return t.notes
}

// Spark checks a setting of Spark; source is its position.
func (t *Typing) Spark(source, key string) {
	if familiesOf[key] == nil {
		t.look(source, key, sparkSeries, func() string { return sparkconf.Similar(key) })
	}
}

// Livy checks a setting of Livy.
func (t *Typing) Livy(source, key string) {
	t.look(source, key, "Livy 0.8.0", func() string { return livySettings.Similar(key) })
}

// Properties checks the settings of a configuration file.
func (t *Typing) Properties(file string, list []livy.Property) {
	for _, p := range list {
		source := fmt.Sprintf("%s:%d", file, p.Line)
		if strings.HasPrefix(p.Key, "livy.") {
			t.Livy(source, p.Key)
		} else {
			t.Spark(source, p.Key)
		}
	}
}

// Blacklist checks the lines of spark-blacklist.conf.
func (t *Typing) Blacklist(list []Denied) {
	for _, l := range list {
		if l.Prefix {
			t.prefix(l.Source, l.Key)
		} else {
			t.settingOrField(l.Source, l.Key)
		}
	}
}

// Rules checks rules and grants.
func (t *Typing) Rules(rules []Rule, granted []Grant) {
	for _, r := range rules {
		t.settingOrField(orDefault(r.Source, "rule "+r.Key), r.Key)
	}
	for _, g := range granted {
		if g.What != GrantConf {
			continue
		}
		if prefix, wild := strings.CutSuffix(g.Name, "*"); wild {
			t.prefix(g.Source, prefix)
		} else {
			t.Spark(g.Source, g.Name)
		}
	}
}

func (t *Typing) look(source, key, who string, similar func() string) {
	if t.looked >= maxLooked {
		return
	}
	t.looked++
	if near := similar(); near != "" {
		t.notes = append(t.notes,
			fmt.Sprintf("%s: %s is not a setting that %s knows; did you mean %s?", source, key, who, near))
	}
}

func (t *Typing) prefix(source, prefix string) {
	if near := sparkconf.SimilarPrefix(prefix); near != "" {
		t.notes = append(t.notes,
			fmt.Sprintf("%s: no setting that %s knows begins with %s; did you mean %s*?", source, sparkSeries,
				prefix, near))
	}
}

// settingOrField checks a key that may also be a field of Livy's requests.
func (t *Typing) settingOrField(source, key string) {
	switch {
	case familiesOf[key] != nil || slices.ContainsFunc(fields[:], func(f field) bool { return f.name == key }):
	case strings.HasPrefix(key, "livy."):
		t.Livy(source, key)
	case strings.Contains(key, "."):
		t.Spark(source, key)
	default:
		names := make([]string, len(fields))
		for i, f := range fields {
			names[i] = f.name
		}
		hint := ""
		if near := gateway.Similar(key, names); near != "" {
			hint = "; did you mean " + near + "?"
		}
		t.notes = append(t.notes,
			fmt.Sprintf("%s: neither a Spark setting nor a field of a create request%s", source, hint))
	}
}
