package managedapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/livygateway/livygateway/internal/api"
)

// buffer is the reply to a call of the management API.
type buffer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header returns the headers.
func (b *buffer) Header() http.Header {
	if b.header == nil {
		b.header = make(http.Header)
	}
	return b.header
}

// WriteHeader sets the status.
func (b *buffer) WriteHeader(status int) {
	if b.status == 0 {
		b.status = status
	}
}

// Write appends to the body.
func (b *buffer) Write(p []byte) (int, error) {
	b.WriteHeader(http.StatusOK)
	return b.body.Write(p)
}

// read decodes the reply into v, if v is not nil. An error reply is an error.
func (b *buffer) read(v any) error {
	if b.status >= 400 {
		p := new(problem)
		if err := json.Unmarshal(b.body.Bytes(), &p.Problem); err != nil {
			return fmt.Errorf("reading an error of the management API: %w", err)
		}
		return p
	}
	if v == nil {
		return nil
	}
	if err := json.Unmarshal(b.body.Bytes(), v); err != nil {
		return fmt.Errorf("reading a reply of the management API: %w", err)
	}
	return nil
}

// problem is an error reply of the management API.
type problem struct{ api.Problem }

func (p *problem) Error() string { return p.Detail }
