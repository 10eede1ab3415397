package policies

import (
	"math"
	"regexp"
	"strconv"
	"strings"
)

// unit determines how the values of a setting compare.
type unit int

// The units. Values that cannot be compared are text.
const (
	unitText     unit = iota
	unitInt           // whole number
	unitMiB           // size; a bare number is MiB
	unitKiB           // size; a bare number is KiB
	unitBytes         // size; a bare number is bytes
	unitSize          // size that must have a suffix
	unitDuration      // duration; a bare number is milliseconds
	unitSeconds       // duration; a bare number is seconds
	unitCPU           // cores of a pod: 2, 1.5 or 1500m
)

// parse parses a value strictly: ASCII digits and a suffix that Spark (or Livy) knows. Forms that
// Java might parse differently, such as digits of other scripts or ${references}, are not valid.
func (u unit) parse(s string) (int64, bool) {
	s = strings.TrimSpace(s)
	if u == unitCPU {
		return parseCPU(s)
	}
	digits := 0
	for digits < len(s) && s[digits] >= '0' && s[digits] <= '9' {
		digits++
	}
	n, err := strconv.ParseInt(s[:digits], 10, 64)
	if err != nil {
		return 0, false
	}
	factor, ok := u.factor(strings.ToLower(s[digits:]))
	if !ok || n > math.MaxInt64/factor {
		return 0, false
	}
	return n * factor, true
}

// cpuQuantity is the part of Kubernetes' quantities that is usual for CPUs.
var cpuQuantity = regexp.MustCompile(`^([0-9]{1,9})(?:\.([0-9]{1,3})|(m))?$`)

// parseCPU returns a number of cores in thousandths.
func parseCPU(s string) (int64, bool) {
	m := cpuQuantity.FindStringSubmatch(s)
	if m == nil {
		return 0, false
	}
	whole, _ := strconv.ParseInt(m[1], 10, 64)
	if m[3] != "" {
		return whole, true
	}
	part, _ := strconv.ParseInt((m[2] + "000")[:3], 10, 64)
	return whole*1000 + part, true
}

var sizeSuffixes = map[string]int64{
	"b": 1, "k": 1 << 10, "kb": 1 << 10, "m": 1 << 20, "mb": 1 << 20, "g": 1 << 30, "gb": 1 << 30,
	"t": 1 << 40, "tb": 1 << 40, "p": 1 << 50, "pb": 1 << 50,
}

// durationSuffixes maps suffixes to microseconds.
var durationSuffixes = map[string]int64{
	"us": 1, "ms": 1000, "": 1000, "s": 1e6, "m": 60e6, "min": 60e6, "h": 3600e6, "d": 86400e6,
}

func (u unit) factor(suffix string) (int64, bool) {
	switch u {
	case unitInt:
		return 1, suffix == ""
	case unitDuration, unitSeconds:
		if u == unitSeconds && suffix == "" {
			suffix = "s"
		}
		f, ok := durationSuffixes[suffix]
		return f, ok
	case unitKiB:
		if suffix == "" {
			return 1 << 10, true
		}
	case unitMiB:
		if suffix == "" {
			return 1 << 20, true
		}
	case unitBytes:
		if suffix == "" {
			return 1, true
		}
	case unitText, unitCPU:
		return 0, false
	case unitSize: // only with a suffix
	}
	f, ok := sizeSuffixes[suffix]
	return f, ok
}

// name returns the description of a value of this unit for messages.
func (u unit) name() string {
	switch u {
	case unitInt:
		return "a whole number"
	case unitDuration, unitSeconds:
		return "a duration such as 30m"
	case unitCPU:
		return "a number of cores such as 2, 1.5 or 1500m"
	case unitText:
		return "text"
	default:
		return "a size such as 4g"
	}
}
