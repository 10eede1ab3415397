package caddymodule

import (
	"encoding/json"
	"fmt"

	"github.com/caddyserver/caddy/v2"
)

// catalogLists are the lists of the catalog in whose entries fields were renamed. oldNames maps
// the old names of these fields to the present ones.
var (
	catalogLists = []string{"engines", "clusters", "environments", "networks", "directories", "fusion"}
	oldNames     = map[string]string{
		"livy_home": "livyHome", "spark_home": "sparkHome", "java_home": "javaHome", "deploy_mode": "deployMode",
		"conf_dir": "confDir", "py_files": "pyFiles", "docker_network": "dockerNetwork", "read_only": "readOnly",
		"cpu_flags": "cpuFlags",
	}
)

// UnmarshalJSON parses the app's JSON configuration. Fields of catalog entries are spelled as in
// the API (`livyHome`). Their old names (`livy_home`) are also accepted.
func (a *App) UnmarshalJSON(text []byte) error {
	type plain App
	var fields map[string]json.RawMessage
	if json.Unmarshal(text, &fields) != nil {
		return caddy.StrictUnmarshalJSON(text, (*plain)(a)) // returns a better error
	}
	changed := false
	for _, list := range catalogLists {
		entries, renamed, err := withNewNames(fields[list])
		if err != nil {
			return fmt.Errorf("%s: %w", list, err)
		}
		if renamed {
			fields[list], changed = entries, true
		}
	}
	if changed {
		var err error
		if text, err = json.Marshal(fields); err != nil {
			return err
		}
	}
	return caddy.StrictUnmarshalJSON(text, (*plain)(a))
}

// withNewNames renames the fields of a list's entries that have old names, and reports whether
// there were any. If list is not a list of objects, it is returned unchanged for the parser to
// reject.
func withNewNames(list json.RawMessage) (_ json.RawMessage, renamed bool, err error) {
	var entries []map[string]json.RawMessage
	if json.Unmarshal(list, &entries) != nil {
		return list, false, nil
	}
	for _, e := range entries {
		for old, name := range oldNames {
			value, ok := e[old]
			if !ok {
				continue
			}
			if _, ok := e[name]; ok {
				return nil, false, fmt.Errorf("%s and %s are the same field", name, old)
			}
			e[name], renamed = value, true
			delete(e, old)
		}
	}
	if !renamed {
		return list, false, nil
	}
	list, err = json.Marshal(entries)
	return list, true, err
}
