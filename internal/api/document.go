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
	return c.replyText(http.StatusOK, Document)
}
