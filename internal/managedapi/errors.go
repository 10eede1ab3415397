package managedapi

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/tokens"
)

// Codes of errors that several places have.
const (
	codeInvalid   = "InvalidParameter"
	codeForbidden = "NoPermission"
)

// refusal is an error as this API shows it. Refusals that do not come from the management API
// are written to the audit log.
type refusal struct {
	status        int
	code, message string
	// noted reports whether the audit log has it already, or does not need it.
	noted bool
}

func (e *refusal) Error() string { return e.code + ": " + e.message }

func refusef(status int, code, format string, args ...any) error {
	return &refusal{status: status, code: code, message: fmt.Sprintf(format, args...)}
}

// codes are the codes for kinds of errors of the management API.
var codes = map[string]string{
	gateway.KindInvalid.String():      codeInvalid,
	gateway.KindUnauthorized.String(): "Unauthorized",
	gateway.KindForbidden.String():    codeForbidden,
	gateway.KindNotFound.String():     "EntityNotExist",
	gateway.KindConflict.String():     "Conflict",
	gateway.KindTooLarge.String():     "RequestEntityTooLarge",
	gateway.KindLimited.String():      "Throttling",
	gateway.KindUnavailable.String():  "ServiceUnavailable",
	gateway.KindInternal.String():     "InternalError",
}

// fields are the names of our settings in this API, for messages.
var fields = map[string]string{
	"cpu": "cpuLimit", "memory": "memoryLimit", "queue": "queueName", "network": "networkName",
	"environment": "environmentId", "engine": "displayReleaseVersion", "public": "enablePublic",
	"autoStop.minutes": "autoStopConfiguration.idleTimeoutMinutes",
	"expireDays":       "autoExpireConfiguration.expireDays",
}

// asRefusal returns an error as this API shows it.
func asRefusal(err error) *refusal {
	var r *refusal
	var p *problem
	var ours *tokens.Error
	switch {
	case errors.As(err, &r):
		return r
	case errors.As(err, &p):
		message := p.Detail
		if name := fields[p.Field]; name != "" {
			if rest, ok := strings.CutPrefix(message, p.Field+":"); ok {
				message = name + ":" + rest
			}
		}
		code := codes[p.Kind]
		if code == "" {
			code = codeInvalid
		}
		return &refusal{status: p.Status, code: code, message: message, noted: true}
	case errors.As(err, &ours):
		return &refusal{status: api.Status(ours.Kind), code: codes[ours.Kind.String()], message: ours.Message}
	}
	kind := gateway.KindOf(err)
	message := err.Error()
	if kind == gateway.KindInternal {
		message = "internal error; the log of the gateway has the details"
	}
	return &refusal{status: api.Status(kind), code: codes[kind.String()], message: message}
}

// fail replies with an error.
func (c *call) fail(w http.ResponseWriter, err error) {
	r := asRefusal(err)
	switch {
	case r.status >= 500:
		c.Logger.Error("request of the managed product's API failed", zap.String("request_id", c.id),
			zap.String("method", c.r.Method), zap.String("path", tokens.Mask(c.r.URL.Path)), zap.String("error", tokens.Mask(err.Error())))
		if r.status == http.StatusServiceUnavailable {
			w.Header().Set("Retry-After", "2")
		}
	case !r.noted:
		c.audit(r)
	}
	c.write(w, r.status, envelope{RequestID: c.id, Code: r.code, Message: r.message})
}

// tooLarge reports whether a body is larger than allowed.
func tooLarge(err error) bool {
	var e *http.MaxBytesError
	return errors.As(err, &e)
}
