package policies

import (
	"fmt"
	"slices"
	"strings"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/policies/sparkconf"
)

// mark is the reason why a client's value for a key is ignored.
type mark struct {
	rule, source string
	// spelling is true for another name of a denied key.
	spelling bool
}

// denials holds the keys and fields whose client values are ignored.
type denials struct {
	exact    map[string]mark
	prefixes []prefixMark
}

type prefixMark struct {
	prefix string
	mark   mark
}

// find reports whether a key or field is ignored, and why.
func (d *denials) find(name string) (mark, bool) {
	if m, ok := d.exact[name]; ok {
		return m, true
	}
	for i := range d.prefixes {
		if strings.HasPrefix(name, d.prefixes[i].prefix) {
			return d.prefixes[i].mark, true
		}
	}
	return mark{}, false
}

// addKey denies a key under all its names.
func (d *denials) addKey(key, rule, source string) {
	d.add(key, mark{rule: rule, source: source})
	for _, name := range spellings(key) {
		d.add(name, mark{rule: "another way to set " + key + ": " + rule, source: source, spelling: true})
	}
}

func (d *denials) add(name string, m mark) {
	if _, ok := d.exact[name]; !ok {
		d.exact[name] = m
	}
}

// addPrefix denies all keys with a prefix, and every family with such a key.
func (d *denials) addPrefix(prefix, rule, source string) {
	m := mark{rule: rule, source: source}
	d.prefixes = append(d.prefixes, prefixMark{prefix, m})
	for _, pair := range prefixPairs {
		for i, p := range pair {
			switch other := pair[1-i]; {
			case strings.HasPrefix(p, prefix):
				d.prefixes = append(d.prefixes, prefixMark{other, m})
			case strings.HasPrefix(prefix, p):
				d.prefixes = append(d.prefixes, prefixMark{other + strings.TrimPrefix(prefix, p), m})
			}
		}
	}
	for i := range families {
		for _, name := range families[i].members() {
			if strings.HasPrefix(name, prefix) {
				d.addKey(name, rule, source)
			}
		}
	}
	for _, name := range sparkconf.Renamed() {
		if strings.HasPrefix(name, prefix) {
			d.addKey(name, rule, source)
		}
	}
}

const blacklisted = "blacklisted"

// unignorable lists fields that a request cannot do without.
var unignorable = []string{"file", "conf"}

// Denied is a line of spark-blacklist.conf.
type Denied struct {
	// Key is a Spark key or a field of Livy's request, or a prefix of them if Prefix is set.
	Key    string
	Prefix bool
	// Source is the position of the line, e.g. "spark-blacklist.conf:3".
	Source string
}

// ParseBlacklist parses spark-blacklist.conf: one key per line, # comments, blank lines, and a
// trailing * for all keys with that prefix. Errors name file, line and reason.
func ParseBlacklist(f File) ([]Denied, error) {
	var list []Denied
	name := orDefault(f.Name, "spark-blacklist.conf")
	text := strings.TrimPrefix(f.Text, livy.ByteOrderMark)
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		d := Denied{Source: fmt.Sprintf("%s:%d", name, i+1)}
		d.Key, d.Prefix = strings.CutSuffix(line, "*")
		if reason := badBlacklistLine(d.Key, d.Prefix); reason != "" {
			return nil, gateway.InvalidLine(d.Source, reason)
		}
		list = append(list, d)
	}
	return list, nil
}

// addAll denies the keys of a blacklist.
func (d *denials) addAll(list []Denied) {
	for _, l := range list {
		if l.Prefix {
			d.addPrefix(l.Key, blacklisted+" as "+l.Key+"*", l.Source)
		} else {
			d.addKey(l.Key, blacklisted, l.Source)
		}
	}
}

// badBlacklistLine returns what is wrong with a line, or "".
func badBlacklistLine(key string, wild bool) string {
	switch {
	case key == "" && wild:
		return "a lone * would ignore every setting; name a prefix, as in spark.yarn.*"
	case strings.ContainsRune(key, '*'):
		return "a * is allowed at the end only"
	case livy.OddBlank(key) != "":
		return "holds " + livy.OddBlank(key) + ", which looks like a blank and is none"
	case strings.ContainsAny(key, " \t"):
		return "must be one key per line, without a value or spaces"
	case strings.ContainsAny(key, "{}"):
		return "a key must not contain braces; placeholders such as {file.PATH} are for the configuration of Caddy, one per line"
	case slices.Contains(unignorable, key):
		return "this field cannot be ignored"
	}
	if reason := badKey(key); reason != "" {
		return "the key " + reason
	}
	return ""
}
