package managedapi

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/livygateway/livygateway/internal/gateway"
)

// decode decodes the request's body, an object with known fields; none is an empty object. A
// field that this gateway does not know is refused by name.
func (c *call) decode(v any) error {
	text := strings.TrimSpace(string(c.body))
	if text == "" {
		return nil
	}
	if err := decodeObject(text, v); err != nil {
		return refusef(http.StatusBadRequest, codeInvalid, "%s", gateway.Undecodable("the request body is not the expected JSON object", err))
	}
	return nil
}

// decodeObject decodes exactly one JSON object with known fields.
func decodeObject(text string, v any) error {
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) || !strings.HasPrefix(text, "{") {
		return errors.New("it must be one JSON object")
	}
	return nil
}

// noBody refuses a body where the operation has none.
func (c *call) noBody() error { return c.decode(&struct{}{}) }

func invalid(field, value, rule string) error {
	return refusef(http.StatusBadRequest, codeInvalid, "%s: %s (got %q)", field, rule, value)
}

// cores reads cpuLimit, e.g. "2".
func cores(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, invalid("cpuLimit", text, "must be a number of cores such as 1")
	}
	return n, nil
}

// memory reads memoryLimit, e.g. "4Gi" or "4", and returns it as our settings have it.
func memory(text string) (string, error) {
	n, err := strconv.Atoi(strings.TrimSuffix(text, "Gi"))
	if err != nil {
		return "", invalid("memoryLimit", text, "must be a number of GiB such as 4 or 4Gi")
	}
	return strconv.Itoa(n) + "Gi", nil
}
