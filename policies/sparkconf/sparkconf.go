// Package sparkconf knows the settings that Spark itself has: their names, what their
// numbers mean, and their defaults. The table is Spark 3.5's, made by list.py from
// Spark's own code; what Spark 3.4 says otherwise is left open in it. A test holds it
// to the Spark that is prepared for tests.
package sparkconf

import (
	_ "embed"
	"maps"
	"slices"
	"strings"

	"github.com/livygateway/livygateway/internal/gateway"
)

// Unit says what the value of a setting is.
type Unit string

// What values are. A number without a suffix is in the unit named; text is what is no
// whole number.
const (
	Text    Unit = "text"
	Int     Unit = "int"
	Bytes   Unit = "bytes"
	KiB     Unit = "KiB"
	MiB     Unit = "MiB"
	Millis  Unit = "ms"
	Seconds Unit = "s"
)

// Setting is one of Spark's.
type Setting struct {
	// Unit is empty where it is not known.
	Unit Unit
	// Default holds where nobody says otherwise; empty if there is none, or if it
	// depends on the machine or the version.
	Default string
	// DefaultOf is the setting whose value is the default.
	DefaultOf string
	// Now is the name of today, for an old one that Spark still reads.
	Now string
}

//go:embed settings.tsv
var table string

var settings = parse(table)

func parse(table string) map[string]Setting {
	all := make(map[string]Setting)
	for line := range strings.Lines(table) {
		columns := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(columns) != 3 {
			continue // the heading
		}
		key, s := columns[0], Setting{Unit: Unit(columns[1]), Default: columns[2]}
		if of, ok := strings.CutPrefix(s.Default, "="); ok {
			s.Default, s.DefaultOf = "", of
		}
		switch {
		case s.Unit == "is":
			s = Setting{Now: s.Default}
		case s.Unit == "name":
			s = Setting{}
		case s.Default == "?":
			s.Default = ""
		}
		all[key] = s
	}
	return all
}

// Lookup finds a setting by its name.
func Lookup(key string) (Setting, bool) {
	s, ok := settings[key]
	return s, ok
}

// namesOf has all names of the settings that have several, the one of today first.
var namesOf = func() map[string][]string {
	old := make(map[string][]string)
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		if now := settings[key].Now; now != "" {
			old[now] = append(old[now], key)
		}
	}
	all := make(map[string][]string)
	for now, others := range old {
		names := append([]string{now}, others...)
		for _, name := range names {
			all[name] = names
		}
	}
	return all
}()

// NamesOf lists all names of a setting that has several, the one of today first; nil
// for any other.
func NamesOf(key string) []string { return namesOf[key] }

// Renamed lists the names of all settings that have several.
func Renamed() []string { return renamed }

var renamed = slices.Sorted(maps.Keys(namesOf))

// Default is what a setting is where nobody says otherwise; others says what is known
// of a setting whose value it may be. It is empty if that is not known.
func Default(key string, others func(key string) string) string {
	for range 4 { // no setting's default goes round in a circle
		s := settings[key]
		if s.DefaultOf == "" {
			return s.Default
		}
		key = s.DefaultOf
		if text := others(key); text != "" {
			return text
		}
	}
	return ""
}

// Names lists all settings, in order.
func Names() []string { return names }

var (
	names      = slices.Sorted(maps.Keys(settings))
	words      = gateway.NewDictionary(names)
	beginnings = gateway.NewDictionary(prefixes())
)

// open are beginnings of keys after which anything may follow.
var open = []string{
	"spark.hadoop.", "spark.hive.", "spark.executorEnv.", "spark.yarn.appMasterEnv.", "spark.kubernetes.driverEnv.",
	"spark.sql.catalog.", "spark.metrics.", "spark.livy.", "spark.livygateway.",
}

// Similar returns the setting that a key was probably meant to be, "" if it is known or
// like none. People have settings of their own below spark.
func Similar(key string) string {
	if slices.ContainsFunc(open, func(p string) bool { return strings.HasPrefix(key, p) }) {
		return ""
	}
	for i := range len(key) + 1 {
		if i == len(key) || key[i] == '.' {
			if _, ok := settings[key[:i]]; ok {
				return "" // known, or named after one: spark.ui.filters and what filters are told
			}
		}
	}
	return words.Similar(key)
}

// SimilarPrefix is Similar for the beginning of keys, such as "spark.yran.".
func SimilarPrefix(prefix string) string {
	if i, _ := slices.BinarySearch(names, prefix); i < len(names) && strings.HasPrefix(names[i], prefix) {
		return ""
	}
	if slices.ContainsFunc(open, func(p string) bool { return strings.HasPrefix(p, prefix) || strings.HasPrefix(prefix, p) }) {
		return ""
	}
	return beginnings.Similar(prefix)
}

// prefixes are the beginnings of all settings, up to each dot.
func prefixes() []string {
	all := make(map[string]bool)
	for _, name := range names {
		for i := range len(name) {
			if name[i] == '.' {
				all[name[:i+1]] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(all))
}
