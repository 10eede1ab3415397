package livy

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// ShiftIDs adds base to the session or batch ids in a successful JSON reply of a route and
// leaves every other byte unchanged: numbers, unknown fields and the order of keys. With base
// 0, and for replies without such ids (statement ids do not count), it returns body itself.
func ShiftIDs(route *Route, body []byte, base int64) ([]byte, error) {
	if base == 0 || route.Reply == ReplyOther {
		return body, nil
	}
	s := shifter{dec: jsontext.NewDecoder(bytes.NewReader(body)), body: body, base: base}
	var err error
	if route.Reply == ReplyList {
		err = s.object("sessions", func() error { return s.array(s.ids) })
	} else {
		err = s.ids()
	}
	if err != nil {
		return nil, fmt.Errorf("shifting ids in a reply of %s: %w", route.Name, err)
	}
	return append(s.out, body[s.done:]...), nil
}

type shifter struct {
	dec  *jsontext.Decoder
	body []byte
	base int64
	out  []byte // body[:done], shifted
	done int64
}

// ids shifts the "id" of the next object.
func (s *shifter) ids() error {
	return s.object("id", func() error {
		v, err := s.dec.ReadValue()
		if err != nil {
			return err
		}
		id, err := strconv.ParseInt(string(v), 10, 64)
		if err != nil {
			return fmt.Errorf("id is not a whole number: %.40q", string(v))
		}
		end := s.dec.InputOffset()
		s.out = append(s.out, s.body[s.done:end-int64(len(v))]...)
		s.out = strconv.AppendInt(s.out, id+s.base, 10)
		s.done = end
		return nil
	})
}

// object reads the next object and calls found at the value of key.
func (s *shifter) object(key string, found func() error) error {
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
		if name.String() == key {
			err = found()
		} else {
			err = s.dec.SkipValue()
		}
		if err != nil {
			return err
		}
	}
	_, err := s.dec.ReadToken()
	return err
}

func (s *shifter) array(each func() error) error {
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
