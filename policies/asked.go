package policies

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/livygateway/livygateway/internal/gateway"
)

// Asked returns the shape of a session that a record tells of, without a number: a create of this
// shape is ruled as the recorded one was. resources and report are the record's. It returns false
// for what can be no warm session, and where the record does not tell all: secrets are redacted in
// it.
func Asked(resources, report []byte) (gateway.Warm, bool) {
	var e Effective
	var r Report
	if json.Unmarshal(resources, &e) != nil || json.Unmarshal(report, &r) != nil {
		return gateway.Warm{}, false
	}
	if e.SessionKind == "" || e.IdleTimeout != "" || e.DriverMemoryBytes() == 0 || e.ExecutorMemoryBytes() == 0 {
		return gateway.Warm{}, false
	}
	for _, list := range [][]string{e.Jars, e.PyFiles, e.Files, e.Archives, slices.Collect(maps.Values(e.Conf))} {
		if slices.Contains(list, redacted) {
			return gateway.Warm{}, false
		}
	}
	w := gateway.Warm{
		Kind: e.SessionKind, DriverMemory: e.DriverMemory, DriverCores: e.DriverCores,
		ExecutorMemory: e.ExecutorMemory, ExecutorCores: e.ExecutorCores, NumExecutors: e.NumExecutors, Queue: e.Queue,
		Jars: e.Jars, PyFiles: e.PyFiles, Files: e.Files, Archives: e.Archives,
		HeartbeatTimeoutInSecond: e.HeartbeatTimeoutInSecond, TTL: e.TTL,
	}
	conf := e.Conf
	for _, field := range shapeFields {
		for _, key := range primary(field).keys {
			delete(conf, key)
		}
	}
	for _, key := range notInShape {
		delete(conf, key)
	}
	// What was forced is forced again, if it still is. In lists, it is not repeated.
	for _, f := range r.Forced {
		if f.Key == traceConf {
			return gateway.Warm{}, false
		}
		if f.Rule == listRule {
			continue
		}
		delete(conf, f.Key)
		switch f.Key {
		case "queue":
			w.Queue = ""
		case "driverMemory":
			w.DriverMemory = ""
		case "driverCores":
			w.DriverCores = 0
		case "executorMemory":
			w.ExecutorMemory = ""
		case "executorCores":
			w.ExecutorCores = 0
		case "numExecutors":
			w.NumExecutors = 0
		}
	}
	if len(conf) > 0 {
		w.Conf = conf
	}
	return w, true
}
