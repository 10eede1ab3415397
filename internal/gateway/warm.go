package gateway

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Warm is a shape of sessions that a gateway starts ahead, so that creates that ask for it are
// answered with a session that is idle already.
type Warm struct {
	// Kind is the kind of the sessions: spark, pyspark, sparkr, sql or shared; or auto, for the
	// shapes that were created most often in the last seven days.
	Kind string `json:"kind"`
	// Count is the number of sessions to keep ready: 1 to 20.
	Count int `json:"count"`
	// MaxAge is how long a session waits before another one takes its place, such as "30m".
	// Default "1h".
	MaxAge string `json:"maxAge,omitempty"`

	// These are the fields of Livy's create request of the same names.
	DriverMemory             string            `json:"driverMemory,omitempty"`
	DriverCores              int               `json:"driverCores,omitempty"`
	ExecutorMemory           string            `json:"executorMemory,omitempty"`
	ExecutorCores            int               `json:"executorCores,omitempty"`
	NumExecutors             int               `json:"numExecutors,omitempty"`
	Queue                    string            `json:"queue,omitempty"`
	Jars                     []string          `json:"jars,omitempty"`
	PyFiles                  []string          `json:"pyFiles,omitempty"`
	Files                    []string          `json:"files,omitempty"`
	Archives                 []string          `json:"archives,omitempty"`
	HeartbeatTimeoutInSecond int               `json:"heartbeatTimeoutInSecond,omitempty"`
	TTL                      string            `json:"ttl,omitempty"`
	Conf                     map[string]string `json:"conf,omitempty"`
}

// WarmAuto is the kind that stands for shapes learned from a gateway's records.
const WarmAuto = "auto"

// AutoWarm returns the setting for sessions whose shapes are learned, or nil.
func (s *Spec) AutoWarm() *Warm {
	for i := range s.Warm {
		if s.Warm[i].Kind == WarmAuto {
			return &s.Warm[i]
		}
	}
	return nil
}

// Bounds of Warm.
const (
	maxWarm           = 20
	DefaultWarmAge    = time.Hour
	minWarmAge        = time.Minute
	maxWarmAge        = 24 * time.Hour
	warmField         = "warm"
	warmKinds         = "spark, pyspark, sparkr, sql, shared, " + WarmAuto
	warmConfSeparator = "."
)

// Age returns MaxAge or its default. The shape must be valid.
func (w *Warm) Age() time.Duration {
	if d, err := time.ParseDuration(w.MaxAge); err == nil {
		return d
	}
	return DefaultWarmAge
}

// Request returns the body of a create of such a session with a name.
func (w *Warm) Request(name string) ([]byte, error) {
	type fields Warm
	text, err := json.Marshal((*fields)(w))
	if err != nil {
		return nil, err
	}
	var body map[string]any
	if err := json.Unmarshal(text, &body); err != nil {
		return nil, err
	}
	delete(body, "count")
	delete(body, "maxAge")
	body["name"] = name
	return json.Marshal(body)
}

func (s *Spec) validateWarm(*Catalog) error {
	total := 0
	for i := range s.Warm {
		w := &s.Warm[i]
		if !slices.Contains(strings.Split(warmKinds, ", "), w.Kind) {
			return Invalid(warmField+".kind", w.Kind, "must be one of "+warmKinds)
		}
		if w.Count < 1 || w.Count > maxWarm {
			return Invalid(warmField+".count", strconv.Itoa(w.Count), fmt.Sprintf("must be from 1 to %d", maxWarm))
		}
		total += w.Count
		if w.Kind == WarmAuto {
			if w != s.AutoWarm() {
				return Invalid(warmField, WarmAuto, "must be given once")
			}
			if !reflect.DeepEqual(*w, Warm{Kind: w.Kind, Count: w.Count, MaxAge: w.MaxAge}) {
				return Invalid(warmField, WarmAuto, "takes a number and max_age: the other settings are learned")
			}
		}
		if w.MaxAge == "" {
			continue
		}
		if d, err := time.ParseDuration(w.MaxAge); err != nil || d < minWarmAge || d > maxWarmAge {
			return Invalid(warmField+".maxAge", w.MaxAge, "must be from 1m to 24h")
		}
	}
	if total > maxWarm {
		return Invalid(warmField, strconv.Itoa(total), fmt.Sprintf("must be at most %d sessions in all", maxWarm))
	}
	return nil
}

// Set sets an option by its name in the Caddyfile, such as driver_memory. An option whose name
// has a dot is a setting of Spark.
func (w *Warm) Set(option string, values ...string) error {
	bad := func(rule string) error { return Invalid(warmField, option, rule) }
	if strings.Contains(option, warmConfSeparator) {
		option, values = "conf", append([]string{option}, values...)
	}
	if option == "conf" {
		if len(values) != 2 {
			return bad("must be a key and a value")
		}
		if w.Conf == nil {
			w.Conf = make(map[string]string)
		}
		w.Conf[values[0]] = values[1]
		return nil
	}
	lists := map[string]*[]string{"jars": &w.Jars, "py_files": &w.PyFiles, "files": &w.Files, "archives": &w.Archives}
	texts := map[string]*string{
		"driver_memory": &w.DriverMemory, "executor_memory": &w.ExecutorMemory, "queue": &w.Queue, "ttl": &w.TTL, "max_age": &w.MaxAge,
	}
	numbers := map[string]*int{
		"driver_cores": &w.DriverCores, "executor_cores": &w.ExecutorCores, "num_executors": &w.NumExecutors,
		"heartbeat_timeout": &w.HeartbeatTimeoutInSecond,
	}
	if list := lists[option]; list != nil {
		*list = append(*list, values...)
		return nil
	}
	text, number := texts[option], numbers[option]
	switch {
	case text == nil && number == nil:
		known := slices.Sorted(maps.Keys(lists))
		known = slices.AppendSeq(slices.AppendSeq(known, maps.Keys(texts)), maps.Keys(numbers))
		slices.Sort(known)
		return bad("is unknown; known options: conf, " + strings.Join(known, ", "))
	case len(values) != 1:
		return bad("must have one value")
	case text != nil:
		*text = values[0]
	default:
		n, err := strconv.Atoi(values[0])
		if err != nil {
			return bad("must be a whole number")
		}
		*number = n
	}
	return nil
}

// Begin sets the kind and the number of sessions, which is 1 if it is left out.
func (w *Warm) Begin(words ...string) error {
	w.Count = 1
	if len(words) == 0 || len(words) > 2 {
		return Invalid(warmField, strings.Join(words, " "), "must be a kind and a number, such as pyspark 2 or auto 2")
	}
	w.Kind = words[0]
	if len(words) == 2 {
		n, err := strconv.Atoi(words[1])
		if err != nil {
			return Invalid(warmField, words[1], "must be the number of sessions")
		}
		w.Count = n
	}
	return nil
}

// ParseWarm parses a shape written in one line, such as "pyspark 2 driver_memory=2g".
func ParseWarm(text string) (w Warm, err error) {
	var words []string
	var options []string
	for word := range strings.FieldsSeq(text) {
		if strings.Contains(word, "=") {
			options = append(options, word)
		} else {
			words = append(words, word)
		}
	}
	if err := w.Begin(words...); err != nil {
		return w, err
	}
	for _, o := range options {
		name, value, _ := strings.Cut(o, "=")
		values := []string{value}
		if name == "jars" || name == "py_files" || name == "files" || name == "archives" {
			values = strings.Split(value, ",")
		}
		if err := w.Set(name, values...); err != nil {
			return w, err
		}
	}
	return w, nil
}

// String is the inverse of ParseWarm, with the values of settings that look like secrets masked.
func (w Warm) String() string {
	text := []string{w.Kind, strconv.Itoa(w.Count)}
	add := func(name string, value any) {
		if s := fmt.Sprint(value); s != "" && s != "0" {
			text = append(text, name+"="+s)
		}
	}
	add("driver_memory", w.DriverMemory)
	add("driver_cores", w.DriverCores)
	add("executor_memory", w.ExecutorMemory)
	add("executor_cores", w.ExecutorCores)
	add("num_executors", w.NumExecutors)
	add("queue", w.Queue)
	add("jars", strings.Join(w.Jars, ","))
	add("py_files", strings.Join(w.PyFiles, ","))
	add("files", strings.Join(w.Files, ","))
	add("archives", strings.Join(w.Archives, ","))
	add("heartbeat_timeout", w.HeartbeatTimeoutInSecond)
	add("ttl", w.TTL)
	for _, key := range slices.Sorted(maps.Keys(w.Conf)) {
		add(key, maskAll(key, w.Conf[key]))
	}
	add("max_age", cmp.Or(w.MaxAge, ""))
	return strings.Join(text, " ")
}
