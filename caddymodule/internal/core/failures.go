package core

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/tokens"
)

// Failures answers errors of a site's handlers: with the site's error routes (handle_errors), or
// with JSON if these write no reply.
//
// Caddy runs error routes for errors that handlers return. But it also logs such an error with
// the original headers of the request, including the token. Therefore the error is not returned,
// and its routes are run here.
type Failures struct {
	// Browsers marks a site for browsers. They would ask people for a password if Basic
	// authentication were offered, so it is not.
	Browsers bool

	log    *zap.Logger
	once   sync.Once
	routes caddyhttp.Handler // the server's error routes, nil if it has none
}

// NewFailures returns the Failures of the handler that is being provisioned.
func NewFailures(ctx caddy.Context) *Failures { return &Failures{log: ctx.Logger()} }

// Answer answers an error, and returns the status of the reply. The fields are for the line in
// the log, and tell what the request is about.
func (f *Failures) Answer(w http.ResponseWriter, r *http.Request, err error, about ...zap.Field) (status int) {
	a := answerTo(r, err)
	f.write(r, &a, err, about)
	if a.expected && caddyhttp.GetVar(r.Context(), caddyhttp.LogLevelVar) == nil {
		caddyhttp.SetVar(r.Context(), caddyhttp.LogLevelVar, zapcore.InfoLevel.String())
	}
	if a.status == StatusClientGone {
		w.WriteHeader(a.status)
		return a.status
	}
	a.prepare(w.Header())
	if a.status == http.StatusUnauthorized {
		w.Header()["Www-Authenticate"] = challenges(a.Reason, f.Browsers)
	}
	if !f.byRoutes(w, r, &a) {
		a.writeTo(w)
	}
	return a.status
}

// write logs an error: at level DEBUG if nobody has to do anything, and as a warning if something
// cannot be reached.
func (f *Failures) write(r *http.Request, a *answer, err error, about []zap.Field) {
	if ce := f.log.Check(a.level(), "request not served"); ce != nil {
		// A client may have put its token anywhere, and errors quote what it sent.
		fields := append([]zap.Field{
			zap.Int("status", a.status), zap.String("method", r.Method), zap.String("path", tokens.Mask(publicPath(r))),
			zap.String("reason", tokens.Mask(cmp.Or(a.Reason, a.Msg))),
		}, about...)
		ce.Write(append(fields, zap.String("error", tokens.Mask(err.Error())))...)
	}
}

// publicPath returns the path that the client asked for: handlers may have changed the request's.
func publicPath(r *http.Request) string {
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok && original.URL != nil {
		return original.URL.Path
	}
	return r.URL.Path
}

// level returns the log level of an error.
func (a *answer) level() zapcore.Level {
	switch {
	case a.status < 500 || a.expected:
		return zapcore.DebugLevel
	case a.status == http.StatusServiceUnavailable:
		return zapcore.WarnLevel
	}
	return zapcore.ErrorLevel
}

// prepare sets the headers that every reply to an error has, and removes those of a reply that
// was begun.
func (a *answer) prepare(header http.Header) {
	for _, name := range []string{"Content-Length", "Content-Type", "Content-Encoding", "Location", "Etag", "Last-Modified"} {
		header.Del(name)
	}
	switch a.status {
	case http.StatusMethodNotAllowed:
		header.Set("Allow", a.allow)
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		if a.retryAfter <= 0 {
			a.retryAfter = defaultRetry
		}
		header.Set("Retry-After", strconv.Itoa(int(math.Ceil(a.retryAfter.Seconds()))))
	}
}

// writeTo writes the JSON reply.
func (a *answer) writeTo(w http.ResponseWriter) {
	body, _ := json.Marshal(a)
	header := w.Header()
	api.Harden(header)
	header.Set("Content-Type", "application/json;charset=utf-8")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(a.status)
	_, _ = w.Write(body)
}

// byRoutes runs the server's error routes, and reports whether they wrote a reply.
func (f *Failures) byRoutes(w http.ResponseWriter, r *http.Request, a *answer) bool {
	server, _ := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	// Not while modules are provisioned: error routes are provisioned after all others.
	f.once.Do(func() {
		if server != nil && server.Errors != nil && len(server.Errors.Routes) > 0 {
			f.routes = server.Errors.Routes.Compile(caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil }))
		}
	})
	if f.routes == nil {
		return false
	}
	failure := caddyhttp.Error(a.status, errors.New(tokens.Mask(a.Msg)))
	probe := &errorWriter{ResponseWriterWrapper: &caddyhttp.ResponseWriterWrapper{ResponseWriter: w}, status: a.status}
	// A page of the operator is not data: it may have styles and scripts.
	w.Header().Del("Content-Security-Policy")
	restore(r)
	if err := f.routes.ServeHTTP(probe, server.Errors.WithError(r, failure)); err != nil {
		f.log.Error("an error route failed", zap.Int("status", a.status), zap.String("error", tokens.Mask(err.Error())))
	}
	return probe.answered
}

// restore gives the request its original method and URL back, as error routes expect, but without
// secrets, which they must neither log nor send on. It changes the request in place, as Caddy
// does, since the placeholders belong to this request.
func restore(r *http.Request) {
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		r.Method, r.RemoteAddr, r.RequestURI = original.Method, original.RemoteAddr, original.RequestURI
		*r.URL = *original.URL
	}
	if masked := maskURI(r); masked != r.RequestURI {
		if u, err := url.ParseRequestURI(masked); err == nil {
			r.RequestURI, *r.URL = masked, *u
		}
	}
	tokens.Strip(r.Header, false)
	for name := range r.Header {
		if tokens.Mask(name) != name {
			delete(r.Header, name)
		}
	}
}

// errorWriter finds out whether error routes write a reply. If none of them handles an error,
// Caddy still writes its status, and nothing else, which does not count as a reply.
type errorWriter struct {
	*caddyhttp.ResponseWriterWrapper
	status   int // of the error
	held     bool
	answered bool
}

// WriteHeader holds the error's own status back until something follows it.
func (w *errorWriter) WriteHeader(status int) {
	header := w.Header()
	if status == w.status && !w.answered && header.Get("Content-Type") == "" && header.Get("Content-Length") == "" {
		w.held = true
		return
	}
	w.answered = w.answered || status >= 200
	w.ResponseWriter.WriteHeader(status)
}

// begin is called before anything is written.
func (w *errorWriter) begin() {
	if w.held && !w.answered {
		w.ResponseWriter.WriteHeader(w.status)
	}
	w.answered = true
}

func (w *errorWriter) Write(p []byte) (int, error) {
	w.begin()
	return w.ResponseWriter.Write(p)
}

func (w *errorWriter) ReadFrom(from io.Reader) (int64, error) {
	w.begin()
	return w.ResponseWriterWrapper.ReadFrom(from)
}

func (w *errorWriter) FlushError() error {
	w.begin()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// challenges returns the challenges of a 401. A request without any credential is offered
// Basic too: Livy's own Java client, wget and others send a password only when asked for one.
func challenges(reason string, browsers bool) []string {
	switch {
	case reason != string(tokens.ReasonMissing):
		return []string{`Bearer realm="livy", error="invalid_token"`}
	case browsers:
		return []string{`Bearer realm="livy"`}
	}
	return []string{`Bearer realm="livy"`, `Basic realm="livy", charset="UTF-8"`}
}
