package tokens

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// percent encodes every character, times over.
func percent(text string, times int) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		fmt.Fprintf(&b, "%%%s%02x", strings.Repeat("25", times-1), c)
	}
	return b.String()
}

func TestMask(t *testing.T) {
	const secret = "lgw_0123456789abcdef_0123456789ABCDEFabcdefXYZxyz0000_0FrxTk"
	if !regexp.MustCompile(SecretPattern).MatchString(secret) {
		t.Fatal("the secret of this test is none")
	}
	for text, want := range map[string]string{
		"":                                     "",
		secret:                                 "REDACTED",
		secret + secret:                        "REDACTEDREDACTED",
		"/a/" + secret + "?x=" + secret + "#y": "/a/REDACTED?x=REDACTED#y",
		"x" + secret + "x":                     "xREDACTEDx",
		"l" + secret:                           "lREDACTED",
		"%" + secret:                           "%REDACTED",
		"?t=" + url.QueryEscape(secret):        "?t=REDACTED",
		"?t=" + strings.ReplaceAll(secret, "_", "%5F") + "&b":            "?t=REDACTED&b",
		"?t=" + strings.Replace(secret, "l", "%6C", 1):                   "?t=REDACTED",
		"/" + percent(secret, 1) + "/":                                   "/REDACTED/",
		"/" + percent(secret, 2) + "/":                                   "/REDACTED/",
		"/" + percent(secret, 3) + "/":                                   "/REDACTED/",
		http.CanonicalHeaderKey(secret):                                  "REDACTED",
		strings.ToUpper(secret):                                          "REDACTED",
		secret[:len(secret)-1]:                                           secret[:len(secret)-1],
		"lgw_" + strings.Repeat("-", 60):                                 "lgw_" + strings.Repeat("-", 60),
		strings.Repeat("%6", 40) + "%":                                   strings.Repeat("%6", 40) + "%",
		strings.Repeat("l", 200):                                         strings.Repeat("l", 200),
		strings.Replace(secret, "_0", "-0", 1) + strings.Repeat("x", 20): strings.Replace(secret, "_0", "-0", 1) + strings.Repeat("x", 20),
	} {
		if got := Mask(text); got != want {
			t.Errorf("Mask(%q) is %q, want %q", text, got, want)
		}
	}
	basic := func(login string) string { return base64.StdEncoding.EncodeToString([]byte(login)) }
	harmless := "Basic " + basic("ann:"+strings.Repeat("not a token of ours ", 5))
	for value, want := range map[string]string{
		"Basic " + basic("ann:"+secret):              "Basic REDACTED",
		"basic   " + basic(secret+":"):               "basic REDACTED",
		"Basic " + basic("ann:"+percent(secret, 1)):  "Basic REDACTED",
		"Basic " + basic("ann:"+secret+"!!") + "***": "Basic REDACTED",
		"Basic\t" + basic("ann:"+secret):             "Basic REDACTED",
		"Bearer " + secret:                           "Bearer REDACTED",
		harmless:                                     harmless,
	} {
		if got := MaskCredentials(value); got != want {
			t.Errorf("MaskCredentials(%q) is %q, want %q", value, got, want)
		}
	}
}

// FuzzMask finds texts of which something is left that is a secret.
func FuzzMask(f *testing.F) {
	const secret = "lgw_0123456789abcdef_0123456789ABCDEFabcdefXYZxyz0000_0FrxTk"
	f.Add("a", "b")
	f.Add("%", "25")
	f.Add("lgw_", "%6c")
	f.Fuzz(func(t *testing.T, before, after string) {
		got := Mask(before + secret + after)
		if strings.Contains(got, secret) {
			t.Errorf("of %q is left %q", before+secret+after, got)
		}
		if plain, err := url.PathUnescape(got); err == nil && regexp.MustCompile(SecretPattern).MatchString(plain) {
			t.Errorf("of %q is left %q", before+secret+after, plain)
		}
	})
}

func BenchmarkMask(b *testing.B) {
	for name, text := range map[string]string{
		"a short header": "application/json",
		"a path":         "/api/v1/workspace/default/livycompute/gw-0123456789abcdef/sessions/17/statements/3?x=1",
		"an agent":       "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Mask(text)
			}
		})
	}
}
