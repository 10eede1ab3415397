package livy_test

import (
	"net/http"
	"testing"

	"github.com/livygateway/livygateway/internal/livy"
)

func TestStoppingPage(t *testing.T) {
	const (
		html     = "text/html;charset=iso-8859-1"
		jetty94  = "<title>Error 404 Not Found</title>\n</head>\n<body><h2>HTTP ERROR 404 Not Found</h2>"
		jetty93  = "<title>Error 404 Not Found</title>\n</head>\n<body><h2>HTTP ERROR 404</h2>\n<p>Problem accessing /sessions. Reason:"
		scalatra = `Requesting "GET /sessions/0/x" on servlet "" but only have: `
	)
	for _, tt := range []struct {
		name   string
		status int
		kind   string
		body   string
		want   bool
	}{
		{"Jetty 9.4", 404, html, jetty94, true},
		{"Jetty 9.3", 404, html, jetty93, true},
		{"unavailable", 503, html, "<h2>HTTP ERROR 503 Service Unavailable</h2>", true},
		{"Livy's own", 404, "application/json", `{"msg":"Session '1' not found."}`, false},
		{"Livy quotes it", 404, "application/json", `{"msg":"HTTP ERROR 404"}`, false},
		{"a route that Livy lacks", 404, html, scalatra, false},
		{"another status", 400, html, "<h2>HTTP ERROR 400</h2>", false},
		{"a success", 200, html, jetty94, false},
	} {
		header := http.Header{"Content-Type": {tt.kind}}
		if got := livy.StoppingPage(tt.status, header, []byte(tt.body)); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
