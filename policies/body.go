package policies

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
)

// request is a create request as Livy would parse it.
type request struct {
	kind   livy.Kind
	values [len(fields)]value
	// seen marks the fields that were in the body, including those that were null.
	seen [len(fields)]bool
	conf []setting
	// at maps keys to their index in conf.
	at map[string]int
}

// value is the value of a field: a text (also for whole numbers) or a list.
type value struct {
	given bool
	text  string
	list  []string
}

// setting is one entry of conf; dropped ones stay in the list.
type setting struct {
	key, value string
	dropped    bool
}

// parseRequest parses a decoded body strictly, so that it has only one interpretation: one
// object of known fields, no duplicates, nothing after it.
func parseRequest(kind livy.Kind, version int, body []byte) (*request, error) {
	r := &request{kind: kind, at: make(map[string]int, 32), conf: make([]setting, 0, 32)}
	dec := newDecoder(body)
	err := readObject(dec, func(name string) error {
		i, ok := fieldIndex[name]
		if !ok || !fields[i].known(kind, version) {
			return unknownField(name, kind, version)
		}
		if r.seen[i] {
			return duplicate(name)
		}
		r.seen[i] = true
		if i == fConf {
			return r.readConf(dec)
		}
		v, err := readValue(dec, &fields[i])
		r.values[i] = v
		return err
	})
	return r, err
}

// newDecoder returns a decoder of strict JSON. Callers detect duplicate names, because they keep
// the names of all objects anyway: none is nested deeper than conf.
func newDecoder(body []byte) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true))
}

func duplicate(name string) error {
	return gateway.Invalid("body", shown("", name), "must be an object without duplicate names")
}

// readObject reads a body, which must be one object.
func readObject(dec *jsontext.Decoder, each func(name string) error) error {
	if dec.PeekKind() != '{' {
		if _, err := dec.ReadToken(); err != nil {
			return jsonError(err)
		}
		return gateway.Invalid("body", "", "must be one JSON object")
	}
	if err := members(dec, each); err != nil {
		return err
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return gateway.Invalid("body", "", "must have nothing after its JSON object")
	}
	return nil
}

// members calls each for the members of the next object.
func members(dec *jsontext.Decoder, each func(name string) error) error {
	if _, err := dec.ReadToken(); err != nil {
		return jsonError(err)
	}
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			return jsonError(err)
		}
		if err := each(name.String()); err != nil {
			return err
		}
	}
	_, err := dec.ReadToken()
	return jsonError(err)
}

// jsonError returns the parser's error as an error for the client.
func jsonError(err error) error {
	if err == nil {
		return nil
	}
	var syntactic *jsontext.SyntacticError
	if !errors.As(err, &syntactic) {
		return gateway.Wrap(gateway.KindInvalid, "body: must be valid JSON", err)
	}
	return gateway.Invalid("body", "",
		fmt.Sprintf("must be valid JSON in UTF-8: %v at byte %d", syntactic.Err, syntactic.ByteOffset))
}

// readValue reads a field's value with Livy's own coercions, and those without which Livy would
// answer 500. null is the same as absent.
func readValue(dec *jsontext.Decoder, f *field) (value, error) {
	switch kind := dec.PeekKind(); {
	case kind == 'n':
		_, err := dec.ReadToken()
		return value{}, jsonError(err)
	case f.shape == shapeList && kind == '[':
		list, err := readList(dec, f.name)
		return value{given: true, list: list}, err
	case f.shape == shapeList:
		return value{}, wrongType(dec, f.name, "must be a list of strings")
	}
	text, err := readText(dec, f.name, "")
	if err == nil && f.shape == shapeInt {
		text, err = wholeNumber(f.name, text)
	}
	return value{given: true, text: text}, err
}

// readText reads a string, or the text of a number or boolean, as Jackson does. The names of
// field and key are for the error.
func readText(dec *jsontext.Decoder, name, key string) (string, error) {
	switch dec.PeekKind() {
	case '"', '0', 't', 'f':
		t, err := dec.ReadToken()
		if err != nil {
			return "", jsonError(err)
		}
		s := t.String()
		if strings.IndexByte(s, 0) >= 0 {
			return "", gateway.Invalid(dotted(name, key), "", "must not contain NUL")
		}
		return s, nil
	default:
		return "", wrongType(dec, dotted(name, key), "must be a string")
	}
}

func dotted(name, key string) string {
	if key == "" {
		return name
	}
	return name + "." + shown("", key)
}

// wrongType distinguishes invalid JSON from JSON of another type.
func wrongType(dec *jsontext.Decoder, name, rule string) error {
	v, err := dec.ReadValue()
	if err != nil {
		return jsonError(err)
	}
	return gateway.Invalid(name, shown(name, string(v)), rule)
}

func wholeNumber(name, text string) (string, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || n < math.MinInt32 || n > math.MaxInt32 || strings.HasPrefix(strings.TrimSpace(text), "+") {
		return "", gateway.Invalid(name, shown(name, text), "must be a whole number of 32 bits")
	}
	return strconv.FormatInt(n, 10), nil
}

func readList(dec *jsontext.Decoder, name string) ([]string, error) {
	if _, err := dec.ReadToken(); err != nil {
		return nil, jsonError(err)
	}
	list := []string{}
	for dec.PeekKind() != ']' {
		s, err := readText(dec, name, "")
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	_, err := dec.ReadToken()
	return list, jsonError(err)
}

// readConf reads the map of Spark settings.
func (r *request) readConf(dec *jsontext.Decoder) error {
	switch dec.PeekKind() {
	case 'n':
		_, err := dec.ReadToken()
		return jsonError(err)
	case '{':
	default:
		return wrongType(dec, "conf", "must be an object of strings")
	}
	return members(dec, func(key string) error {
		if _, ok := r.at[key]; ok {
			return duplicate(key)
		}
		text, err := "null", error(nil)
		if dec.PeekKind() == 'n' {
			// Livy passes null on as the text "null".
			if _, err := dec.ReadToken(); err != nil {
				return jsonError(err)
			}
		} else {
			text, err = readText(dec, "conf", key)
		}
		r.set(key, text)
		return err
	})
}

// get returns the value of a key in conf.
func (r *request) get(key string) (string, bool) {
	i, ok := r.at[key]
	if !ok || r.conf[i].dropped {
		return "", false
	}
	return r.conf[i].value, true
}

// set sets a key in conf, replacing the client's value.
func (r *request) set(key, value string) {
	if i, ok := r.at[key]; ok {
		r.conf[i] = setting{key: key, value: value}
		return
	}
	r.at[key] = len(r.conf)
	r.conf = append(r.conf, setting{key: key, value: value})
}

// drop removes a key from conf and returns its value.
func (r *request) drop(key string) (string, bool) {
	text, ok := r.get(key)
	if ok {
		r.conf[r.at[key]].dropped = true
	}
	return text, ok
}

// encode encodes the request, in the order of the field table.
func (r *request) encode() ([]byte, error) {
	size := 64
	for i := range r.conf {
		size += len(r.conf[i].key) + len(r.conf[i].value) + 8
	}
	e := encoder{b: append(make([]byte, 0, size+512), '{')}
	for i := range fields {
		v := &r.values[i]
		switch {
		case i == fConf:
			e.conf(r.conf)
		case !v.given:
		case fields[i].shape == shapeInt:
			e.name(fields[i].name)
			e.b = append(e.b, v.text...)
		case fields[i].shape == shapeList:
			e.name(fields[i].name)
			e.list(v.list)
		default:
			e.name(fields[i].name)
			e.text(v.text)
		}
	}
	return append(e.b, '}'), e.err
}

type encoder struct {
	b   []byte
	err error
}

func (e *encoder) text(s string) {
	var err error
	if e.b, err = jsontext.AppendQuote(e.b, s); err != nil && e.err == nil {
		e.err = gateway.Wrap(gateway.KindInvalid, "encoding the request", err)
	}
}

func (e *encoder) comma() {
	if c := e.b[len(e.b)-1]; c != '{' && c != '[' {
		e.b = append(e.b, ',')
	}
}

func (e *encoder) name(s string) {
	e.comma()
	e.text(s)
	e.b = append(e.b, ':')
}

func (e *encoder) list(list []string) {
	e.b = append(e.b, '[')
	for _, s := range list {
		e.comma()
		e.text(s)
	}
	e.b = append(e.b, ']')
}

func (e *encoder) conf(settings []setting) {
	open := false
	for i := range settings {
		if settings[i].dropped {
			continue
		}
		if !open {
			e.name("conf")
			e.b = append(e.b, '{')
			open = true
		}
		e.name(settings[i].key)
		e.text(settings[i].value)
	}
	if open {
		e.b = append(e.b, '}')
	}
}
