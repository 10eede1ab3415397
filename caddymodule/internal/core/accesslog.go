package core

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/tokens"
)

// Caddy copies a request's headers for its access log before any handler runs. It hides
// Authorization, but neither the header of tokens, nor a token in any other place, nor a signed
// link to a Spark UI, and it has no option for that. A site with a plain `log` directive would
// log them. For requests that reach a gateway, Caddy's line is therefore replaced by the same
// line without these secrets, written to the same loggers. (Only fields added by log_append are
// missing, since Caddy does not export them.) TestOurLineIsCaddys compares the two lines.

// AccessLog writes access log lines of one server.
type AccessLog struct {
	server *caddyhttp.Server
	logger *zap.Logger
}

// secretHeaders are the request headers that carry tokens.
var secretHeaders = []string{tokens.Header, "X-Acs-Bearer-Token", "X-Acs-Security-Token"}

// accessLoggerModule makes caddy.Context.Logger return the logger of Caddy's own access log.
type accessLoggerModule struct{}

func (accessLoggerModule) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.log.access"}
}

// NewAccessLog returns nil if the server has no access log.
func NewAccessLog(ctx caddy.Context) *AccessLog {
	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || server.Logs == nil {
		return nil
	}
	return &AccessLog{server: server, logger: ctx.Logger(accessLoggerModule{})}
}

// Take keeps Caddy from logging the request, and returns the function that logs it instead.
func (a *AccessLog) Take(w http.ResponseWriter, r *http.Request) (done func()) {
	skip, _ := caddyhttp.GetVar(r.Context(), caddyhttp.LogSkipVar).(bool)
	if a == nil || skip || !a.logs(r) {
		return func() {} // Caddy would not log it either
	}
	rec := recorderOf(w)
	if rec == nil {
		return func() {}
	}
	start := time.Now()
	caddyhttp.SetVar(r.Context(), caddyhttp.LogSkipVar, true)
	seen := r.Clone(r.Context())
	for _, name := range secretHeaders {
		if len(seen.Header[name]) > 0 {
			seen.Header.Set(name, "REDACTED")
		}
	}
	seen.Host, seen.RequestURI = tokens.Mask(seen.Host), maskURI(seen)
	seen.Header = maskHeader(seen.Header)
	body := &countingBody{ReadCloser: r.Body}
	r.Body = body
	return func() {
		took := time.Since(start)
		if repl := Replacer(r); repl != nil {
			if all, ok := repl.Get("http.request.duration"); ok {
				took, _ = all.(time.Duration) // includes the handlers before this one
			}
		}
		header := maskHeader(rec.Header())
		write := func() { a.write(rec, header, seen, took, body.read) }
		if w == rec || r.Context().Err() != nil {
			write()
			return
		}
		// Handlers such as encode buffer what they have not written yet. The request's context
		// ends when all of it has been written.
		header = header.Clone()
		context.AfterFunc(r.Context(), write)
	}
}

// maskURI returns the request's URI without secrets.
func maskURI(r *http.Request) string {
	uri := r.RequestURI
	if query := r.URL.Query(); query.Has(gateway.SparkUILinkParameter) {
		query.Set(gateway.SparkUILinkParameter, "REDACTED")
		uri = r.URL.EscapedPath() + "?" + query.Encode()
	}
	return tokens.Mask(uri)
}

// maskHeader returns a header without anything that looks like a token in its names and values:
// the same header if it has none, otherwise a copy.
func maskHeader(header http.Header) http.Header {
	var clean http.Header
	for name, values := range header {
		shown := tokens.Mask(name)
		for i, value := range values {
			text := tokens.MaskCredentials(value)
			if text == value && shown == name {
				continue
			}
			if clean == nil {
				clean = header.Clone()
			}
			if shown != name {
				delete(clean, name)
				clean.Add(shown, text)
				continue
			}
			clean[name][i] = text
		}
	}
	if clean == nil {
		return header
	}
	return clean
}

func (a *AccessLog) write(
	rec caddyhttp.ResponseRecorder, header http.Header, r *http.Request, took time.Duration, read int,
) {
	level, message := levelAndMessage(r, rec.Status())
	var fields []zap.Field
	for _, name := range a.names(r) {
		logger := a.logger
		if name != "" {
			logger = logger.Named(name)
		}
		ce := logger.Check(level, message)
		if ce == nil {
			continue
		}
		if fields == nil {
			credentials := a.server.Logs.ShouldLogCredentials
			fields = []zap.Field{
				zap.Object("request", caddyhttp.LoggableHTTPRequest{Request: r, ShouldLogCredentials: credentials}),
				zap.Int("bytes_read", read),
				zap.String("user_id", User(r)),
				zap.Duration("duration", took),
				zap.Int("size", rec.Size()),
				zap.Int("status", rec.Status()),
				zap.Object("resp_headers", caddyhttp.LoggableHTTPHeader{Header: header, ShouldLogCredentials: credentials}),
			}
			if err := a.writeError(rec, r, took); err != nil {
				fields = append(fields, zap.NamedError("write_error", err))
			}
		}
		ce.Write(fields...)
	}
}

// levelAndMessage returns the level and message of Caddy's line.
func levelAndMessage(r *http.Request, status int) (level zapcore.Level, message string) {
	level, message = zapcore.InfoLevel, "handled request"
	if nop, _ := caddyhttp.GetVar(r.Context(), "unhandled").(bool); nop {
		message = "NOP"
	}
	if status >= 500 {
		level = zapcore.ErrorLevel
	}
	if name, ok := caddyhttp.GetVar(r.Context(), caddyhttp.LogLevelVar).(string); ok {
		if set, err := zapcore.ParseLevel(name); err == nil && set >= zapcore.DebugLevel && set <= zapcore.ErrorLevel {
			level = set
		}
	}
	return level, message
}

// writeError returns, as Caddy does, the error if a reply that took longer than the server's
// write timeout did not reach the client.
func (a *AccessLog) writeError(rec caddyhttp.ResponseRecorder, r *http.Request, took time.Duration) error {
	limit := time.Duration(a.server.WriteTimeout)
	if limit <= 0 || r.ProtoMajor != 1 || took < limit {
		return nil
	}
	err := http.NewResponseController(rec).Flush()
	if errors.Is(err, http.ErrHijacked) || errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}

// countingBody counts the bytes that are read from a request's body.
type countingBody struct {
	io.ReadCloser
	read int
}

func (b *countingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read += n
	return n, err
}

// host returns a request's host as it is spelled in names of loggers.
func host(r *http.Request) string {
	name, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		name = r.Host
	}
	return strings.ToLower(name)
}

// logs reports whether Caddy writes an access log for the host of a request.
func (a *AccessLog) logs(r *http.Request) bool {
	matches := func(pattern string) bool { return certmagic.MatchWildcard(host(r), pattern) }
	for name := range a.server.Logs.LoggerNames {
		if matches(name) {
			return true
		}
	}
	return !slices.ContainsFunc(a.server.Logs.SkipHosts, matches) && !a.server.Logs.SkipUnmappedHosts
}

// names returns the loggers that Caddy chooses for a request: those that log_name set, else those
// of the host, of a matching wildcard, or the default.
func (a *AccessLog) names(r *http.Request) []string {
	if set, ok := caddyhttp.GetVar(r.Context(), caddyhttp.AccessLoggerNameVarKey).([]any); ok {
		var names []string
		for _, name := range set {
			if text, ok := name.(string); ok {
				names = append(names, text)
			}
		}
		return names
	}
	name := host(r)
	if names, ok := a.server.Logs.LoggerNames[name]; ok {
		return names
	}
	labels := strings.Split(name, ".")
	for i := range labels {
		if labels[i] == "" { // a name that ends with a dot
			continue
		}
		labels[i] = "*"
		if names, ok := a.server.Logs.LoggerNames[strings.Join(labels, ".")]; ok {
			return names
		}
	}
	return []string{a.server.Logs.DefaultLoggerName}
}

// recorderOf returns the recorder that Caddy wrapped around the response in order to log it, or
// nil. Handlers wrap recorders of their own around it, so it is the innermost one.
func recorderOf(w http.ResponseWriter) (rec caddyhttp.ResponseRecorder) {
	for w != nil {
		if r, ok := w.(caddyhttp.ResponseRecorder); ok {
			rec = r
		}
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			break
		}
		w = u.Unwrap()
	}
	return rec
}
