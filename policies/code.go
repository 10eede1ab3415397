package policies

import (
	"io"
	"strings"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
)

// part is a field of a small body.
type part struct {
	name     string
	number   bool
	required bool
}

var smallBodies = map[livy.BodyKind][]part{
	livy.BodyStatement: {{name: "code", required: true}, {name: "kind"}},
	livy.BodyCompletion: {
		{name: "code", required: true},
		{name: "kind"},
		{name: "cursor", number: true, required: true},
	},
	livy.BodyJob: {{name: "job", required: true}, {name: "jobType"}},
	livy.BodyURI: {{name: "uri", required: true}},
}

// Small parses the body of a statement, a completion, a job or an added URI, checks it and
// encodes it again. Like Create, it either parses the body as Livy does or rejects it with an
// error of gateway.KindInvalid. For routes without a body it does not read what was sent.
// Uploads are handled by Upload.
func (p *Policy) Small(route *livy.Route, contentEncoding, contentType string, body io.Reader) ([]byte, error) {
	parts, ok := smallBodies[route.Body]
	if !ok {
		return nil, nil
	}
	limit := bound{p.set.MaxCode, "max_code"}
	if route.Body == livy.BodyURI {
		limit = bound{p.set.MaxBody, "max_body"}
	}
	data, err := read(contentEncoding, contentType, body, limit)
	if err != nil {
		return nil, err
	}
	values, err := parseSmall(data, parts)
	if err != nil {
		return nil, err
	}
	if err := p.judgeSmall(route, values); err != nil {
		return nil, err
	}
	e := encoder{b: append(make([]byte, 0, len(data)+16), '{')}
	for _, part := range parts {
		v, ok := values[part.name]
		switch {
		case !ok:
		case part.number:
			e.name(part.name)
			e.b = append(e.b, v...)
		default:
			e.name(part.name)
			e.text(v)
		}
	}
	return append(e.b, '}'), e.err
}

func parseSmall(data []byte, parts []part) (map[string]string, error) {
	values, seen := map[string]string{}, map[string]bool{}
	dec := newDecoder(data)
	err := readObject(dec, func(name string) error {
		for _, part := range parts {
			if part.name != name {
				continue
			}
			if seen[name] {
				return duplicate(name)
			}
			seen[name] = true
			if dec.PeekKind() == 'n' {
				_, err := dec.ReadToken()
				return jsonError(err)
			}
			text, err := readText(dec, name, "")
			if err == nil && part.number {
				text, err = wholeNumber(name, text)
			}
			values[name] = text
			return err
		}
		return gateway.InvalidLine(shown("", name), "is not a field of this request")
	})
	if err != nil {
		return nil, err
	}
	for _, part := range parts {
		if _, ok := values[part.name]; part.required && !ok {
			return nil, gateway.Invalid(part.name, "", "is required")
		}
	}
	return values, nil
}

// judgeSmall applies the policy's rules on new sessions to what a body adds to a session.
func (p *Policy) judgeSmall(route *livy.Route, values map[string]string) error {
	switch route.Body {
	case livy.BodyURI:
		if reason := p.badURI(namesURIs, values["uri"]); reason != "" {
			return gateway.Invalid("uri", shown("uri", values["uri"]), reason)
		}
		return p.judgeAdded(route, values["uri"])
	case livy.BodyStatement, livy.BodyCompletion:
		kind, ok := values["kind"]
		if !ok {
			// The session's own kind, which was checked when it was created.
			return nil
		}
		return p.judgeKind("kind", kind)
	case livy.BodyJob:
		// Livy treats a job without a type as JVM code.
		return p.judgeKind("jobType", orDefault(values["jobType"], "spark"))
	default: // nothing to check
	}
	return nil
}

// judgeKind applies the rules on kind to the language of code.
func (p *Policy) judgeKind(field, kind string) error {
	if sessionKinds[kind] == "" || sessionKinds[kind] == "shared" {
		return gateway.Invalid(field, kind, "must be one of spark, pyspark, sparkr, sql (or scala, python, r)")
	}
	for i := range p.rules {
		if p.rules[i].field != fKind {
			continue
		}
		if reason, _ := p.rules[i].violated("kind", kind); reason != "" {
			return gateway.Invalid(field, kind, reason+" ("+p.rules[i].Source+")")
		}
	}
	return nil
}

// addedTo maps routes to the list of a create request that they add to.
var addedTo = map[string]string{
	"session.add.jar": "jars", "session.add.pyfile": "pyFiles", "session.add.file": "files",
	"session.upload.jar": "jars", "session.upload.pyfile": "pyFiles", "session.upload.file": "files",
}

// judgeAdded applies the blacklist and the rules on a list to a URI that is added to it.
func (p *Policy) judgeAdded(route *livy.Route, uri string) error {
	list := addedTo[route.Name]
	if m, ok := p.deny.find(list); ok {
		return gateway.Errorf(gateway.KindForbidden, "%s cannot be added to sessions of this gateway: %s (%s)",
			list, m.rule, m.source)
	}
	for i := range p.rules {
		if r := &p.rules[i]; r.fam.field == list && r.Allowed != nil {
			if reason, _ := r.violated(list, uri); reason != "" {
				return gateway.Invalid("uri", shown("uri", uri), reason+" ("+r.Source+")")
			}
		}
	}
	return nil
}

// compileUploads disables uploads into lists that have rules: the name of an uploaded file does
// not show what it is.
func (p *Policy) compileUploads() error {
	for route, list := range addedTo {
		if _, off := p.disabled[route]; off || !strings.HasPrefix(route, "session.upload.") {
			continue
		}
		source := ""
		if m, ok := p.deny.find(list); ok {
			source = m.source
		}
		for i := range p.rules {
			if r := &p.rules[i]; r.fam.field == list && r.Allowed != nil {
				source = r.Source
			}
		}
		if source != "" {
			p.disabled[route] = closedRoute{"is disabled on this gateway, because it has a rule on " + list + " (" + source + ")", source}
		}
	}
	return nil
}
