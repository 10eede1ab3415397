// Package managedtest signs requests as the SDKs of the managed product do, for tests.
package managedtest

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Sign signs a request with an access key. Its URL is what will be sent.
func Sign(r *http.Request, id, secret, action, body string) {
	sum := sha256.Sum256([]byte(body))
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	headers := map[string]string{
		"host": host, "x-acs-action": action, "x-acs-version": "2023-08-08",
		"x-acs-date": time.Now().UTC().Format("2006-01-02T15:04:05Z"), "x-acs-signature-nonce": rand.Text(),
		"x-acs-content-sha256": hex.EncodeToString(sum[:]),
	}
	var names, lines []string
	for name, value := range headers {
		if name != "host" {
			r.Header.Set(name, value)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		lines = append(lines, name+":"+headers[name]+"\n")
	}
	signed := strings.Join(names, ";")
	canonical := sha256.Sum256([]byte(strings.Join([]string{
		r.Method, r.URL.EscapedPath(), query(r.URL.Query()), strings.Join(lines, ""), signed, headers["x-acs-content-sha256"],
	}, "\n")))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("ACS3-HMAC-SHA256\n" + hex.EncodeToString(canonical[:])))
	r.Header.Set("Authorization", "ACS3-HMAC-SHA256 Credential="+id+",SignedHeaders="+signed+",Signature="+hex.EncodeToString(mac.Sum(nil)))
}

func query(values url.Values) string {
	return strings.ReplaceAll(values.Encode(), "+", "%20")
}
