package policies

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
)

// shapeFields are the fields whose values the shape has in one form, whatever the request calls
// them: left out, or set by Livy's field or a key of Spark's.
var shapeFields = []string{"driverMemory", "driverCores", "executorMemory", "executorCores", "numExecutors", "queue"}

// notInShape are the settings that are shown as the create has them, although the driver has
// others.
var notInShape = []string{"spark.app.name", "spark.ui.proxyBase"}

// Shape identifies what a create request asks for: two requests of the same shape start the same
// driver. Their names may differ, and sizes may be written differently. conf has the settings that
// the gateway adds to each create. It is to be called before Complete. It returns "" for a request
// that cannot be compared.
func (r *Result) Shape(conf map[string]string) (string, error) {
	e := &r.Effective
	if e.DriverMemoryBytes() == 0 || e.ExecutorMemoryBytes() == 0 || e.DriverCores < 1 || e.ExecutorCores < 1 {
		return "", nil // it cannot be compared
	}
	var body map[string]json.RawMessage
	if err := json.Unmarshal(r.Body, &body); err != nil {
		return "", err
	}
	settings, err := settingsOf(body)
	if err != nil {
		return "", err
	}
	maps.Copy(settings, conf)
	delete(body, "name")
	delete(body, "conf")
	for _, field := range shapeFields {
		delete(body, field)
		for _, key := range primary(field).keys {
			delete(settings, key)
		}
	}
	for _, key := range notInShape {
		delete(settings, key)
	}
	text, err := json.Marshal([]any{
		e.SessionKind, e.DriverMemoryBytes(), e.DriverCores, e.ExecutorMemoryBytes(), e.ExecutorCores, e.NumExecutors, e.Queue,
		e.ProxyUser, without(body, "kind"), settings,
	})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16]), nil
}

func without(body map[string]json.RawMessage, name string) map[string]json.RawMessage {
	delete(body, name)
	return body
}

func settingsOf(body map[string]json.RawMessage) (map[string]string, error) {
	settings := make(map[string]string)
	if raw, ok := body["conf"]; ok {
		if err := json.Unmarshal(raw, &settings); err != nil {
			return nil, err
		}
	}
	return settings, nil
}

// ShownDifferently compares Livy's object of a session with what it would be if the session had
// been created by a request of the same shape. It returns the members that differ, and the
// settings of conf that are to be set and removed.
func (r *Result) ShownDifferently(object []byte) (
	members map[string]json.RawMessage, conf map[string]string, notConf []string, err error,
) {
	var body, shown map[string]json.RawMessage
	if err := json.Unmarshal(r.Body, &body); err != nil {
		return nil, nil, nil, err
	}
	if err := json.Unmarshal(object, &shown); err != nil {
		return nil, nil, nil, err
	}
	wanted, err := settingsOf(body)
	if err != nil {
		return nil, nil, nil, err
	}
	is, err := settingsOf(shown)
	if err != nil {
		return nil, nil, nil, err
	}
	members = make(map[string]json.RawMessage)
	for _, name := range append([]string{"name"}, shapeFields...) {
		want := body[name]
		if want == nil {
			want = json.RawMessage("null")
			if i, ok := fieldIndex[name]; ok && fields[i].shape == shapeInt {
				want = json.RawMessage(strconv.Itoa(0))
			}
		}
		if have, ok := shown[name]; ok && !bytes.Equal(have, want) {
			members[name] = want
		}
	}
	if shown["conf"] == nil {
		return members, nil, nil, nil
	}
	conf = make(map[string]string)
	free := slices.Clone(notInShape)
	for _, field := range shapeFields {
		free = append(free, primary(field).keys...)
	}
	for _, key := range free {
		want, asked := wanted[key]
		have, shown := is[key]
		if asked && (!shown || have != want) {
			conf[key] = want
		} else if shown && !asked {
			notConf = append(notConf, key)
		}
	}
	return members, conf, notConf, nil
}
