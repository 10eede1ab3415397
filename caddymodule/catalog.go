package caddymodule

import (
	"encoding/json"
	"fmt"

	"github.com/caddyserver/caddy/v2"
)

// catalogLists are the lists of the catalog whose entries had fields by other names
// before, and oldNames what those are called now.
var (
	catalogLists = []string{"engines", "clusters", "environments", "networks", "directories", "fusion"}
	oldNames     = map[string]string{
		"livy_home": "livyHome", "spark_home": "sparkHome", "java_home": "javaHome", "deploy_mode": "deployMode",
		"conf_dir": "confDir", "py_files": "pyFiles", "docker_network": "dockerNetwork", "read_only": "readOnly",
		"cpu_flags": "cpuFlags",
	}
)

// UnmarshalJSON reads the app's JSON configuration. Entries of the catalog are spelled
// as in the API (`livyHome`); the names that they had in configurations before
// (`livy_home`) are taken as well.
func (a *App) UnmarshalJSON(text []byte) error {
	type plain App
	var fields map[string]json.RawMessage
	if json.Unmarshal(text, &fields) != nil {
		return caddy.StrictUnmarshalJSON(text, (*plain)(a)) // which says what is wrong
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

// withNewNames gives the fields of a list's entries the names of today; renamed reports
// whether any had another. A list that is none is left to who reads it.
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
