package caddymodule

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/caddyserver/caddy/v2"

	"github.com/livygateway/livygateway/internal/gateway"
)

// expander replaces placeholders such as {file./etc/livy/etl.rules} in all strings of a
// configuration. Caddy itself takes a file that cannot be read, or a variable that is not set,
// for an empty string, and reads at most 1 MiB of a file. A wrong file name would then disable
// rules. Here, each of these cases is an error.
type expander struct {
	replacer *caddy.Replacer
	// others resolves all placeholders but env and file: system.hostname, time.now...
	others *caddy.Replacer
	// option and gateway are being expanded.
	option  optionPath
	gateway *DeclaredGateway
	err     error
	empty   []emptyText
	// values maps values of placeholders to these placeholders.
	values map[string]string
}

// emptyText is a placeholder with an empty value, in an option that may be empty.
type emptyText struct {
	option      optionPath
	placeholder string
}

func newExpander() *expander {
	e := &expander{
		values:   make(map[string]string),
		replacer: caddy.NewEmptyReplacer(),
		others:   caddy.NewReplacer().WithoutFile(),
	}
	e.replacer.Map(e.value)
	return e
}

// optionPath is the name of an option as in the Caddyfile: `gateway "etl": spark_blacklist`.
type optionPath []string

func (p optionPath) String() string { return strings.Join(p, ": ") }

func (p optionPath) with(name string) optionPath { return append(slices.Clip(p), name) }

// maxFile is the largest size of a file in a placeholder.
const maxFile = 1 << 20

// freeTexts are the options that may contain other braces, such as Spark's ${references} and
// globs in URIs, and that may be empty. In all other options, a brace begins a placeholder, whose
// value must not be empty: an empty queue or identity would force nothing.
var freeTexts = map[string]bool{
	"spark_defaults": true, "livy_conf": true, "livy_client_conf": true, "spark_blacklist": true, "policy_rules": true,
	"conf": true, "env": true, "jars": true, "py_files": true, "files": true, "archives": true,
}

// lookalikes are the beginnings of keys that were probably meant as placeholders.
var lookalikes = []string{"env", "file", "files", "system", "time", "http", "vars", "secret", "secrets"}

// alone matches a string that is a single placeholder. It does not match strings that merely
// contain braces, such as {"a":1}.
var alone = regexp.MustCompile(`^\s*\{([^\s"',={}]+)\}\s*$`)

// entryKinds are the lists with named entries, and the options of single entries.
var entryKinds = map[string]string{
	"engines": "engine", "clusters": "cluster", "environments": "environment", "networks": "network",
	"directories": "directory", "fusion": "fusion", "gateways": "gateway", "ldap_logins": "ldap_login", "livy_servers": "engine",
}

// all expands all strings of v, a pointer to a struct. New options are covered without further
// changes.
func (e *expander) all(v any) error { return e.walk(reflect.ValueOf(v), nil) }

func (e *expander) walk(v reflect.Value, at optionPath) error {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		if g, ok := reflect.TypeAssert[*DeclaredGateway](v); ok {
			e.gateway = g
			defer func() { e.gateway = nil }()
		}
		return e.walk(v.Elem(), at)
	case reflect.Struct:
		return e.walkStruct(v, at)
	case reflect.Slice:
		for i := range v.Len() {
			if err := e.walk(v.Index(i), at); err != nil {
				return err
			}
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			text := reflect.New(v.Type().Elem()).Elem()
			text.Set(v.MapIndex(key))
			if err := e.walk(text, at.with(key.String())); err != nil {
				return err
			}
			v.SetMapIndex(key, text)
		}
	case reflect.String:
		text, err := e.text(v.String(), at)
		if err != nil {
			return err
		}
		v.SetString(text)
	default: // numbers and flags
	}
	return nil
}

func (e *expander) walkStruct(v reflect.Value, at optionPath) error {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if !field.IsExported() || field.Type == reflect.TypeFor[json.RawMessage]() {
			continue // raw expands the options of the runtime
		}
		if field.Anonymous { // the fields are options of v
			if err := e.walkStruct(v.Field(i), at); err != nil {
				return err
			}
			continue
		}
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if kind := entryKinds[name]; kind != "" && at == nil {
			for j := range v.Field(i).Len() {
				entry := v.Field(i).Index(j)
				if err := e.walk(entry, optionPath{fmt.Sprintf("%s %q", kind, nameOf(reflect.Indirect(entry)))}); err != nil {
					return err
				}
			}
			continue
		}
		path := at
		if name != "spec" { // a level in JSON, not an option
			path = at.with(gateway.OptionName(name))
		}
		if err := e.walk(v.Field(i), path); err != nil {
			return err
		}
	}
	return nil
}

// nameOf returns the name of an entry of the configuration.
func nameOf(entry reflect.Value) string {
	if spec := entry.FieldByName("Spec"); spec.IsValid() {
		entry = spec
	}
	return entry.FieldByName("Name").String()
}

// raw expands the strings in the JSON of a module that has not been loaded yet.
func (e *expander) raw(text json.RawMessage, at optionPath) (json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return text, nil //nolint:nilerr // loading the module returns a better error
	}
	v, err := e.rawValue(v, at)
	if err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

func (e *expander) rawValue(v any, at optionPath) (_ any, err error) {
	switch v := v.(type) {
	case string:
		return e.text(v, at)
	case []any:
		for i := range v {
			if v[i], err = e.rawValue(v[i], at); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for key := range v {
			if v[key], err = e.rawValue(v[key], at.with(key)); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// text expands one string.
func (e *expander) text(text string, at optionPath) (string, error) {
	if !strings.ContainsAny(text, "{}") {
		return text, nil
	}
	e.option, e.err = at, nil
	if whole := alone.FindStringSubmatch(text); whole != nil && !e.known(whole[1]) {
		return "", fmt.Errorf("%s: %w", at, unknownPlaceholder(whole[1]))
	}
	// Not ReplaceKnown, which returns an empty string for one with too many opening braces.
	out, err := e.replacer.ReplaceOrErr(text, false, false)
	if e.err != nil {
		err = e.err
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", at, err)
	}
	return out, nil
}

// free reports whether the current option is one of freeTexts.
func (e *expander) free() bool {
	return slices.ContainsFunc(e.option, func(name string) bool { return freeTexts[name] })
}

func (e *expander) known(key string) bool {
	if strings.HasPrefix(key, "env.") || strings.HasPrefix(key, "file.") {
		return true
	}
	_, ok := e.others.Get(key)
	return ok
}

// value returns the value of a placeholder to the replacer.
func (e *expander) value(key string) (any, bool) {
	text, known, err := e.lookup(key)
	if err != nil {
		if e.err == nil {
			e.err = err
		}
		return "", true
	}
	return text, known
}

func (e *expander) lookup(key string) (text string, known bool, err error) {
	name, isEnv := strings.CutPrefix(key, "env.")
	file, isFile := strings.CutPrefix(key, "file.")
	switch {
	case isEnv:
		if text, known = os.LookupEnv(name); !known {
			return "", false, unsetVariable(key, name)
		}
	case isFile:
		if text, err = readPlaceholderFile(file); err != nil {
			return "", false, fmt.Errorf("{%s} cannot be read: %w", key, err)
		}
	default:
		value, ok := e.others.Get(key)
		if !ok {
			if !e.free() || looksMeant(key) {
				err = unknownPlaceholder(key)
			}
			return "", false, err
		}
		text = caddy.ToString(value)
	}
	if strings.TrimSpace(text) != "" {
		e.values[text] = "{" + key + "}"
		return text, true, nil
	}
	if !e.free() {
		return "", false, fmt.Errorf("{%s} is empty: give it a value, or leave the option out", key)
	}
	e.empty = append(e.empty, emptyText{e.option, "{" + key + "}"})
	if e.gateway != nil {
		e.gateway.notes = append(e.gateway.notes,
			fmt.Sprintf("%s is empty: {%s} is blank", e.option[len(e.option)-1], key))
	}
	return text, true, nil
}

// mask replaces the values of placeholders in an error by these placeholders. If, for example, a
// password file is given as a queue, the password must not be shown.
func (e *expander) mask(err error) error {
	if err == nil || e == nil {
		return err
	}
	text := err.Error()
	for value, placeholder := range e.values {
		if len(value) >= minMasked {
			quoted := strconv.Quote(value)
			text = strings.NewReplacer(value, placeholder, quoted[1:len(quoted)-1], placeholder).Replace(text)
		}
	}
	if text == err.Error() {
		return err
	}
	return errors.New(text)
}

// minMasked is the shortest length of values that are masked. Shorter ones would also be found in
// ordinary words of an error.
const minMasked = 4

func unsetVariable(key, name string) error {
	if plain, _, ok := strings.Cut(name, ":"); ok {
		return fmt.Errorf("{%s}: the environment variable %q is not set; placeholders have no defaults; "+
			"use {$%s:default} in a Caddyfile", key, name, plain)
	}
	return fmt.Errorf("{%s}: the environment variable %q is not set", key, name)
}

func unknownPlaceholder(key string) error {
	if !alone.MatchString("{"+key+"}") || !strings.ContainsAny(key, ".:/") {
		key = "..." // part of another string, perhaps of a password
	}
	return fmt.Errorf("{%s} is not a known placeholder: use {file.PATH}, {env.NAME}, {system.hostname} "+
		"and similar ones; write \\{ for a literal brace", key)
}

// looksMeant reports whether braces in a free text were probably meant as a placeholder.
func looksMeant(key string) bool {
	end := strings.IndexFunc(key, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) })
	return end > 0 && strings.ContainsAny(key[end:end+1], ".:/ ") && slices.Contains(lookalikes, strings.ToLower(key[:end]))
}

// readPlaceholderFile returns the content of a file without a final line break, as Caddy does.
func readPlaceholderFile(name string) (string, error) {
	text, err := readBounded(name)
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err // the placeholder shows the name
	}
	if err != nil && !filepath.IsAbs(name) {
		if dir, wdErr := os.Getwd(); wdErr == nil {
			err = fmt.Errorf("%w (looked for in %s)", err, dir)
		}
	}
	text = bytes.TrimSuffix(text, []byte("\n"))
	return string(bytes.TrimSuffix(text, []byte("\r"))), err
}

func readBounded(name string) ([]byte, error) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, errors.New("it is a directory")
	case !info.Mode().IsRegular(): // opening a pipe could block forever
		return nil, errors.New("it is not a regular file")
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = errors.New("it is larger than 1 MiB")
	}
	return text, err
}
