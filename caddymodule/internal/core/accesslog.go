package core

import (
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/tokens"
)

// Caddy copies a request's headers for its access log before any handler runs, and
// knows to hide Authorization but neither the token's header, nor a token that was put
// where it does not belong, nor a signed link to a Spark UI. A site with a plain `log` directive would so write them down. For the
// requests that reach a gateway, Caddy's line is therefore replaced by the same line
// without these secrets, written by the same loggers. (Fields added by log_append are
// the one thing that Caddy does not let us carry over.)

// AccessLog writes the lines of one server.
type AccessLog struct {
	server *caddyhttp.Server
	logger *zap.Logger
}

// accessLoggerModule makes caddy.Context.Logger give the logger that Caddy's
// own access log uses.
type accessLoggerModule struct{}

func (accessLoggerModule) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.log.access"}
}

// NewAccessLog returns nil where the server writes no access log.
func NewAccessLog(ctx caddy.Context) *AccessLog {
	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || server.Logs == nil {
		return nil
	}
	return &AccessLog{server: server, logger: ctx.Logger(accessLoggerModule{})}
}

// Take keeps Caddy from logging the request, and returns what logs it instead.
func (a *AccessLog) Take(w http.ResponseWriter, r *http.Request) (done func()) {
	if a == nil {
		return func() {}
	}
	rec := recorderOf(w)
	if skip, _ := caddyhttp.GetVar(r.Context(), caddyhttp.LogSkipVar).(bool); rec == nil || skip {
		return func() {} // Caddy would not log it either
	}
	start := time.Now()
	caddyhttp.SetVar(r.Context(), caddyhttp.LogSkipVar, true)
	seen := r.Clone(r.Context())
	if len(seen.Header[tokens.Header]) > 0 {
		seen.Header.Set(tokens.Header, "REDACTED")
	}
	if query := seen.URL.Query(); query.Has(gateway.SparkUILinkParameter) {
		query.Set(gateway.SparkUILinkParameter, "REDACTED")
		seen.RequestURI = seen.URL.EscapedPath() + "?" + query.Encode()
	}
	seen.Host, seen.RequestURI = tokens.Mask(seen.Host), tokens.Mask(seen.RequestURI)
	seen.Header = maskHeader(seen.Header)
	body := &countingBody{ReadCloser: r.Body}
	r.Body = body
	return func() { a.write(rec, seen, time.Since(start), body.read) }
}

// maskHeader returns a header without anything that looks like a token in its names
// and values: itself if there is nothing, else a copy.
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

func (a *AccessLog) write(rec caddyhttp.ResponseRecorder, r *http.Request, took time.Duration, read int) {
	level := zapcore.InfoLevel
	if rec.Status() >= 500 {
		level = zapcore.ErrorLevel
	}
	credentials := a.server.Logs.ShouldLogCredentials
	repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	user, _ := repl.GetString("http.auth.user.id")
	for _, name := range a.names(r) {
		logger := a.logger
		if name != "" {
			logger = logger.Named(name)
		}
		if ce := logger.Check(level, "handled request"); ce != nil {
			ce.Write(
				zap.Object("request", caddyhttp.LoggableHTTPRequest{Request: r, ShouldLogCredentials: credentials}),
				zap.Int("bytes_read", read),
				zap.String("user_id", user),
				zap.Duration("duration", took),
				zap.Int("size", rec.Size()),
				zap.Int("status", rec.Status()),
				zap.Object("resp_headers", caddyhttp.LoggableHTTPHeader{Header: maskHeader(rec.Header()), ShouldLogCredentials: credentials}),
			)
		}
	}
}

// countingBody counts what is read of a request's body.
type countingBody struct {
	io.ReadCloser
	read int
}

func (b *countingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read += n
	return n, err
}

// names are the loggers that Caddy chooses for a request: those that log_name
// set, else those of the host, of a wildcard for it, or the default.
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
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	host = strings.ToLower(host)
	if names, ok := a.server.Logs.LoggerNames[host]; ok {
		return names
	}
	labels := strings.Split(host, ".")
	for i := range labels {
		labels[i] = "*"
		if names, ok := a.server.Logs.LoggerNames[strings.Join(labels, ".")]; ok {
			return names
		}
	}
	return []string{a.server.Logs.DefaultLoggerName}
}

// recorderOf finds the recorder that Caddy put around the response in order to
// log it; nil if there is none.
func recorderOf(w http.ResponseWriter) caddyhttp.ResponseRecorder {
	for w != nil {
		if rec, ok := w.(caddyhttp.ResponseRecorder); ok {
			return rec
		}
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return nil
		}
		w = u.Unwrap()
	}
	return nil
}
