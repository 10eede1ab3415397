package tokens

import (
	"context"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"math"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
)

// attemptTimeout bounds one request to Redis.
const attemptTimeout = 500 * time.Millisecond

// Attempt describes the request that presents a token.
type Attempt struct {
	// Method is the HTTP method. Options.Grace applies to GET and HEAD.
	Method string
	// RemoteAddr is the client's "host:port" or "host", as reported by trusted proxies.
	RemoteAddr string
	UserAgent  string
}

// Verify returns the token of a request if it is valid for the gateway. All its errors are
// *Error. Callers check scopes (Token.Allows) and the limits on live sessions and batches.
//
// If Redis does not answer, Verify waits up to Options.WaitBudget. After that, GET and HEAD
// succeed with a token that was verified within Options.Grace; everything else fails with
// ReasonUnavailable.
func (s *Service) Verify(ctx context.Context, gatewayID, presented string, a Attempt) (*Token, error) {
	now := s.o.Clock()
	if presented == "" {
		return nil, s.refuse(errMissing(), a)
	}
	if len(presented) > MaxSuppliedLength {
		return nil, s.fail(errMalformed(), a, now)
	}
	key := sumOf(presented)
	e, fresh := s.cache.get(key, now)
	if fresh {
		s.stats.hits.Add(1)
		return s.admit(e, gatewayID, a, now)
	}
	return s.verifySlowly(ctx, gatewayID, presented, key, e, a, now)
}

// anyGateway in place of the id of a gateway accepts the tokens of all gateways.
const anyGateway = "*"

// VerifyAdmin is Verify for the management of gateways: it returns the token if it may manage
// its gateway.
func (s *Service) VerifyAdmin(ctx context.Context, presented string, a Attempt) (*Token, error) {
	t, err := s.Verify(ctx, anyGateway, presented, a)
	if err == nil {
		err = t.Allows(AccessAdmin)
	}
	if err != nil {
		return nil, err
	}
	return t, nil
}

// verifySlowly asks Redis. stale is the stale cache entry, or nil.
func (s *Service) verifySlowly(
	ctx context.Context, gatewayID, presented string, key sum, stale *entry, a Attempt, now time.Time,
) (*Token, error) {
	id, ours := tokenID(presented)
	switch {
	case !ours && !canBeSupplied(presented):
		return nil, s.fail(errMalformed(), a, now)
	case !ours && stale == nil && s.failures.exceeded(a.RemoteAddr, now):
		// Supplied secrets could be guessed, so an address with too many failures gets no
		// answer. Generated ones cannot be guessed, and previously valid ones are accepted.
		return nil, s.refuse(s.tooManyFailures(), a)
	case s.cache.isUnknown(key, now):
		s.stats.negative.Add(1)
		return nil, s.fail(errUnknown(), a, now)
	}
	e, err := s.askPatiently(ctx, key, id, a, now)
	if errors.Is(ctx.Err(), context.Canceled) {
		return nil, ctx.Err() // the client left; Redis may be there
	}
	if err != nil {
		s.stats.unavailable.Add(1)
		return nil, s.refuse(errUnavailable(err), a)
	}
	now = s.o.Clock()
	if e.token == nil {
		return nil, s.fail(errUnknown(), a, now)
	}
	return s.admit(e, gatewayID, a, now)
}

// askPatiently retries while Redis does not answer, and falls back on the cached entry if the
// grace allows it. Each fallback is preceded by a request of its own, so it is never used
// while Redis answers.
func (s *Service) askPatiently(
	ctx context.Context, key sum, id string, a Attempt, start time.Time,
) (*entry, error) {
	waiting := false
	defer func() {
		if waiting {
			<-s.waiters
		}
	}()
	for pause := 25 * time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		e, err := s.ask(ctx, key, id)
		if err == nil {
			if s.cutOff.CompareAndSwap(true, false) {
				s.log.Info("Redis answers again; tokens are verified as usual")
			}
			return e, nil
		}
		if ctx.Err() != nil {
			return nil, err
		}
		s.stats.lookupErrors.Add(1)
		if gateway.KindOf(err) != gateway.KindUnavailable {
			s.log.Error("cannot read a token", zap.String("token", id), zap.Error(err))
			return nil, err
		}
		now := s.o.Clock()
		known, fresh := s.cache.get(key, now)
		if fresh { // another request has succeeded in the meantime
			return known, nil
		}
		good := s.inGrace(known, a, now)
		if good && s.cutOff.Load() {
			s.stats.grace.Add(1)
			return known, nil
		}
		if !waiting {
			select {
			case s.waiters <- struct{}{}:
				waiting = true
			default:
			}
		}
		if waiting && now.Sub(start)+pause <= s.o.WaitBudget {
			select {
			case <-ctx.Done():
				return nil, err
			case <-time.After(pause):
			}
			continue
		}
		if waiting && s.cutOff.CompareAndSwap(false, true) {
			s.log.Warn("Redis does not answer: refusing writes; accepting recently verified tokens for reads for a limited time",
				zap.Duration("waited", now.Sub(start)), zap.Duration("grace", max(0, s.o.Grace)), zap.Error(err))
		}
		if good {
			s.stats.grace.Add(1)
			return known, nil
		}
		return nil, err
	}
}

// inGrace reports whether a request may use what was known of its token before Redis became
// unreachable.
func (s *Service) inGrace(known *entry, a Attempt, now time.Time) bool {
	return known != nil && (a.Method == http.MethodGet ||
		a.Method == http.MethodHead) && now.Sub(known.readAt) < s.o.Grace
}

// ask looks a secret up in Redis once; concurrent requests with the same secret share the
// lookup. An entry without a token means that there is none. id is the token's id if the
// secret contains it.
func (s *Service) ask(ctx context.Context, key sum, id string) (*entry, error) {
	shared := s.flights.DoChan(string(key[:]), func() (any, error) {
		// Not the context of one request, because the result is shared.
		ctx, cancel := context.WithTimeout(context.Background(), attemptTimeout)
		defer cancel()
		return s.lookUp(ctx, key, id)
	})
	select {
	case <-ctx.Done():
		return nil, gateway.Wrap(gateway.KindUnavailable, "waiting for Redis", ctx.Err())
	case r := <-shared:
		if r.Err != nil {
			return nil, r.Err
		}
		e := r.Val.(*entry)
		if age := s.o.Clock().Sub(e.readAt); age >= freshFor {
			return nil, gateway.Errorf(gateway.KindUnavailable,
				"Redis answered after %s, which is too late to trust the answer", age)
		}
		return e, nil
	}
}

func (s *Service) lookUp(ctx context.Context, key sum, id string) (*entry, error) {
	s.stats.lookups.Add(1)
	epoch, changes := s.cache.version()
	e := &entry{readAt: s.o.Clock(), epoch: epoch}
	var row *store.TokenRow
	var err error
	if id != "" {
		row, err = s.rows.Token(ctx, id)
	} else {
		row, err = s.rows.TokenBySecret(ctx, key.hex())
	}
	if err != nil && gateway.KindOf(err) != gateway.KindNotFound {
		return nil, err
	}
	if err != nil || !e.match(row, key) {
		s.cache.putUnknown(key, e.readAt, changes)
		return e, nil
	}
	if e.token, err = fromRow(row); err != nil {
		return nil, err
	}
	s.cache.put(key, e, changes)
	return e, nil
}

// match finds the secret among those of the row, in constant time.
func (e *entry) match(row *store.TokenRow, key sum) bool {
	found := false
	for i, secret := range row.Secrets {
		want, err := hex.DecodeString(secret.Sum)
		if err != nil || subtle.ConstantTimeCompare(want, key[:]) != 1 {
			continue
		}
		found = true
		e.replaced, e.replacedUntil, e.overlap = i > 0, secret.Until, secret.Overlap > 0
	}
	return found
}

// admit decides whether a known secret is valid for this request.
func (s *Service) admit(e *entry, gatewayID string, a Attempt, now time.Time) (*Token, error) {
	t := e.token
	var err *Error
	switch {
	case !t.RevokedAt.IsZero():
		err = refused(ReasonRevoked, t.ID, "this token has been revoked")
	case e.replaced && !now.Before(e.replacedUntil) && e.overlap:
		err = refused(ReasonExpired, t.ID,
			"this token was reset and its old secret has expired; use its new secret")
	case e.replaced && !now.Before(e.replacedUntil):
		err = refused(ReasonRevoked, t.ID, "this token was reset; use its new secret")
	case !now.Before(t.ExpiresAt):
		err = refused(ReasonExpired, t.ID, "this token has expired")
	case t.Disabled:
		err = refused(ReasonDisabled, t.ID, "this token is disabled")
	case gatewayID != anyGateway && t.GatewayID != gatewayID:
		err = &Error{
			Reason: ReasonGateway, Kind: gateway.KindForbidden, TokenID: t.ID,
			Message: "this token belongs to another gateway",
		}
	case !t.allowsAddress(a.RemoteAddr):
		err = &Error{
			Reason: ReasonAddress, Kind: gateway.KindForbidden, TokenID: t.ID,
			Message: "this token may not be used from this address",
		}
	case e.limiter != nil && !e.limiter.AllowN(now, 1):
		err = &Error{
			Reason: ReasonRate, Kind: gateway.KindLimited, TokenID: t.ID,
			Message:    "this token exceeds its limit of requests per second",
			RetryAfter: time.Duration(math.Ceil(1/t.RequestsPerSecond)) * time.Second,
		}
	default:
		e.live.usage.note(now, a, e.replaced)
		return t, nil
	}
	return nil, s.refuse(err, a)
}

// fail refuses an unknown secret and counts it against the address.
func (s *Service) fail(err *Error, a Attempt, now time.Time) *Error {
	if s.failures.add(a.RemoteAddr, now) {
		err = s.tooManyFailures()
	}
	return s.refuse(err, a)
}

func (s *Service) refuse(err *Error, a Attempt) *Error {
	if err.Kind != gateway.KindUnavailable {
		s.stats.refused.Add(1)
	}
	if c := s.log.Check(zap.DebugLevel, "token refused"); c != nil {
		c.Write(zap.String("reason", string(err.Reason)), zap.String("token", err.TokenID),
			zap.String("client", a.RemoteAddr), zap.NamedError("cause", errors.Unwrap(err)))
	}
	return err
}

func (s *Service) tooManyFailures() *Error {
	return &Error{
		Reason: ReasonFailures, Kind: gateway.KindLimited,
		Message:    "too many wrong tokens from this address",
		RetryAfter: time.Duration(math.Ceil(1/s.o.FailuresPerSecond)) * time.Second,
	}
}
