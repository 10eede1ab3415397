package managedapi

import (
	"fmt"
	"math/rand"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/store/storetest"
)

// TestSignaturesOfSDKs computes the signatures that unmodified SDKs made, for requests with odd
// paths, queries, headers and bodies.
func TestSignaturesOfSDKs(t *testing.T) {
	for i, v := range vectors(t) {
		a, ok := parseAuthorization(v.header("Authorization"))
		if !ok {
			t.Fatalf("request %d: cannot parse %q", i, v.header("Authorization"))
		}
		req, arrived := v.request()
		text, err := canonical(req, arrived, a.signedHeaders)
		if err != nil {
			t.Errorf("request %d, %s: %v", i, v.Target, err)
		} else if got := sign(vectorSecret, text); got != a.signature {
			t.Errorf("request %d, %s: the signature is %s, want %s; canonical request:\n%s", i, v.Target, got, a.signature, text)
		}
	}
}

// authenticationCodes are the codes of requests that are not from who they claim to be.
var authenticationCodes = []string{
	codeIncomplete, codeMismatch, "InvalidAccessKeyId.NotFound", "InvalidTimeStamp.Expired", "InvalidTimeStamp.Format", "MissingAuthorization",
	"UnsupportedSignatureMethod", "SignatureNonceUsed",
}

// TestReplays sends every recorded request to one of two instances, and again to both.
func TestReplays(t *testing.T) {
	t.Parallel()
	a, b := newWorlds(t)
	for i, v := range vectors(t) {
		first, second := a, b
		if i%2 == 1 {
			first, second = b, a
		}
		if got := first.send(&v); slices.Contains(authenticationCodes, got.Code) {
			t.Fatalf("request %d, %s: %s", i, v.Target, &got)
		}
		for _, w := range []*world{first, second} {
			if got := w.send(&v); got.status != http.StatusBadRequest || got.Code != "SignatureNonceUsed" {
				t.Errorf("request %d again: %s", i, &got)
			}
		}
	}
}

// TestMutations changes one thing about recorded requests, ten thousand times: none passes.
func TestMutations(t *testing.T) {
	t.Parallel()
	s, _ := storetest.Mini(t)
	w := newWorld(t, s)
	w.plant(vectorID, vectorSecret, "admin", "*")
	w.plant("lcak-another0000000000", "another-secret", "admin", "*")
	all := vectors(t)
	rnd := rand.New(rand.NewSource(1))
	const times = 10_000
	codes := make(map[string]int)
	for i := range times {
		v := all[rnd.Intn(len(all))]
		v.Headers = slices.Clone(v.Headers)
		what := mutate(rnd, &v)
		got := w.send(&v)
		if !slices.Contains(authenticationCodes, got.Code) || got.status < 400 {
			t.Fatalf("mutation %d (%s) passes: %s\n%+v", i, what, &got, v)
		}
		codes[got.Code]++
	}
	if codes[codeMismatch] < times/2 || codes["SignatureNonceUsed"] > 0 {
		t.Errorf("refused with %v", codes)
	}
	// The nonces of all these were not used up.
	if got := w.send(&all[0]); got.status != http.StatusOK {
		t.Errorf("the request itself: %s", &got)
	}
}

// mutate changes one thing about a signed request, and returns what.
func mutate(rnd *rand.Rand, v *recorded) string {
	set := func(name string, f func(string) string) {
		for i := range v.Headers {
			if strings.EqualFold(v.Headers[i][0], name) {
				v.Headers[i][1] = f(v.Headers[i][1])
			}
		}
	}
	signature := func(f func(string) string) {
		set("Authorization", func(text string) string {
			i := strings.Index(text, "Signature=") + len("Signature=")
			return text[:i] + f(text[i:])
		})
	}
	signedHeaders := func(f func([]string) []string) {
		set("Authorization", func(text string) string {
			before, rest, _ := strings.Cut(text, "SignedHeaders=")
			list, after, _ := strings.Cut(rest, ",Signature=")
			return before + "SignedHeaders=" + strings.Join(f(strings.Split(list, ";")), ";") + ",Signature=" + after
		})
	}
	other := func(digit byte) string {
		for {
			if d := "0123456789abcdefABCDEF"[rnd.Intn(22)]; d != digit {
				return string(d)
			}
		}
	}
	switch n := rnd.Intn(18); n {
	case 0, 1, 2, 3, 4, 5:
		signature(func(s string) string { i := rnd.Intn(len(s)); return s[:i] + other(s[i]) + s[i+1:] })
		return "a digit of the signature"
	case 6:
		signature(func(s string) string {
			i := rnd.Intn(len(s))
			return s[i:] + s[:i] + strings.Repeat("0", rnd.Intn(2)+1)
		})
		return "the signature turned"
	case 7:
		signature(func(s string) string { return s[:rnd.Intn(len(s))] })
		return "a part of the signature"
	case 8:
		set("Authorization", func(s string) string { return strings.Replace(s, vectorID, "lcak-another0000000000", 1) })
		return "another access key"
	case 9:
		signedHeaders(func(list []string) []string { i := rnd.Intn(len(list)); return slices.Delete(list, i, i+1) })
		return "a signed header fewer"
	case 10:
		signedHeaders(func(list []string) []string { list[0], list[1] = list[1], list[0]; return list })
		return "signed headers in another order"
	case 11:
		signedHeaders(func(list []string) []string { return append(list, list[rnd.Intn(len(list))]) })
		return "a signed header twice"
	case 12:
		name := []string{"host", headerAction, headerVersion, headerNonce}[rnd.Intn(4)]
		set(name, func(s string) string { return s + "x" })
		return name
	case 13:
		v.Headers = append(v.Headers, [2]string{"X-Acs-Unsigned", fmt.Sprint(rnd.Int())})
		return "a header that is not signed"
	case 14:
		v.Body += " "
		return "the body"
	case 15:
		path, query, ok := strings.Cut(v.Target, "?")
		if v.Target = path + "x"; ok {
			v.Target += "?" + query
		}
		return "the path"
	case 16:
		if strings.Contains(v.Target, "?") {
			v.Target += "&q" + fmt.Sprint(rnd.Int()) + "="
		} else {
			v.Target += "?regionId=x"
		}
		return "the query"
	default:
		v.Method = map[string]string{"GET": "DELETE", "PUT": "POST", "POST": "PUT", "DELETE": "GET"}[v.Method]
		return "the method"
	}
}

// FuzzCanonicalQuery checks that a query means the same however it was written.
func FuzzCanonicalQuery(f *testing.F) {
	for _, v := range vectors(f) {
		_, query, _ := strings.Cut(v.Target, "?")
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		text, err := canonicalQuery("/?" + query)
		if err != nil {
			return
		}
		if again, err := canonicalQuery("/?" + text); err != nil || again != text {
			t.Errorf("%q becomes %q, and that %q, %v", query, text, again, err)
		}
		for _, c := range []byte(text) {
			if c <= ' ' || c >= 0x7f || strings.IndexByte(`+*!'()~`, c) >= 0 && c != '~' {
				t.Errorf("%q becomes %q, which has the character %q", query, text, c)
			}
		}
	})
}
