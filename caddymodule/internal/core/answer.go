package core

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/budgets"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/tokens"
)

// answer is an error as Livy clients get it: Livy's own {"msg": ...}, and a machine-readable
// reason if there is one.
type answer struct {
	Msg string `json:"msg"`
	// Detail tells how an ended session ended. It is not part of Msg: Zeppelin takes a
	// session for ended only if msg is Livy's sentence and nothing else.
	Detail string `json:"detail,omitempty"`
	Reason string `json:"reason,omitempty"`
	Field  string `json:"field,omitempty"`
	*budgetAnswer

	status     int
	allow      string
	retryAfter time.Duration
	// expected is set if nothing is wrong: a gateway that is stopped, a client that left.
	expected bool
}

// budgetAnswer is what an answer says of a budget that is used up. Used and Limit are in hours.
type budgetAnswer struct {
	Budget string    `json:"budget"`
	Period string    `json:"period"`
	Used   float64   `json:"used"`
	Limit  float64   `json:"limit"`
	Reset  time.Time `json:"reset"`
}

// reasonBudget is the reason for a create that a budget does not allow.
const reasonBudget = "budget_exceeded"

// defaultRetry is the value of Retry-After if no better one is known.
const defaultRetry = 2 * time.Second

// StatusClientGone is the status of a request whose client left before it got a reply. Caddy's
// reverse_proxy uses it too.
const StatusClientGone = 499

// answerTo returns the answer to an error. It is the only place that chooses a status for
// requests to gateways.
func answerTo(r *http.Request, err error) answer {
	if errors.Is(r.Context().Err(), context.Canceled) {
		return answer{Msg: "the client left", status: StatusClientGone, expected: true}
	}
	var (
		match   *livy.Error
		token   *tokens.Error
		domain  *gateway.Error
		ended   *sessions.EndedError
		budget  *budgets.ExceededError
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
	case errors.As(err, &ended):
		return answer{Msg: ended.Sentence(), Detail: ended.Story(), status: http.StatusNotFound}
	case errors.As(err, &budget):
		return answer{
			Msg: budget.Error(), Reason: reasonBudget, Field: budget.Resource,
			status: api.Status(gateway.KindLimited), retryAfter: budget.Wait,
			budgetAnswer: &budgetAnswer{budget.Budget, budget.Period, budget.Used, budget.Limit, budget.Reset},
		}
	case errors.As(err, &domain):
		return answer{Msg: domain.Error(), Field: domain.Field, status: api.Status(domain.Kind), expected: domain.Expected}
	case errors.As(err, &handler) && handler.StatusCode < 500 && handler.StatusCode != 0:
		return answer{Msg: http.StatusText(handler.StatusCode), status: handler.StatusCode}
	case errors.As(err, &handler):
		// reverse_proxy could not connect to Livy, or Livy closed the connection. The client is
		// not to blame, and a later try can succeed.
		return answer{Msg: "the Livy server of this gateway does not answer", status: http.StatusServiceUnavailable}
	default:
		return answer{Msg: "internal error of the gateway", status: http.StatusInternalServerError}
	}
}
