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

// expander puts what placeholders such as {file./etc/livy/etl.rules} stand for in
// place of them, in every text of a configuration. Caddy itself takes a file that
// cannot be read, or a variable that is not set, for an empty text, and reads no more
// than 1 MiB of a file: rules would be switched off by a wrong name. Here each of
// these is an error.
type expander struct {
	replacer *caddy.Replacer
	// others has the placeholders besides env and file: system.hostname, time.now...
	others *caddy.Replacer
	// option and gateway are what is being expanded.
	option  optionPath
	gateway *DeclaredGateway
	err     error
	empty   []emptyText
	// values has what placeholders stand for, with the placeholder.
	values map[string]string
}

// emptyText is a placeholder of a conf text that stands for nothing.
type emptyText struct {
	option      optionPath
	placeholder string
}

func newExpander() *expander {
	e := &expander{values: make(map[string]string), replacer: caddy.NewEmptyReplacer(), others: caddy.NewReplacer().WithoutFile()}
	e.replacer.Map(e.value)
	return e
}

// optionPath names an option as the Caddyfile does: `gateway "etl": spark_blacklist`.
type optionPath []string

func (p optionPath) String() string { return strings.Join(p, ": ") }

func (p optionPath) with(name string) optionPath { return append(slices.Clip(p), name) }

// maxFile bounds a file that a placeholder names.
const maxFile = 1 << 20

// freeTexts are the options that may hold braces of their own, such as Spark's
// ${references} and the globs of URIs, and whose text may be empty. In all others a
// brace begins a placeholder, and what it stands for must not be empty: an empty
// queue or identity would force nothing.
var freeTexts = map[string]bool{
	"spark_defaults": true, "livy_conf": true, "livy_client_conf": true, "spark_blacklist": true, "policy_rules": true,
	"conf": true, "env": true, "jars": true, "py_files": true, "files": true, "archives": true,
}

// lookalikes are how keys begin that are meant as placeholders, whatever follows.
var lookalikes = []string{"env", "file", "files", "system", "time", "http", "vars", "secret", "secrets"}

// alone matches a text that is one placeholder and nothing else. It is not one that
// happens to hold braces, as {"a":1} is.
var alone = regexp.MustCompile(`^\s*\{([^\s"',={}]+)\}\s*$`)

// entryKinds are the lists whose entries have names, with the option of one entry.
var entryKinds = map[string]string{
	"engines": "engine", "clusters": "cluster", "environments": "environment", "networks": "network", "directories": "directory",
	"fusion": "fusion", "gateways": "gateway", "ldap_logins": "ldap_login",
}

// all expands every text of v, a pointer to a struct: new options need nothing.
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
			continue // the runtime's options are expanded by raw
		}
		if field.Anonymous { // its fields are options of v
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
		if name != "spec" { // which is no option, only a place in JSON
			path = at.with(gateway.OptionName(name))
		}
		if err := e.walk(v.Field(i), path); err != nil {
			return err
		}
	}
	return nil
}

// nameOf is the name of an entry of the configuration.
func nameOf(entry reflect.Value) string {
	if spec := entry.FieldByName("Spec"); spec.IsValid() {
		entry = spec
	}
	return entry.FieldByName("Name").String()
}

// raw expands the texts of a module that has not been loaded yet.
func (e *expander) raw(text json.RawMessage, at optionPath) (json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return text, nil //nolint:nilerr // who loads the module says it better
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

// text expands one text.
func (e *expander) text(text string, at optionPath) (string, error) {
	if !strings.ContainsAny(text, "{}") {
		return text, nil
	}
	e.option, e.err = at, nil
	if whole := alone.FindStringSubmatch(text); whole != nil && !e.known(whole[1]) {
		return "", fmt.Errorf("%s: %w", at, unknownPlaceholder(whole[1]))
	}
	// Not ReplaceKnown: it makes an empty text of one with too many open braces.
	out, err := e.replacer.ReplaceOrErr(text, false, false)
	if e.err != nil {
		err = e.err
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", at, err)
	}
	return out, nil
}

// free reports whether the option at hand is a free text.
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

// value gives the value of one placeholder to the replacer.
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
		e.gateway.notes = append(e.gateway.notes, fmt.Sprintf("%s is empty: {%s} of the configuration has no text", e.option[len(e.option)-1], key))
	}
	return text, true, nil
}

// mask puts placeholders back in place of what they stand for in an error: a password
// file that is named where a queue is wanted must not be shown.
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

// minMasked is how long a value is at least that may be a secret: shorter ones would be
// found in the words of an error.
const minMasked = 4

func unsetVariable(key, name string) error {
	if plain, _, ok := strings.Cut(name, ":"); ok {
		return fmt.Errorf("{%s}: the environment variable %q is not set; placeholders have no defaults, only {$%s:default} of a Caddyfile has", key, name, plain)
	}
	return fmt.Errorf("{%s}: the environment variable %q is not set", key, name)
}

func unknownPlaceholder(key string) error {
	if !alone.MatchString("{"+key+"}") || !strings.ContainsAny(key, ".:/") {
		key = "..." // part of something else, perhaps of a password
	}
	return fmt.Errorf("{%s} is no placeholder that is known here: there are {file.PATH}, {env.NAME}, {system.hostname} and the like; a brace that is meant as one is written \\{", key)
}

// looksMeant reports whether braces in a free text were meant as a placeholder.
func looksMeant(key string) bool {
	end := strings.IndexFunc(key, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) })
	return end > 0 && strings.ContainsAny(key[end:end+1], ".:/ ") && slices.Contains(lookalikes, strings.ToLower(key[:end]))
}

// readPlaceholderFile reads a file whole, and takes the end of its last line away as
// Caddy does.
func readPlaceholderFile(name string) (string, error) {
	text, err := readBounded(name)
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err // the placeholder has the name
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
	case !info.Mode().IsRegular(): // opening a pipe might wait for ever
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
