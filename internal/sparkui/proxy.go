package sparkui

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/tokens"
)

// pass sends a request to the UI, without anything that would give access to other places.
func (s *Server) pass(w http.ResponseWriter, r *http.Request, t *target, base, page string) (failed error) {
	changed := t.changedLinks(base)
	proxy := &httputil.ReverseProxy{
		Transport: s.transport,
		ErrorLog:  zap.NewStdLog(s.log),
		Rewrite: func(p *httputil.ProxyRequest) {
			query := p.In.URL.Query()
			query.Del(gateway.SparkUILinkParameter)
			plain, _ := url.PathUnescape(page)
			scheme, host, _ := strings.Cut(t.origin, "://")
			p.Out.URL = &url.URL{Scheme: scheme, Host: host, Path: t.root + "/" + plain, RawQuery: query.Encode()}
			p.Out.Host = host
			if len(changed) > 0 {
				p.Out.Method = http.MethodGet // the length must be that of the changed page
			}
			// An uncompressed page can be changed here.
			for _, name := range []string{
				"Cookie", "Authorization", tokens.Header, "X-Forwarded-Context", "X-Forwarded-For", "Forwarded",
				"Accept-Encoding",
			} {
				p.Out.Header.Del(name)
			}
			if t.finished {
				p.Out.Header.Set("X-Forwarded-Context", base) // a driver has spark.ui.proxyBase
			}
		},
		ModifyResponse: func(resp *http.Response) error {
			maps.DeleteFunc(resp.Header, func(name string, _ []string) bool { return !slices.Contains(headers, name) })
			resp.Header.Set("Cache-Control", "private, no-cache")
			if location := resp.Header.Get("Location"); location != "" {
				to, ok := t.location(base, location)
				if !ok {
					return errUIGone
				}
				resp.Header.Set("Location", to)
			}
			return changeLinks(changed, base, resp, r.Method == http.MethodHead)
		},
		ErrorHandler: func(_ http.ResponseWriter, _ *http.Request, err error) {
			failed = gateway.Wrap(gateway.KindUnavailable, "asking for the Spark UI", err)
		},
	}
	proxy.ServeHTTP(w, r)
	return failed
}

var errUIGone = errors.New("the application has ended")

// location returns the public path of a redirect within the UI. It returns false for a redirect
// out of the UI, which YARN's proxy sends when the application has ended.
func (t *target) location(base, location string) (public string, ok bool) {
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

// maxPage is the largest size of a page whose links are changed.
const maxPage = 16 << 20

// changedLinks returns the paths in links of a Spark UI's pages that are not its public path: the
// path at YARN's proxy, which a driver in client mode uses whatever its settings are, and the
// path that the driver was given, if that belongs to another site.
func (t *target) changedLinks(base string) []string {
	return slices.DeleteFunc([]string{t.links, t.root}, func(path string) bool { return path == "" || path == base })
}

// changeLinks replaces the paths in from by the public path in the links of a page. For a HEAD
// request, it only changes the headers.
func changeLinks(from []string, base string, resp *http.Response, head bool) error {
	if len(from) == 0 {
		return nil
	}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		text, err := io.ReadAll(http.MaxBytesReader(nil, resp.Body, maxPage))
		if err != nil {
			return fmt.Errorf("reading a page: %w", err)
		}
		_ = resp.Body.Close()
		for _, path := range from {
			for _, quote := range []string{`"`, `'`} {
				text = bytes.ReplaceAll(text, []byte(quote+path), []byte(quote+base))
			}
		}
		resp.Body = io.NopCloser(bytes.NewReader(text))
		resp.ContentLength = int64(len(text))
		resp.Header.Set("Content-Length", strconv.Itoa(len(text)))
	}
	if head {
		_ = resp.Body.Close()
		resp.Body = http.NoBody
	}
	return nil
}

// newTransport returns the transport for requests to drivers, YARN and the history server. It is
// used for nothing else.
func newTransport() *http.Transport {
	return &http.Transport{
		DialContext:           (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
		MaxIdleConnsPerHost:   8,
		IdleConnTimeout:       30 * time.Second,
		ResponseHeaderTimeout: 30 * time.Second,
	}
}
