package tokens_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/tokens"
)

// TestDocs holds docs/tokens.md to what it promises to machines: the pattern
// for secret scanners, an example of the form, and every reason.
func TestDocs(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../../docs/tokens.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	if !strings.Contains(text, "\n"+tokens.SecretPattern+"\n") {
		t.Errorf("the pattern %s is not there", tokens.SecretPattern)
	}
	example := regexp.MustCompile(tokens.SecretPattern).FindString(text)
	s, _ := fake(tokens.Options{})
	want(t, "the example", reason(t, s, gw, example, get), tokens.ReasonUnknown)
	for _, r := range []tokens.Reason{
		tokens.ReasonAmbiguous, tokens.ReasonMissing, tokens.ReasonMalformed, tokens.ReasonUnknown, tokens.ReasonExpired, tokens.ReasonRevoked,
		tokens.ReasonDisabled, tokens.ReasonGateway, tokens.ReasonAddress, tokens.ReasonScope, tokens.ReasonRate, tokens.ReasonFailures, tokens.ReasonUnavailable,
	} {
		if !strings.Contains(text, "`"+string(r)+"`") {
			t.Errorf("the reason %s is not there", r)
		}
	}
	for _, scope := range tokens.AllScopes {
		if !strings.Contains(text, "`"+string(scope)+"`") {
			t.Errorf("the scope %s is not there", scope)
		}
	}
}
