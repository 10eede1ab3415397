package livy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// Edit is what a reply shows of a session or batch in place of Livy's own. Its zero value
// changes nothing.
type Edit struct {
	// State replaces its state.
	State string
	// Lines precede those of its log.
	Lines []string
	// SparkUI replaces appInfo's sparkUiUrl, and DriverLog its driverLogUrl if Livy has one.
	SparkUI, DriverLog string
	// Fields replace members of the object that have the same names and no objects as values.
	// Conf replaces settings in its conf, or adds them; NotConf are removed.
	Fields  map[string]json.RawMessage
	Conf    map[string]string
	NotConf []string
}

// Shown is a session or batch in a reply, by its public id.
type Shown struct {
	ID    int64
	State string
}

// ShiftIDs adds base to the session or batch ids in a successful JSON reply of a route and
// leaves every other byte unchanged: numbers, unknown fields and the order of keys. With base
// 0, and for replies without such ids (statement ids do not count), it returns body itself.
func ShiftIDs(route *Route, body []byte, base int64) ([]byte, error) {
	if base == 0 {
		return body, nil
	}
	return EditReply(route, body, base, nil)
}

// EditReply is ShiftIDs, and makes the edits that edit returns for the sessions or batches in
// the reply, in the same order. Logs of their own are edited by EditLog.
func EditReply(route *Route, body []byte, base int64, edit func([]Shown) []Edit) ([]byte, error) {
	if route.Reply == ReplyOther {
		return body, nil
	}
	s := scanner{dec: jsontext.NewDecoder(bytes.NewReader(body)), body: body, base: base}
	var err error
	if route.Reply == ReplyList {
		err = s.object(func(name string) (bool, error) {
			return name == "sessions", onlyIf(name == "sessions", func() error { return s.array(s.one) })
		})
	} else {
		err = s.one()
	}
	if err != nil {
		return nil, fmt.Errorf("editing a reply of %s: %w", route.Name, err)
	}
	if edit != nil && len(s.found) > 0 {
		all := make([]Shown, len(s.found))
		for i := range s.found {
			all[i] = s.found[i].Shown
		}
		for i, e := range edit(all) {
			s.edit(&s.found[i], &e)
		}
	}
	return s.splice(body), nil
}

// scanner finds the places in a reply that are changed.
type scanner struct {
	dec   *jsontext.Decoder
	body  []byte
	base  int64
	found []place
	made  []splice
}

// place is where a session or batch is in a reply.
type place struct {
	Shown
	state span
	// log is the position after the bracket that begins its log, -1 if there is none.
	log      int64
	logEmpty bool
	// sparkUI and driverLog are the values in its appInfo.
	sparkUI, driverLog span
	conf               span
	members            []member // those whose values are neither objects nor noted above
}

type member struct {
	name string
	span
}

// span is a part of the reply.
type span struct {
	from, to int64
	null     bool
}

type splice struct {
	span
	text []byte
}

// edit makes an edit of one session or batch.
func (s *scanner) edit(p *place, e *Edit) {
	if e.State != "" && p.state.to > 0 {
		s.made = append(s.made, splice{p.state, quoted(e.State)})
	}
	if len(e.Lines) > 0 && p.log >= 0 {
		s.made = append(s.made, insertion(p.log, p.logEmpty, e.Lines))
	}
	if e.SparkUI != "" && p.sparkUI.to > 0 {
		s.made = append(s.made, splice{p.sparkUI, quoted(e.SparkUI)})
	}
	if e.DriverLog != "" && p.driverLog.to > 0 && !p.driverLog.null {
		s.made = append(s.made, splice{p.driverLog, quoted(e.DriverLog)})
	}
	for _, m := range p.members {
		if text, ok := e.Fields[m.name]; ok {
			s.made = append(s.made, splice{m.span, text})
		}
	}
	if len(e.Conf)+len(e.NotConf) > 0 && p.conf.to > 0 {
		if text, err := e.editConf(s.body[p.conf.from:p.conf.to]); err == nil {
			s.made = append(s.made, splice{p.conf, text})
		}
	}
}

func (e *Edit) editConf(conf []byte) ([]byte, error) {
	settings := make(map[string]json.RawMessage)
	if err := json.Unmarshal(conf, &settings); err != nil {
		return nil, err
	}
	for _, key := range e.NotConf {
		delete(settings, key)
	}
	for key, value := range e.Conf {
		settings[key] = quoted(value)
	}
	return json.Marshal(settings)
}

// insertion puts texts at the beginning of a list.
func insertion(at int64, empty bool, texts []string) splice {
	var b []byte
	for i, text := range texts {
		b = append(b, quoted(text)...)
		if i < len(texts)-1 || !empty {
			b = append(b, ',')
		}
	}
	return splice{span{from: at, to: at}, b}
}

func quoted(text string) []byte {
	b, _ := json.Marshal(text) // a string never fails
	return b
}

// splice returns the body with what was found and edited in it replaced.
func (s *scanner) splice(body []byte) []byte {
	if len(s.made) == 0 {
		return body
	}
	slices.SortFunc(s.made, func(a, b splice) int { return int(a.from - b.from) })
	more := 0
	for i := range s.made {
		more += len(s.made[i].text)
	}
	out, done := make([]byte, 0, len(body)+more), int64(0)
	for i := range s.made {
		m := &s.made[i]
		out = append(append(out, body[done:m.from]...), m.text...)
		done = m.to
	}
	return append(out, body[done:]...)
}

// one reads the next object, a session or batch, and shifts its id.
func (s *scanner) one() error {
	p := place{log: -1}
	err := s.object(func(name string) (bool, error) {
		switch name {
		case "id":
			return true, s.id(&p)
		case "state":
			err := s.value(&p.state)
			if text := s.body[p.state.from:p.state.to]; err == nil && text[0] == '"' {
				err = json.Unmarshal(text, &p.State)
			}
			return true, err
		case "log":
			return s.list(&p)
		case "conf":
			if s.dec.PeekKind() != '{' {
				return false, nil
			}
			return true, s.value(&p.conf)
		case "appInfo":
			if s.dec.PeekKind() != '{' {
				return false, nil
			}
			return true, s.object(func(name string) (bool, error) {
				switch name {
				case "sparkUiUrl":
					return true, s.value(&p.sparkUI)
				case "driverLogUrl":
					return true, s.value(&p.driverLog)
				}
				return false, nil
			})
		}
		if s.dec.PeekKind() == '{' {
			return false, nil
		}
		m := member{name: name}
		err := s.value(&m.span)
		p.members = append(p.members, m)
		return true, err
	})
	s.found = append(s.found, p)
	return err
}

func (s *scanner) id(p *place) error {
	var at span
	v, err := s.number(&at)
	if err != nil {
		return err
	}
	p.ID = v + s.base
	if s.base != 0 {
		s.made = append(s.made, splice{at, strconv.AppendInt(nil, p.ID, 10)})
	}
	return nil
}

func (s *scanner) number(at *span) (int64, error) {
	v, err := s.dec.ReadValue()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(string(v), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("not a whole number: %.40q", string(v))
	}
	at.to = s.dec.InputOffset()
	at.from = at.to - int64(len(v))
	return n, nil
}

func (s *scanner) value(at *span) error {
	v, err := s.dec.ReadValue()
	at.to = s.dec.InputOffset()
	at.from, at.null = at.to-int64(len(v)), v.Kind() == 'n'
	return err
}

// list notes where a log begins, and passes over it.
func (s *scanner) list(p *place) (bool, error) {
	if s.dec.PeekKind() != '[' {
		return false, nil
	}
	if _, err := s.dec.ReadToken(); err != nil {
		return true, err
	}
	p.log, p.logEmpty = s.dec.InputOffset(), s.dec.PeekKind() == ']'
	for s.dec.PeekKind() != ']' {
		if err := s.dec.SkipValue(); err != nil {
			return true, err
		}
	}
	_, err := s.dec.ReadToken()
	return true, err
}

// object reads the next object. It calls member for each name, which reports whether it has
// read the value.
func (s *scanner) object(member func(name string) (bool, error)) error {
	if t, err := s.dec.ReadToken(); err != nil {
		return err
	} else if t.Kind() != '{' {
		return errors.New("not an object")
	}
	for s.dec.PeekKind() != '}' {
		name, err := s.dec.ReadToken()
		if err != nil {
			return err
		}
		read, err := member(name.String())
		if err == nil && !read {
			err = s.dec.SkipValue()
		}
		if err != nil {
			return err
		}
	}
	_, err := s.dec.ReadToken()
	return err
}

func (s *scanner) array(each func() error) error {
	if t, err := s.dec.ReadToken(); err != nil {
		return err
	} else if t.Kind() != '[' {
		return errors.New("not a list")
	}
	for s.dec.PeekKind() != ']' {
		if err := each(); err != nil {
			return err
		}
	}
	_, err := s.dec.ReadToken()
	return err
}

func onlyIf(ok bool, f func() error) error {
	if ok {
		return f()
	}
	return nil
}
