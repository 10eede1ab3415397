package gateway

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestUndecodable(t *testing.T) {
	type body struct {
		Spec
		Start bool    `json:"start"`
		Rate  float64 `json:"rate"`
	}
	for text, want := range map[string]string{
		`{"cpu":"x"}`:                  `cpu: must be a whole number (got "string")`,
		`{"cpu":1.5}`:                  `cpu: must be a whole number (got "number 1.5")`,
		`{"autoStop":{"minutes":"a"}}`: `autoStop.minutes: must be a whole number (got "string")`,
		`{"autoStop":3}`:               `autoStop: must be an object (got "number")`,
		`{"directories":"x"}`:          `directories: must be a list (got "string")`,
		`{"name":7}`:                   `name: must be a string (got "number")`,
		`{"start":"x"}`:                `start: must be true or false (got "string")`,
		`{"rate":"x"}`:                 `rate: must be a number (got "string")`,
		`{"colour":1}`:                 `the body: unknown field "colour"`,
		`[]`:                           `the body: it must be an object (got "array")`,
		`{`:                            `the body: unexpected EOF`,
	} {
		d := json.NewDecoder(strings.NewReader(text))
		d.DisallowUnknownFields()
		err := Undecodable("the body", d.Decode(new(body)))
		if err.Error() != want || err.Kind != KindInvalid {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestCount(t *testing.T) {
	for want, got := range map[string]string{
		"0 minutes": Count(0, "minute"), "1 minute": Count(1, "minute"), "45 minutes": Count(45, "minute"), "1 batch": Count(1, "batch"), "2 batches": Count(2, "batch"),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
