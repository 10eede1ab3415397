package caddymodule

import (
	"fmt"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/doctor"
)

func TestExamineSparkUIs(t *testing.T) {
	const history = "history_server http://127.0.0.1:18080"
	const separate = history + "\nspark_ui http://ui.test:28101"
	tests := []struct {
		name, livy, sites, check string
		want                     doctor.Status
		says                     string
	}{
		{"no UIs at all", "", "http://a.test:28101 {\nlivy_api\nlivy_gateway\n}", "Spark UIs :28101", "", ""},
		{"gateways alone", history, "http://a.test:28101 {\nlivy_gateway\n}", "Spark UIs :28101", "", ""},
		{"the API beside them", history, "http://a.test:28101 {\nlivy_api\nlivy_gateway\n}", "Spark UIs :28101", doctor.Warn, "livy_api is on the same host"},
		{"the API beside them, by path", history, "http://a.test:28101 {\nhandle /v1/* {\nlivy_api\n}\nhandle {\nlivy_gateway\n}\n}", "Spark UIs :28101", doctor.Warn, "livy_api"},
		{"the API beside them, on all hosts", history, ":28101 {\nlivy_api\nlivy_gateway\n}", "Spark UIs :28101", doctor.Warn, "livy_api"},
		{"the API on another host", history, "http://a.test:28101 {\nlivy_gateway\n}\nhttp://b.test:28101 {\nlivy_api\n}", "Spark UIs :28101", "", ""},
		{"a site of their own", separate, "http://a.test:28101 {\nlivy_api\nlivy_gateway\n}\nhttp://ui.test:28101 {\nlivy_spark_ui\n}", "Spark UIs :28101", doctor.OK, ""},
		{"a site that is not their own", separate, "http://ui.test:28101 {\nlivy_spark_ui /api/v1/*\nlivy_api\n}", "Spark UIs :28101", doctor.Warn, "livy_api"},
		{"gateways on their site", separate, "http://ui.test:28101 {\n@ui path */spark-ui/*\nlivy_spark_ui @ui\nlivy_gateway\n}", "Spark UIs :28101", doctor.Warn, "livy_gateway"},
		{"no site for links", separate, "http://a.test:28101 {\nlivy_gateway\n}", "site of Spark UIs", doctor.Warn, "lead nowhere"},
		{"a site of another name", separate, "http://a.test:28101 {\nlivy_spark_ui\n}", "site of Spark UIs", doctor.Warn, "lead nowhere"},
		{"another port only", separate, "http://ui.test:28102 {\nlivy_gateway\n}\nhttp://ui.test:28101 {\nlivy_spark_ui\n}", "site of Spark UIs", doctor.Warn, "all of its ports"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			report := examined(t, "", "", tt.sites, tt.livy)
			if got := statuses(report)[tt.check]; got != tt.want {
				t.Errorf("%s: %q, want %q, in %+v", tt.check, got, tt.want, report.Results)
			}
			if text := fmt.Sprintf("%+v", report.Results); !strings.Contains(text, tt.says) {
				t.Errorf("want %q: %s", tt.says, text)
			}
		})
	}
}
