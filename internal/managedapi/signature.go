package managedapi

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/livygateway/livygateway/internal/accesskeys"
	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/gateway"
)

// Headers of signed requests.
const (
	headerAction   = "X-Acs-Action"
	headerVersion  = "X-Acs-Version"
	headerDate     = "X-Acs-Date"
	headerNonce    = "X-Acs-Signature-Nonce"
	headerBodyHash = "X-Acs-Content-Sha256"
	acsPrefix      = "X-Acs-"
)

// algorithm is the only signature that is accepted.
const algorithm = "ACS3-HMAC-SHA256"

// mustSign are the headers that a signature must cover, besides all others that begin with
// x-acs-.
var mustSign = []string{
	"host", "x-acs-action", "x-acs-content-sha256", "x-acs-date", "x-acs-signature-nonce", "x-acs-version",
}

const (
	// clockWindow is how far the date of a request may be from the time of this machine.
	clockWindow = 15 * time.Minute
	// nonceLife is how long a nonce is remembered: for as long as the date of a request may
	// still be accepted, and a little for clocks that differ between instances.
	nonceLife = 2*clockWindow + 2*time.Minute
	maxNonce  = 128
)

// authorization is a parsed Authorization header.
type authorization struct {
	credential    string
	signedHeaders []string
	signature     string
}

// parseAuthorization parses "ACS3-HMAC-SHA256 Credential=ID,SignedHeaders=a;b,Signature=HEX".
func parseAuthorization(text string) (a authorization, ok bool) {
	rest, ok := strings.CutPrefix(text, algorithm+" Credential=")
	if !ok {
		return a, false
	}
	id, rest, ok := strings.Cut(rest, ",SignedHeaders=")
	if !ok {
		return a, false
	}
	headers, signature, ok := strings.Cut(rest, ",Signature=")
	if !ok || id == "" || headers == "" || len(signature) != 2*sha256.Size {
		return a, false
	}
	return authorization{id, strings.Split(headers, ";"), signature}, true
}

// canonical returns the text whose hash is signed. It fails for headers that are missing,
// ambiguous or not signed although they must be.
func canonical(r *http.Request, arrived Arrived, signedHeaders []string) (string, error) {
	query, err := canonicalQuery(arrived.URI)
	if err != nil {
		return "", err
	}
	for _, name := range mustSign {
		if !slices.Contains(signedHeaders, name) {
			return "", refusef(http.StatusBadRequest, codeIncomplete, "SignedHeaders: must contain %s", name)
		}
	}
	for name := range r.Header {
		if strings.HasPrefix(name, acsPrefix) && !slices.Contains(signedHeaders, strings.ToLower(name)) {
			return "", refusef(http.StatusBadRequest, codeIncomplete, "SignedHeaders: must contain %s, which the request has", strings.ToLower(name))
		}
	}
	var b strings.Builder
	b.WriteString(r.Method + "\n" + rawPath(arrived.URI) + "\n" + query + "\n")
	for i, name := range signedHeaders {
		if slices.Contains(signedHeaders[:i], name) {
			return "", refusef(http.StatusBadRequest, codeIncomplete, "SignedHeaders: must not contain %q twice", name)
		}
		value := arrived.Host
		if name != "host" {
			values := r.Header[http.CanonicalHeaderKey(name)]
			if len(values) != 1 || name != strings.ToLower(name) {
				return "", refusef(http.StatusBadRequest, codeIncomplete, "SignedHeaders: the request must have the header %q once", name)
			}
			value = values[0]
		}
		b.WriteString(name + ":" + strings.TrimSpace(value) + "\n")
	}
	b.WriteString("\n" + strings.Join(signedHeaders, ";") + "\n" + r.Header.Get(headerBodyHash))
	return b.String(), nil
}

// sign returns the signature of a canonical request.
func sign(secret, canonical string) string {
	sum := sha256.Sum256([]byte(canonical))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(algorithm + "\n" + hex.EncodeToString(sum[:])))
	return hex.EncodeToString(mac.Sum(nil))
}

// rawPath returns the path of a request target as it was sent.
func rawPath(uri string) string {
	path, _, _ := strings.Cut(uri, "?")
	if i := strings.Index(path, "://"); i > 0 && path[0] != '/' { // the absolute form
		_, path, _ = strings.Cut(path[i+3:], "/")
		path = "/" + path
	}
	return path
}

// parseQuery returns the query of a request target. A parameter may be given once.
func parseQuery(uri string) (map[string]string, error) {
	_, text, _ := strings.Cut(uri, "?")
	values, err := url.ParseQuery(text)
	if err != nil {
		return nil, refusef(http.StatusBadRequest, codeInvalid, "invalid query string: %s", err)
	}
	query := make(map[string]string, len(values))
	for name, v := range values {
		if len(v) != 1 {
			return nil, refusef(http.StatusBadRequest, codeInvalid, "%s: must be given only once", name)
		}
		query[name] = v[0]
	}
	return query, nil
}

// canonicalQuery returns the query as it is signed: sorted, and encoded as in RFC 3986, however
// it was sent.
func canonicalQuery(uri string) (string, error) {
	query, err := parseQuery(uri)
	if err != nil {
		return "", err
	}
	names := make([]string, 0, len(query))
	for name := range query {
		names = append(names, name)
	}
	slices.Sort(names)
	var b strings.Builder
	for i, name := range names {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(encode(name) + "=" + encode(query[name]))
	}
	return b.String(), nil
}

// encode encodes all but unreserved characters (RFC 3986).
func encode(text string) string {
	return strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
}

// Codes of signatures that are not accepted: those of the managed product.
const (
	codeIncomplete = "IncompleteSignature"
	codeMismatch   = "SignatureDoesNotMatch"
)

// signed returns who signed the request.
func (c *call) signed(header string) (caller, error) {
	var nobody caller
	a, ok := parseAuthorization(header)
	if !ok {
		return nobody, refusef(http.StatusBadRequest, codeIncomplete,
			"Authorization: must be %s Credential=ID,SignedHeaders=...,Signature=HEX", algorithm)
	}
	text, err := canonical(c.r, c.arrived, a.signedHeaders)
	if err != nil {
		return nobody, err
	}
	nonce, err := c.checkMessage()
	if err != nil {
		return nobody, err
	}
	key, secret, err := c.Keys.Secret(c.r.Context(), a.credential)
	if err != nil {
		if gateway.KindOf(err) == gateway.KindNotFound {
			return nobody, refusef(http.StatusNotFound, "InvalidAccessKeyId.NotFound", "no access key has the id in Credential")
		}
		return nobody, err
	}
	if subtle.ConstantTimeCompare([]byte(sign(secret, text)), []byte(a.signature)) != 1 {
		return nobody, refusef(http.StatusBadRequest, codeMismatch,
			"the signature does not match the request and the secret of access key %s; a proxy that changes the path or the host also causes this", key.ID)
	}
	who, err := c.keyCaller(key)
	if err != nil {
		return nobody, err
	}
	c.caller = who // for the audit
	if key.State != accesskeys.Active {
		return nobody, refusef(http.StatusForbidden, "InvalidAccessKeyId.Inactive", "access key %s is %s", key.ID, key.State)
	}
	fresh, err := c.Keys.Use(c.r.Context(), key.ID, nonce, nonceLife, c.arrived.Address)
	if err != nil {
		return nobody, err
	}
	if !fresh {
		return nobody, refusef(http.StatusBadRequest, "SignatureNonceUsed", "x-acs-signature-nonce: this request was sent before")
	}
	return who, nil
}

// checkMessage checks the date, the nonce and the hash of the body, and returns the nonce.
func (c *call) checkMessage() (nonce string, err error) {
	date, err := time.Parse("2006-01-02T15:04:05Z", c.r.Header.Get(headerDate))
	if err != nil {
		return "", refusef(http.StatusBadRequest, "InvalidTimeStamp.Format", "x-acs-date: must be a time such as 2026-01-31T12:00:00Z")
	}
	if skew := c.Now().Sub(date); skew > clockWindow || skew < -clockWindow {
		return "", refusef(http.StatusBadRequest, "InvalidTimeStamp.Expired",
			"x-acs-date: must be within 15 minutes of the gateway's time, %s", c.Now().UTC().Format(time.RFC3339))
	}
	if nonce = c.r.Header.Get(headerNonce); nonce == "" || len(nonce) > maxNonce {
		return "", refusef(http.StatusBadRequest, codeIncomplete, "x-acs-signature-nonce: must be 1 to %d characters", maxNonce)
	}
	sum := sha256.Sum256(c.body)
	if subtle.ConstantTimeCompare([]byte(c.r.Header.Get(headerBodyHash)), []byte(hex.EncodeToString(sum[:]))) != 1 {
		return "", refusef(http.StatusBadRequest, codeMismatch, "x-acs-content-sha256: is not the SHA-256 of the request body")
	}
	return nonce, nil
}

// keyCaller returns the caller with an access key.
func (c *call) keyCaller(key *accesskeys.Key) (who caller, err error) {
	rights, err := key.Rights()
	if err != nil {
		return who, err
	}
	return caller{id: key.ID, Caller: api.Caller{
		Rights: &rights,
		Origin: gateway.Origin{Actor: rights.User, Address: c.arrived.Address, Surface: Surface, AccessKey: key.ID},
	}}, nil
}
