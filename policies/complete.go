package policies

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Complete puts into the request what is known only once it is about to be sent:
// the name, where the client gave none, and settings that differ for each
// session or batch, which win over the client's.
func (r *Result) Complete(name string, conf map[string]string) error {
	var body map[string]json.RawMessage
	if err := json.Unmarshal(r.Body, &body); err != nil {
		return fmt.Errorf("completing a create request: %w", err)
	}
	settings := make(map[string]string)
	if raw, ok := body["conf"]; ok {
		if err := json.Unmarshal(raw, &settings); err != nil {
			return fmt.Errorf("completing a create request: %w", err)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(conf)) {
		e := Entry{Key: key, Set: conf[key], Rule: "is the gateway's for each session and batch", Source: builtIn, Quiet: true}
		if given, ok := settings[key]; ok {
			e.Given, e.Quiet = shown(key, given), false
		}
		r.Report.Forced = append(r.Report.Forced, e)
		settings[key] = conf[key]
	}
	var err error
	if len(settings) > 0 {
		if body["conf"], err = json.Marshal(settings); err != nil {
			return err
		}
	}
	if r.Effective.Name == "" {
		r.Effective.Name = name
		if body["name"], err = json.Marshal(name); err != nil {
			return err
		}
	}
	r.Body, err = json.Marshal(body)
	return err
}

// AppName is the application name that the client chose without naming the
// session or batch; empty if it did not.
func (e *Effective) AppName() string {
	name := e.Conf["spark.app.name"]
	if !goodName(name) {
		return ""
	}
	return name
}

// DriversHere says whether drivers run beside the Livy server rather than in a
// cluster of their own.
func (p *Policy) DriversHere() bool { return !p.yarn() && !p.kubernetes() }

// Takes is what a job takes while it runs, in thousandths of a core and MiB:
// driver, executors and mounted directories. Where Spark runs inside the driver
// there are no executors.
func (p *Policy) Takes(e *Effective) (milliCPU, memoryMB int64) {
	cores, memory := int64(max(1, e.DriverCores)), e.DriverMemoryBytes()
	if !strings.HasPrefix(p.set.Master, "local") {
		cores += int64(e.NumExecutors) * int64(max(1, e.ExecutorCores))
		memory += int64(e.NumExecutors) * e.ExecutorMemoryBytes()
	}
	milliCPU = cores * 1000
	if e.MountCost != nil {
		milliCPU += e.MountCost.MilliCPU
		memory += e.MountCost.MemoryBytes
	}
	return milliCPU, memory >> 20
}
