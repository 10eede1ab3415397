package gateway_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/gateway"
)

func TestMaskSecrets(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"nothing secret", "spark.app.name etl\n# note\n", "spark.app.name etl\n# note\n"},
		{"a password", "a 1\nspark.ssl.keyPassword = hunter2\nb 2", "a 1\nspark.ssl.keyPassword ***\nb 2"},
		{"an access key", "spark.hadoop.fs.s3a.access.key:hunter2", "spark.hadoop.fs.s3a.access.key ***"},
		{"an Azure key", "spark.hadoop.fs.azure.account.key.x.net hunter2", "spark.hadoop.fs.azure.account.key.x.net ***"},
		{"a secret in a value", "spark.driver.extraJavaOptions -Djavax.net.ssl.trustStorePassword=hunter2", "spark.driver.extraJavaOptions ***"},
		{"a password in a URL", "spark.jars.repositories https://ann:hunter2@example.com/", "spark.jars.repositories ***"},
		{"a line that goes on", "my.secret \\\n  hunter2\nb 2", "my.secret ***\nb 2"},
		{"a word across lines", "my.pass\\\nword hunter2\nb 2", "my.pass ***\nb 2"},
		{"a comment", "# the password is hunter2", "# ***"},
		{"a key of a blacklist", "spark.authenticate.secret\n", "spark.authenticate.secret\n"},
		{"a rule", "force spark.x.token hunter2", "force ***"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := gateway.MaskSecrets(tc.text); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestChanges(t *testing.T) {
	before := gateway.Spec{Name: "etl", CPU: 1, LivyConf: "livy.x.password = hunter2\n", SparkDefaults: "spark.a 1\n"}
	after := before
	after.CPU, after.LivyConf = 2, "livy.x.password = hunter3\n"
	was, is := gateway.Changes(before, after)
	text, err := json.Marshal([]any{was, is})
	if err != nil {
		t.Fatal(err)
	}
	const want = `[{"cpu":1,"livyConf":"livy.x.password ***\n"},{"cpu":2,"livyConf":"livy.x.password ***\n"}]`
	if string(text) != want {
		t.Errorf("got %s, want %s", text, want)
	}
	was, is = gateway.Changes(nil, before)
	if len(was) != 0 || is["name"] != "etl" || strings.Contains(is["livyConf"].(string), "hunter") {
		t.Errorf("of a creation: %v, %v", was, is)
	}
}
