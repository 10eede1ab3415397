package policies

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/livygateway/livygateway/internal/livy"
)

// Complete adds what is known only when the request is about to be sent: the name, if the
// client gave none, and settings that differ for each session or batch, which override the
// client's.
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
		e := Entry{
			Key: key, Set: conf[key], Rule: "is set by the gateway for each session and batch",
			Source: builtIn, Quiet: true,
		}
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

// AppName returns the application name that the client chose without naming the session or
// batch; empty if it did not.
func (e *Effective) AppName() string {
	name := e.Conf["spark.app.name"]
	if livy.BadName(name) != "" {
		return ""
	}
	return name
}

// DriversHere reports whether drivers run next to the Livy server rather than on a cluster.
func (p *Policy) DriversHere() bool { return !p.yarn() && !p.kubernetes() }

// Takes returns the resources that a job uses while it runs, in thousandths of a core and MiB:
// driver, executors and mounted directories. If Spark runs inside the driver there are no
// executors. Nonsensical requests, such as a negative number of executors, neither reduce the
// usage nor overflow it.
func (p *Policy) Takes(e *Effective) (milliCPU, memoryMB int64) {
	executors := e.NumExecutors
	if strings.HasPrefix(p.set.Master, "local") {
		executors = 0
	}
	milliCPU = product(1000, max(1, e.DriverCores)) + product(1000*int64(max(1, e.ExecutorCores)), executors)
	driver := e.DriverMemoryBytes()
	if p.set.ServerMemory > 0 { // it cannot use more
		driver = min(driver, p.set.ServerMemory)
	}
	memory := product(driver, 1) + product(e.ExecutorMemoryBytes(), executors)
	if e.MountCost != nil {
		milliCPU += product(e.MountCost.MilliCPU, 1)
		memory += product(e.MountCost.MemoryBytes, 1)
	}
	return min(milliCPU, mostTaken), min(memory>>20, mostTaken)
}

// mostTaken is the largest amount that is counted: a million cores, about a petabyte.
const mostTaken = 1_000_000_000

// product returns each times n, at least 0 and without overflow.
func product(each int64, n int) int64 {
	const most = mostTaken << 20
	switch {
	case each <= 0 || n <= 0:
		return 0
	case each > most/int64(n):
		return most
	}
	return each * int64(n)
}
