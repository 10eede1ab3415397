package caddymodule

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/control"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/tokens"
)

// uiParameter and uiCookie carry the signatures that let browsers in.
const (
	uiParameter = "livy_ui"
	uiCookie    = "livy_ui"
)

// serveSparkUI serves the Spark UI of one record: with a token of the gateway, or
// in a browser that opened a signed link. It reports false for other paths.
func (h *Gateway) serveSparkUI(w http.ResponseWriter, r *http.Request) (bool, error) {
	e, prefix, rest, err := h.endpoint(r)
	if err != nil {
		return false, nil //nolint:nilerr // the caller finds out the same
	}
	rest, ok := strings.CutPrefix(rest, gateway.SparkUIPath)
	if !ok {
		return false, nil
	}
	site := h.core.manager.SparkUISite()
	if h.uiSite != (site != "") {
		return true, errUIElsewhere(site)
	}
	id, page, slash := strings.Cut(rest, "/")
	base := prefix + gateway.SparkUIPath + id
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return true, &livy.Error{Status: http.StatusMethodNotAllowed, Message: "the Spark UI can be looked at only", Allow: "GET, HEAD"}
	}
	if bad := badPage(page); bad {
		return true, gateway.Errorf(gateway.KindNotFound, "this page of the Spark UI is switched off")
	}
	who, err := h.admitToUI(w, r, e, id, base, site)
	if err != nil || who == admittedByLink {
		return true, err
	}
	if !slash {
		http.Redirect(w, r, base+"/", http.StatusFound)
		return true, nil
	}
	target, err := h.core.ui.find(r.Context(), e.Gateway, id)
	if err != nil {
		return true, err
	}
	if target.toHistory(w, r, base, page) {
		return true, nil
	}
	if target.finished && !target.historyPage(page) {
		return true, gateway.Errorf(gateway.KindNotFound, "this page is not one of the application's")
	}
	w.Header().Set("Content-Security-Policy", uiPolicy(cmp.Or(site, browserOrigin(r)), base))
	h.proxyUI(target, base, page).ServeHTTP(w, r)
	return true, nil
}

// errUIElsewhere answers where no Spark UIs are shown.
func errUIElsewhere(site string) error {
	if site == "" {
		return gateway.Errorf(gateway.KindNotFound, "no Spark UIs are shown here: the gateways' own sites do")
	}
	return gateway.Errorf(gateway.KindNotFound, "no Spark UIs are shown here: %s does, and caddy livy session ui makes a link", site)
}

// badPage says whether a page must not be seen: what acts on the application or
// looks into its threads, and every odd spelling of a path.
func badPage(page string) bool {
	plain, err := url.PathUnescape(page)
	if err != nil || plain != "" && path.Clean("/"+plain) != strings.TrimSuffix("/"+plain, "/") && plain != "/" || strings.ContainsAny(plain, "\\;") {
		return true
	}
	for segment := range strings.SplitSeq(strings.ToLower(plain), "/") {
		switch segment {
		case "kill", "threaddump", "threads", "heaphistogram":
			return true
		}
	}
	return false
}

// admission is how somebody came to see a Spark UI.
type admission int

const (
	admitted       admission = iota + 1
	admittedByLink           // answered with a cookie and the way to the page
)

// admitToUI lets in who has a token, a cookie or a link.
// A link or a cookie of another site is none here.
func (h *Gateway) admitToUI(w http.ResponseWriter, r *http.Request, e *control.Entry, id, base, site string) (admission, error) {
	if link := r.URL.Query().Get(uiParameter); link != "" {
		ok, err := h.core.ledger.CheckUI(r.Context(), sessions.UILink(site), id, link)
		if err != nil {
			return 0, err
		}
		if !ok {
			return 0, gateway.Errorf(gateway.KindForbidden, "this link is not valid any more: make a new one")
		}
		value, err := h.core.ledger.SignUI(r.Context(), sessions.UICookie(site), id, sessions.UICookieLife)
		if err != nil {
			return 0, err
		}
		http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure wherever the site is
			Name: uiCookie, Value: value, Path: base, MaxAge: int(sessions.UICookieLife.Seconds()),
			HttpOnly: true, SameSite: http.SameSiteLaxMode,
			Secure: r.TLS != nil || strings.HasPrefix(cmp.Or(site, browserOrigin(r)), "https:"),
		})
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Referrer-Policy", "no-referrer")
		http.Redirect(w, r, base+"/", http.StatusFound)
		return admittedByLink, nil
	}
	if cookie, err := r.Cookie(uiCookie); err == nil {
		if ok, err := h.core.ledger.CheckUI(r.Context(), sessions.UICookie(site), id, cookie.Value); ok || err != nil {
			return admitted, err
		}
	}
	presented, _, err := tokens.FromRequest(r.Header)
	if err != nil {
		return 0, err
	}
	token, err := h.core.tokens.Verify(r.Context(), e.Gateway.ID, presented, tokens.Attempt{
		Method: r.Method, RemoteAddr: clientAddr(r), UserAgent: r.UserAgent(),
	})
	if err != nil {
		return 0, err
	}
	record, err := h.core.ui.record(r.Context(), e.Gateway.ID, id)
	if err != nil {
		return 0, err
	}
	kind := tokens.AccessSessions
	if record.Kind == string(livy.KindBatch) {
		kind = tokens.AccessBatches
	}
	if e.Gateway.Spec.Isolated && record.TokenID != token.ID {
		return 0, errNoRecord(id)
	}
	if err := token.Allows(tokens.AccessRead | kind); err != nil {
		return 0, err
	}
	return admitted, nil
}

func errNoRecord(id string) error {
	return gateway.Errorf(gateway.KindNotFound, "no session or batch %q has a Spark UI here", id)
}

// proxyUI passes a request on to where the UI is, without anything that could
// let it in elsewhere.
func (h *Gateway) proxyUI(t uiTarget, base, page string) *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Transport: h.core.ui.transport,
		ErrorLog:  zap.NewStdLog(h.log),
		Rewrite: func(p *httputil.ProxyRequest) {
			query := p.In.URL.Query()
			query.Del(uiParameter)
			plain, _ := url.PathUnescape(page)
			scheme, host, _ := strings.Cut(t.origin, "://")
			p.Out.URL = &url.URL{Scheme: scheme, Host: host, Path: t.root + "/" + plain, RawQuery: query.Encode()}
			p.Out.Host = host
			// What is sent uncompressed can be read here.
			for _, name := range []string{"Cookie", "Authorization", tokens.Header, "X-Forwarded-Context", "X-Forwarded-For", "Forwarded", "Accept-Encoding"} {
				p.Out.Header.Del(name)
			}
			if t.finished {
				p.Out.Header.Set("X-Forwarded-Context", base) // a driver has its spark.ui.proxyBase
			}
		},
		ModifyResponse: func(resp *http.Response) error {
			maps.DeleteFunc(resp.Header, func(name string, _ []string) bool { return !slices.Contains(uiHeaders, name) })
			resp.Header.Set("Cache-Control", "private, no-cache")
			if location := resp.Header.Get("Location"); location != "" {
				to, ok := t.location(base, location)
				if !ok {
					return errUIGone
				}
				resp.Header.Set("Location", to)
			}
			return t.rewrite(base, resp)
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			h.fail(w, r, gateway.Wrap(gateway.KindUnavailable, "asking for the Spark UI", err))
		},
	}
}

var errUIGone = errors.New("the application has ended")

// location is the public path of where the UI sends the browser. It is false for
// a way out of the UI, which YARN's proxy shows when the application has ended.
func (t uiTarget) location(base, location string) (public string, ok bool) {
	to, err := url.Parse(location)
	if err != nil {
		return base + "/", true
	}
	query := ""
	if to.RawQuery != "" {
		query = "?" + to.RawQuery
	}
	for _, prefix := range []string{base, cmp.Or(t.links, base), t.root} {
		page, found := strings.CutPrefix(to.EscapedPath(), prefix)
		if found && (page == "" || page[0] == '/') {
			return base + cmp.Or(page, "/") + query, true
		}
	}
	return "", false
}

// maxPage bounds a page whose links are changed.
const maxPage = 16 << 20

// rewrite changes the links of a page to the public path: from the path at YARN's
// proxy, which a driver in client mode writes whatever its settings say, and from the
// one that the driver was given, where that was another site's.
func (t uiTarget) rewrite(base string, resp *http.Response) error {
	written := slices.DeleteFunc([]string{t.links, t.root}, func(path string) bool { return path == "" || path == base })
	if len(written) == 0 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		return nil
	}
	text, err := io.ReadAll(http.MaxBytesReader(nil, resp.Body, maxPage))
	if err != nil {
		return fmt.Errorf("reading a page: %w", err)
	}
	_ = resp.Body.Close()
	for _, path := range written {
		for _, quote := range []string{`"`, `'`} {
			text = bytes.ReplaceAll(text, []byte(quote+path), []byte(quote+base))
		}
	}
	resp.Body = io.NopCloser(bytes.NewReader(text))
	resp.ContentLength = int64(len(text))
	resp.Header.Set("Content-Length", strconv.Itoa(len(text)))
	return nil
}

// uiTransport reaches drivers, YARN and the history server; nothing else is
// dialled through it.
func uiTransport() *http.Transport {
	return &http.Transport{
		DialContext:           (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
		MaxIdleConnsPerHost:   8,
		IdleConnTimeout:       30 * time.Second,
		ResponseHeaderTimeout: 30 * time.Second,
	}
}

// record reads a record, or what is remembered of it.
func (u *sparkUIs) record(ctx context.Context, gatewayID, id string) (*store.Record, error) {
	r, err := u.store.RecordByID(ctx, gatewayID, id)
	if gateway.KindOf(err) == gateway.KindNotFound {
		return nil, errNoRecord(id)
	}
	return r, err
}
