package api

import (
	_ "embed"
	"net/http"
)

// Document is the OpenAPI document of this API.
//
//go:embed openapi.json
var Document []byte

func (c *call) document() error {
	c.w.Header().Set("Content-Type", "application/json")
	c.w.WriteHeader(http.StatusOK)
	_, _ = c.w.Write(Document)
	return nil
}
