// Package sparkui shows the Spark UIs of sessions and batches. It finds them, checks access, and
// passes requests on, with links, headers and cookies changed to be safe for the site.
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

// Options are the options of a Server.
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

// New returns a Server. It does not use the network yet.
func New(o Options) *Server {
	return &Server{
		finder: newFinder(o.Store, o.Runtime, o.Manager), ledger: o.Ledger, tokens: o.Tokens, log: o.Logger,
	}
}

// Visit is a parsed request for a page of a Spark UI.
type Visit struct {
	// Gateway is the gateway of the session or batch.
	Gateway *gateway.Gateway
	// Prefix is the public path of the gateway, without a slash at its end.
	Prefix string
	// Path is the part of the path after gateway.SparkUIPath: the id of a record, and a page.
	Path string
	// Site is the origin of the site that shows all Spark UIs, or "" if there is none.
	Site string
	// Origin is the origin of the reply in the browser, or "" if it is not known.
	Origin string
	// ClientAddr is the address of the client.
	ClientAddr string
}

// Serve answers a request with a page of a record's Spark UI, if the request has a token of the
// gateway, or comes from a browser that opened a signed link. It returns errors before anything
// has been written.
func (s *Server) Serve(w http.ResponseWriter, r *http.Request, v *Visit) error {
	id, page, slash := strings.Cut(v.Path, "/")
	base := v.Prefix + gateway.SparkUIPath + id
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return &livy.Error{
			Status: http.StatusMethodNotAllowed, Message: "the Spark UI is read-only", Allow: "GET, HEAD",
		}
	}
	if badPage(page) {
		return gateway.Errorf(gateway.KindNotFound, "this page of the Spark UI is disabled")
	}
	how, err := s.admit(w, r, v, id, page, base)
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
		return gateway.Errorf(gateway.KindNotFound, "this page does not belong to the application")
	}
	w.Header().Set("Content-Security-Policy", contentPolicy(cmp.Or(v.Site, v.Origin), base))
	return s.pass(w, r, target, base, page)
}

// badPage reports whether a page must not be shown: one that acts on the application or shows its
// threads, or any unusual spelling of a path.
func badPage(page string) bool {
	plain, err := url.PathUnescape(page)
	if err != nil || strings.ContainsAny(plain, "\\;") ||
		plain != "" && plain != "/" && path.Clean("/"+plain) != strings.TrimSuffix("/"+plain, "/") {
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
