package livyhttp_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/tracing"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/internal/livy/livytest"
)

// traces is a double of an OpenTelemetry collector.
type traces struct {
	mu    sync.Mutex
	spans map[string]*otlp.Span // by name, the last one
	raw   bytes.Buffer
}

func (c *traces) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var request collector.ExportTraceServiceRequest
	if err := proto.Unmarshal(body, &request); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw.Write(body)
	for _, resource := range request.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			for _, span := range scope.Spans {
				c.spans[span.Name] = span
			}
		}
	}
	reply, _ := proto.Marshal(new(collector.ExportTraceServiceResponse))
	w.Header().Set("Content-Type", "application/x-protobuf")
	_, _ = w.Write(reply)
}

func (c *traces) span(name string) *otlp.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.spans[name]
}

const (
	traceID     = "4bf92f3577b34da6a3ce929d0e0e4736"
	traceparent = "00-" + traceID + "-00f067aa0ba902b7-01"
)

// confSent returns the settings of the last batch that Livy got, and the header traceparent.
func confSent(t *testing.T, double *livytest.Server) map[string]string {
	t.Helper()
	all := double.Requests("batches")
	var conf map[string]string
	if raw := all[len(all)-1]["conf"]; raw != nil {
		if err := json.Unmarshal(raw, &conf); err != nil {
			t.Fatal(err)
		}
	}
	return conf
}

func TestATraceLeadsToTheJob(t *testing.T) {
	received := &traces{spans: make(map[string]*otlp.Span)}
	server := httptest.NewServer(received)
	defer server.Close()
	t.Setenv("OTEL_TRACES_EXPORTER", "otlp")
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "50")

	double := livytest.New()
	var mu sync.Mutex
	var header string // that Livy got
	double.Before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost {
			mu.Lock()
			defer mu.Unlock()
			header = r.Header.Get("Traceparent")
		}
		return false
	}
	s := caddytest.New(t, double)
	s.Load(strings.Replace(s.Config, "\tlivy_gateway\n", "\ttracing {\n\t\tspan outer\n\t}\n\tlivy_gateway\n", 1))
	r := s.Do("POST", "/batches", `{"file":"file:/data/job.py"}`, "Traceparent: "+traceparent)
	if r.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", r.StatusCode, r.Text)
	}
	parents := map[string]string{
		"livy.token": "outer", "livy.policy": "outer", "livy.record": "outer", "livy.upstream": "livy.record", "outer": "",
	}
	for name := range parents {
		s.Await(func() bool { return received.span(name) != nil })
	}
	for name, parent := range parents {
		span := received.span(name)
		if got := hex.EncodeToString(span.TraceId); got != traceID {
			t.Errorf("%s is in trace %s", name, got)
		}
		want := "00f067aa0ba902b7"
		if parent != "" {
			want = hex.EncodeToString(received.span(parent).SpanId)
		}
		if got := hex.EncodeToString(span.ParentSpanId); got != want {
			t.Errorf("%s is below %s, not %s (%s)", name, got, parent, want)
		}
	}
	attributes := map[string]string{}
	for _, a := range received.span("outer").Attributes {
		attributes[a.Key] = a.Value.GetStringValue()
	}
	if attributes["livy.gateway"] != "etl" || attributes["livy.route"] != "batch.create" || attributes["livy.token"] != s.TokenID {
		t.Errorf("attributes %v", attributes)
	}
	named := func(name string) string {
		return "00-" + traceID + "-" + hex.EncodeToString(received.span(name).SpanId) + "-01"
	}
	mu.Lock()
	if header != named("livy.upstream") {
		t.Errorf("Livy got traceparent %q, not %s", header, named("livy.upstream"))
	}
	mu.Unlock()
	conf := confSent(t, double)
	for _, key := range []string{"spark.livygateway.traceparent", "spark.executorEnv.TRACEPARENT"} {
		if conf[key] != named("livy.record") {
			t.Errorf("%s is %q, not %s", key, conf[key], named("livy.record"))
		}
	}

	// A refused request has no span of what it did not reach, and its error is not told.
	received.mu.Lock()
	received.spans = make(map[string]*otlp.Span)
	received.mu.Unlock()
	s.Do("GET", "/sessions", "", "X-Acs-Spark-Livy-Token: lctk-nobody.x")
	s.Await(func() bool { return received.span("outer") != nil && received.span("livy.token") != nil })
	if span := received.span("livy.token"); span.Status.GetCode() != otlp.Status_STATUS_CODE_ERROR {
		t.Errorf("the span of a refused token: %v", span)
	}
	if received.span("livy.policy") != nil {
		t.Error("there is a span of the policy")
	}
	received.mu.Lock()
	defer received.mu.Unlock()
	if bytes.Contains(received.raw.Bytes(), []byte(s.Token)) || bytes.Contains(received.raw.Bytes(), []byte("lctk-nobody")) {
		t.Error("spans have a token")
	}
}

func TestTheClientsTraceIsPassedOn(t *testing.T) {
	double := livytest.New()
	s := caddytest.New(t, double)
	tests := []struct{ name, header, want string }{
		{"none", "", ""},
		{"a trace", traceparent, traceparent},
		{"nonsense", "00-x", ""},
	}
	for _, tt := range tests {
		var headers []string
		if tt.header != "" {
			headers = append(headers, "Traceparent: "+tt.header)
		}
		if r := s.Do("POST", "/batches", `{"file":"file:/data/job.py"}`, headers...); r.StatusCode != http.StatusCreated {
			t.Fatalf("%d %s", r.StatusCode, r.Text)
		}
		if got := confSent(t, double)["spark.livygateway.traceparent"]; got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestOpenLineageIsHandedDown(t *testing.T) {
	double := livytest.New()
	s := caddytest.New(t, double)
	s.Load(strings.Replace(s.Config, "local_dir /data",
		"local_dir /data\n\t\topen_lineage http://lineage.example.com:5000 {\n\t\t\tnamespace team\n\t\t}", 1))
	body := `{"file":"file:/data/job.py","conf":{"spark.openlineage.transport.url":"http://elsewhere","spark.openlineage.parentRunId":"1"}}`
	if r := s.Do("POST", "/batches", body); r.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", r.StatusCode, r.Text)
	}
	conf := confSent(t, double)
	for key, want := range map[string]string{
		"spark.openlineage.transport.type": "http", "spark.openlineage.transport.url": "http://lineage.example.com:5000",
		"spark.openlineage.namespace": "team", "spark.openlineage.parentRunId": "1",
	} {
		if conf[key] != want {
			t.Errorf("%s is %q, want %q", key, conf[key], want)
		}
	}
}
