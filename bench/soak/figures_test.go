package main

import (
	"strings"
	"testing"
)

func TestGrownFrom(t *testing.T) {
	before := figures{HeapMB: 20, ResidentMB: 80, Goroutines: 60, Files: 30, Sockets: 20, RedisKeys: 40}
	for want, after := range map[string]figures{
		"":             {HeapMB: 35, ResidentMB: 130, Goroutines: 70, Files: 40, Sockets: 30, RedisKeys: 60},
		"heap":         {HeapMB: 41},
		"resident":     {ResidentMB: 141},
		"goroutines":   {Goroutines: 81},
		"files":        {Files: 51},
		"Redis keys":   {RedisKeys: 91},
		"files\nRedis": {Files: 51, RedisKeys: 91},
	} {
		err := after.grownFrom(&before)
		if (err == nil) != (want == "") {
			t.Errorf("%s: %v", want, err)
			continue
		}
		for part := range strings.Lines(want) {
			if !strings.Contains(err.Error(), strings.TrimSpace(part)) {
				t.Errorf("%s: %v", want, err)
			}
		}
	}
}

func TestNumberAfter(t *testing.T) {
	for in, want := range map[string]int{
		"a\n# HeapAlloc = 123\n": 123, "# HeapAlloc =  7": 7, "# HeapAlloc = x": 0, "": 0,
	} {
		if got := numberAfter(in, "# HeapAlloc = "); got != want {
			t.Errorf("%q: %d, want %d", in, got, want)
		}
	}
}
