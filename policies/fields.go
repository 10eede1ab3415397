package policies

import (
	"fmt"
	"slices"
	"strings"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
)

// shape is the JSON type of a field.
type shape int

const (
	shapeText shape = iota
	shapeInt
	shapeList
	shapeMap
)

// field is one top-level field of a create request.
type field struct {
	name  string
	shape shape
	// only is the kind of request that has the field; empty for both.
	only livy.Kind
	// since is the first Livy version with the field, as major*100+minor.
	since int
}

// fields lists all fields that Livy reads, in the order in which they are sent.
var fields = [...]field{
	{name: "kind", only: livy.KindSession},
	{name: "file", only: livy.KindBatch},
	{name: "className", only: livy.KindBatch},
	{name: "args", shape: shapeList, only: livy.KindBatch},
	{name: "name"},
	{name: "proxyUser"},
	{name: "queue"},
	{name: "driverMemory"},
	{name: "driverCores", shape: shapeInt},
	{name: "executorMemory"},
	{name: "executorCores", shape: shapeInt},
	{name: "numExecutors", shape: shapeInt},
	{name: "jars", shape: shapeList},
	{name: "pyFiles", shape: shapeList},
	{name: "files", shape: shapeList},
	{name: "archives", shape: shapeList},
	{name: "heartbeatTimeoutInSecond", shape: shapeInt, only: livy.KindSession},
	{name: "ttl", only: livy.KindSession, since: 8},
	{name: "idleTimeout", only: livy.KindSession, since: 9},
	{name: "conf", shape: shapeMap},
}

// fieldIndex maps exact names to fields.
var fieldIndex = func() map[string]int {
	m := make(map[string]int, len(fields))
	for i, f := range fields {
		m[f.name] = i
	}
	return m
}()

// Indexes of fields used in code.
var (
	fKind      = fieldIndex["kind"]
	fFile      = fieldIndex["file"]
	fClassName = fieldIndex["className"]
	fName      = fieldIndex["name"]
	fProxyUser = fieldIndex["proxyUser"]
	fConf      = fieldIndex["conf"]
)

// known reports whether this version of Livy has the field for this kind.
func (f *field) known(kind livy.Kind, version int) bool {
	return (f.only == "" || f.only == kind) && version >= f.since
}

// unknownField returns the error for an unknown field, with the known ones.
func unknownField(name string, kind livy.Kind, version int) error {
	var names []string
	for i := range fields {
		if fields[i].known(kind, version) {
			names = append(names, fields[i].name)
		}
	}
	slices.Sort(names)
	return gateway.InvalidLine(shown("", name), "is not a field of a "+string(kind)+" request; the fields are "+strings.Join(names, ", "))
}

// parseVersion parses "0.8.0-incubating" as 8: major*100+minor.
func parseVersion(s string) (int, error) {
	var major, minor int
	if _, err := fmt.Sscanf(s, "%d.%d", &major, &minor); err != nil {
		return 0, gateway.Invalid("livyVersion", s, "must begin with two numbers, as 0.8.0 does")
	}
	return major*100 + minor, nil
}
