package livy

import (
	"bytes"
	"fmt"
	"math"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// defaultLogSize is the number of lines in a page of a log if the client sets none, as in Livy.
const defaultLogSize = 100

// LogPage is the page of a log that a client asks for, where the log begins with lines that
// Livy does not have. Those lines count: they have the positions 0 and up, and Livy's follow.
type LogPage struct {
	asked Query
	lines []string
}

// NewLogPage returns the page for a request's query.
func NewLogPage(asked Query, lines []string) *LogPage { return &LogPage{asked, lines} }

// size returns the largest number of lines; negative means no limit.
func (p *LogPage) size() int64 {
	if p.asked.HasSize {
		return int64(p.asked.Size)
	}
	return defaultLogSize
}

// tail reports whether the page is the end of the log.
func (p *LogPage) tail() bool { return !p.asked.HasFrom || p.asked.From < 0 }

// Upstream returns the query for the part of the page that Livy has.
func (p *LogPage) Upstream() Query {
	q := p.asked
	if p.tail() {
		return q // as many lines, of which all are shown that fit
	}
	own, from, size := int64(len(p.lines)), int64(q.From), p.size()
	q.From = int32(max(0, from-own))
	if size >= 0 {
		size = max(0, from+size-own) - int64(q.From)
		q.Size, q.HasSize = int32(min(size, math.MaxInt32)), true
	}
	return q
}

// Edit changes Livy's reply to the page, with base added to its id.
func (p *LogPage) Edit(body []byte, base int64) ([]byte, error) {
	s := scanner{dec: jsontext.NewDecoder(bytes.NewReader(body)), base: base}
	at := place{log: -1}
	var from, total span
	var lines int64
	err := s.object(func(name string) (read bool, err error) {
		switch name {
		case "id":
			err = s.id(&at)
		case "from":
			_, err = s.number(&from)
		case "total":
			lines, err = s.number(&total)
		case "log":
			return s.list(&at)
		default:
			return false, nil
		}
		return true, err
	})
	if err != nil {
		return nil, fmt.Errorf("editing a page of a log: %w", err)
	}
	own := int64(len(p.lines))
	lines += own
	first, size := int64(p.asked.From), p.size()
	if size < 0 {
		size = lines
	}
	if p.tail() {
		first = max(0, lines-size)
	}
	for _, n := range []struct {
		at    span
		value int64
	}{{from, first}, {total, lines}} {
		if n.at.to > 0 {
			s.made = append(s.made, splice{n.at, strconv.AppendInt(nil, n.value, 10)})
		}
	}
	if shown := p.lines[min(first, own):min(own, first+size)]; len(shown) > 0 && at.log >= 0 {
		s.made = append(s.made, insertion(at.log, at.logEmpty, shown))
	}
	return s.splice(body), nil
}
