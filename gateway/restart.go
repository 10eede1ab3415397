package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
)

// launchSettings are the settings that take effect only when a Livy server
// starts. All others hold for the next request.
func (s *Spec) launchSettings() map[string]any {
	return map[string]any{
		"cpu": s.CPU, "memory": s.Memory, "engine": s.Engine, "livyVersion": s.LivyVersion,
		"fusion": s.Fusion, "cluster": s.Cluster, "network": s.Network, "environment": s.Environment,
		"directories": append([]string{}, s.Directories...), "sparkDefaults": s.SparkDefaults, "livyConf": s.LivyConf,
		"livyClientConf": s.LivyClientConf, "sparkBlacklist": s.SparkBlacklist,
	}
}

// LaunchMarks are short marks of the settings that take effect only at a start,
// by field.
func (s *Spec) LaunchMarks() map[string]string {
	marks := make(map[string]string)
	for field, value := range s.launchSettings() {
		text, _ := json.Marshal(value)
		sum := sha256.Sum256(text)
		marks[field] = hex.EncodeToString(sum[:6])
	}
	return marks
}

// Pending lists the fields, in order, in which a server that was started with
// the given marks differs from the spec: it must be restarted for them. Without
// marks there is no such server, and nothing is pending.
func (s *Spec) Pending(launched map[string]string) []string {
	if launched == nil {
		return nil
	}
	var fields []string
	now := s.LaunchMarks()
	for _, field := range slices.Sorted(maps.Keys(now)) {
		if now[field] != launched[field] {
			fields = append(fields, field)
		}
	}
	return fields
}
