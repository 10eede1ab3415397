// Package sparkui shows the Spark UIs of sessions and batches: it finds where one is, lets
// in who may see it, and passes requests on to it with its links, headers and cookies
// made safe for the site that it is shown on.
package sparkui

import (
	"cmp"
	"net/http"
	"net/url"
	"path"
	"strings"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/control"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/tokens"
	"github.com/livygateway/livygateway/upstream"
)

// Options are what a Server works with.
type Options struct {
	Store   *store.Store
	Ledger  *sessions.Ledger
	Tokens  *tokens.Service
	Runtime upstream.Runtime
	Manager *control.Manager
	Logger  *zap.Logger
}

// Server shows the Spark UIs of all gateways.
type Server struct {
	*finder
	ledger *sessions.Ledger
	tokens *tokens.Service
	log    *zap.Logger
}

// New returns a Server. It asks nobody yet.
func New(o Options) *Server {
	return &Server{
		finder: newFinder(o.Store, o.Runtime, o.Manager), ledger: o.Ledger, tokens: o.Tokens, log: o.Logger,
	}
}

// Visit is a request for a page of a Spark UI, as far as it is understood already.
type Visit struct {
	// Gateway is the one whose session or batch it is.
	Gateway *gateway.Gateway
	// Prefix is the public path of the gateway, without a slash at its end.
	Prefix string
	// Path is what follows gateway.SparkUIPath: the id of a record, and a page.
	Path string
	// Site is the origin of the site that shows all Spark UIs, "" if there is none.
	Site string
	// Origin is the origin of the answer in the browser, "" if that is not known.
	Origin string
	// ClientAddr is where the request comes from.
	ClientAddr string
}

// Serve answers a request with a page of the Spark UI of one record, for who has a token
// of the gateway, or in a browser that opened a signed link. Failures are returned before
// anything is written.
func (s *Server) Serve(w http.ResponseWriter, r *http.Request, v *Visit) error {
	id, page, slash := strings.Cut(v.Path, "/")
	base := v.Prefix + gateway.SparkUIPath + id
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return &livy.Error{Status: http.StatusMethodNotAllowed, Message: "the Spark UI is read-only", Allow: "GET, HEAD"}
	}
	if badPage(page) {
		return gateway.Errorf(gateway.KindNotFound, "this page of the Spark UI is switched off")
	}
	how, err := s.admit(w, r, v, id, base)
	if err != nil || how == admittedByLink {
		return err
	}
	if !slash {
		http.Redirect(w, r, base+"/", http.StatusFound)
		return nil
	}
	target, err := s.find(r.Context(), v.Gateway, id)
	if err != nil {
		return err
	}
	if target.toHistory(w, r, base, page) {
		return nil
	}
	if target.finished && !target.historyPage(page) {
		return gateway.Errorf(gateway.KindNotFound, "this page is not one of the application's")
	}
	w.Header().Set("Content-Security-Policy", contentPolicy(cmp.Or(v.Site, v.Origin), base))
	return s.pass(w, r, target, base, page)
}

// badPage reports whether a page must not be seen: what acts on the application or
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

func errNoRecord(id string) error {
	return gateway.Errorf(gateway.KindNotFound, "no session or batch %q has a Spark UI here", id)
}
