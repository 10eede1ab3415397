package policies

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/policies/sparkconf"
)

// TestOldNames sets every setting that Spark has renamed by each of its names, where
// another of them is ruled or blacklisted.
func TestOldNames(t *testing.T) {
	create := func(p *Policy, key string) (string, error) {
		conf, _ := json.Marshal(map[string]string{key: "31337"})
		result, err := p.Create(livy.KindSession, "", "application/json", strings.NewReader(`{"conf":`+string(conf)+`}`))
		return string(result.Body), err
	}
	for _, name := range sparkconf.Renamed() {
		ruled := ruled(t, "allow "+name+" 1", "")
		for _, line := range []string{name, name[:strings.LastIndexByte(name, '.')+1] + "*"} {
			p, err := Compile(Settings{Blacklist: blacklist(t, line)})
			if err != nil {
				t.Fatal(err)
			}
			for _, other := range sparkconf.NamesOf(name) {
				if body, err := create(p, other); err != nil || strings.Contains(body, "31337") {
					t.Errorf("%s is blacklisted, and %s passes: %s, %v", line, other, body, err)
				}
				if body, err := create(ruled, other); err == nil {
					t.Errorf("%s is ruled, and %s passes: %s", name, other, body)
				}
			}
		}
	}
}
