package livyhttp

import (
	"context"
	"maps"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/livygateway/livygateway/policies"
)

// spans makes the spans of a request, below the one that Caddy's handler `tracing` began. Without
// that handler, or if the request is not sampled, there are none.
type spans struct {
	tracer trace.Tracer // nil if the request is not traced
}

// noSpan ignores everything.
var noSpan = trace.SpanFromContext(context.Background())

// trace looks whether a request is traced, and describes it in Caddy's span.
func (c *call) trace(ctx context.Context) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	c.tracer = span.TracerProvider().Tracer("github.com/livygateway/livygateway")
	span.SetAttributes(
		attribute.String("livy.gateway", c.entry.Gateway.Spec.Name),
		attribute.String("livy.workspace", c.entry.Gateway.Workspace),
		attribute.String("livy.route", c.req.Route.Name),
	)
}

func (s *spans) traced() bool { return s.tracer != nil }

// span begins a span, which end ends.
func (s *spans) span(ctx context.Context, name string) (context.Context, trace.Span) {
	if s.tracer == nil {
		return ctx, noSpan
	}
	return s.tracer.Start(ctx, name)
}

// end ends a span. The text of an error may quote the request, so it is left out.
func end(span trace.Span, err error) {
	if err != nil && span.IsRecording() {
		span.SetStatus(codes.Error, "refused or failed")
	}
	span.End()
}

// describe adds the token to Caddy's span.
func (c *call) describe(ctx context.Context) {
	if c.traced() {
		trace.SpanFromContext(ctx).SetAttributes(attribute.String("livy.token", c.token.ID))
	}
}

// upstream begins the span of Livy's part, and hands it down in the header traceparent.
func (c *call) upstream(r *http.Request) (*http.Request, trace.Span) {
	if !c.traced() {
		return r, noSpan
	}
	ctx, span := c.tracer.Start(r.Context(), "livy.upstream", trace.WithSpanKind(trace.SpanKindClient))
	r = r.WithContext(ctx)
	r.Header = r.Header.Clone()
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(r.Header))
	return r, span
}

func endUpstream(span trace.Span, status int, err error) {
	if span.IsRecording() {
		span.SetAttributes(attribute.Int("http.response.status_code", status))
	}
	end(span, err)
}

// handDown adds the settings by which a job finds the trace of its create to those that the
// gateway sets for each session and batch.
func (h *Record) handDown(r *http.Request, policy *policies.Policy, conf map[string]string) map[string]string {
	if traceparent := traceparentOf(r); traceparent != "" {
		maps.Copy(conf, policy.TraceConf(traceparent))
	}
	return conf
}

// traceparentOf returns the trace context of a request in the form of the header traceparent: that
// of its span, or the client's if the request is not traced here, or "".
func traceparentOf(r *http.Request) string {
	var format propagation.TraceContext
	ctx := r.Context()
	if !trace.SpanContextFromContext(ctx).IsValid() {
		ctx = format.Extract(ctx, propagation.HeaderCarrier(r.Header))
	}
	carrier := propagation.MapCarrier{}
	format.Inject(ctx, carrier)
	return carrier["traceparent"]
}
