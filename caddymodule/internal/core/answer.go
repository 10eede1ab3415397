package core

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/tokens"
)

// answer is a failure as a Livy client gets it: Livy's own {"msg": ...}, and a
// machine-readable reason where there is one.
type answer struct {
	Msg    string `json:"msg"`
	Reason string `json:"reason,omitempty"`
	Field  string `json:"field,omitempty"`

	status     int
	allow      string
	retryAfter time.Duration
}

// defaultRetry is what Retry-After says when nothing better is known.
const defaultRetry = 2 * time.Second

// answerTo is the one place where the data path chooses a status.
func answerTo(err error) answer {
	var (
		match   *livy.Error
		token   *tokens.Error
		domain  *gateway.Error
		handler caddyhttp.HandlerError
	)
	switch {
	case errors.As(err, &match):
		return answer{Msg: match.Message, status: match.Status, allow: match.Allow}
	case errors.As(err, &token):
		return answer{
			Msg: token.Error(), Reason: string(token.Reason),
			status: api.Status(token.Kind), retryAfter: token.RetryAfter,
		}
	case errors.As(err, &domain):
		return answer{Msg: domain.Error(), Field: domain.Field, status: api.Status(domain.Kind)}
	case errors.As(err, &handler) && handler.StatusCode < 500 && handler.StatusCode != 0:
		return answer{Msg: http.StatusText(handler.StatusCode), status: handler.StatusCode}
	case errors.As(err, &handler):
		// reverse_proxy could not reach Livy, or Livy broke off. This is ours to
		// mend, and a later try can succeed.
		return answer{Msg: "the Livy server of this gateway does not answer", status: http.StatusServiceUnavailable}
	default:
		return answer{Msg: "internal error of the gateway", status: http.StatusInternalServerError}
	}
}

// Fail answers a failure. It returns nothing to Caddy's own error handling,
// which would log the request with its headers, and so the token.
func Fail(log *zap.Logger, w http.ResponseWriter, r *http.Request, err error) {
	a := answerTo(err)
	header := w.Header()
	switch a.status {
	case http.StatusUnauthorized:
		header.Set("WWW-Authenticate", `Bearer realm="livy", error="invalid_token"`)
	case http.StatusMethodNotAllowed:
		header.Set("Allow", a.allow)
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		if a.retryAfter <= 0 {
			a.retryAfter = defaultRetry
		}
		header.Set("Retry-After", strconv.Itoa(int(math.Ceil(a.retryAfter.Seconds()))))
	}
	level := zap.DebugLevel
	if a.status >= 500 {
		level = zap.ErrorLevel
	}
	if ce := log.Check(level, "request not served"); ce != nil {
		// A client may have put its token anywhere, and errors quote what it sent.
		ce.Write(zap.Int("status", a.status), zap.String("method", r.Method),
			zap.String("path", tokens.Mask(r.URL.Path)), zap.String("reason", a.Reason), zap.String("error", tokens.Mask(err.Error())))
	}
	body, _ := json.Marshal(a)
	api.Harden(header)
	header.Set("Content-Type", "application/json;charset=utf-8")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(a.status)
	_, _ = w.Write(body)
}
