package sparkui

import (
	"cmp"
	"net/http"
	"strings"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/tokens"
)

// cookieName is the name of the cookie that a browser gets from a link.
const cookieName = "livy_ui"

// admission is how a request was admitted.
type admission int

const (
	admitted       admission = iota + 1
	admittedByLink           // answered with a cookie and a redirect to the page
)

// admit checks the token, cookie or link of a request. Links and cookies of other sites are not
// valid here.
func (s *Server) admit(w http.ResponseWriter, r *http.Request, v *Visit, id, page, base string) (admission, error) {
	if link := r.URL.Query().Get(gateway.SparkUILinkParameter); link != "" {
		return admittedByLink, s.openLink(w, r, v, id, page, base, link)
	}
	if ok, err := s.hasCookie(r, v, id); ok || err != nil {
		return admitted, err
	}
	return admitted, s.checkToken(r, v, id)
}

// hasCookie reports whether a request comes from a browser that opened a link a while ago.
func (s *Server) hasCookie(r *http.Request, v *Visit, id string) (bool, error) {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return false, nil //nolint:nilerr // there is none
	}
	return s.ledger.CheckUI(r.Context(), sessions.UICookie(v.Site), id, cookie.Value)
}

// openLink checks a signed link, and gives the browser a cookie for this one Spark UI and a
// redirect to the page without the signature. A browser with a cookie may open old links.
func (s *Server) openLink(w http.ResponseWriter, r *http.Request, v *Visit, id, page, base, link string) error {
	ok, err := s.ledger.CheckUI(r.Context(), sessions.UILink(v.Site), id, link)
	if err != nil {
		return err
	}
	if !ok {
		if ok, err = s.hasCookie(r, v, id); err != nil {
			return err
		}
		if !ok {
			return gateway.Errorf(gateway.KindForbidden, "this link is not valid any more: "+
				"ask for the session or batch again, whose sparkUiUrl is a new link, or use caddy livy session ui")
		}
		redirectToPage(w, r, base, page)
		return nil
	}
	value, err := s.ledger.SignUI(r.Context(), sessions.UICookie(v.Site), id, sessions.UICookieLife)
	if err != nil {
		return err
	}
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure if the site uses HTTPS
		Name: cookieName, Value: value, Path: base, MaxAge: int(sessions.UICookieLife.Seconds()),
		HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: r.TLS != nil || strings.HasPrefix(cmp.Or(v.Site, v.Origin), "https:"),
	})
	redirectToPage(w, r, base, page)
	return nil
}

// redirectToPage leads a browser to a page without the signature that the link to it had.
func redirectToPage(w http.ResponseWriter, r *http.Request, base, page string) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	http.Redirect(w, r, base+"/"+page, http.StatusFound)
}

// checkToken verifies a request's token for a record.
func (s *Server) checkToken(r *http.Request, v *Visit, id string) error {
	presented, _, err := tokens.FromRequest(r.Header)
	if err != nil {
		return err
	}
	token, err := s.tokens.Verify(r.Context(), v.Gateway.ID, presented, tokens.Attempt{
		Method: r.Method, RemoteAddr: v.ClientAddr, UserAgent: r.UserAgent(),
	})
	if err != nil {
		return err
	}
	record, err := s.record(r.Context(), v.Gateway.ID, id)
	if err != nil {
		return err
	}
	kind := tokens.AccessSessions
	if record.Kind == string(livy.KindBatch) {
		kind = tokens.AccessBatches
	}
	if v.Gateway.Spec.Isolated && record.TokenID != token.ID {
		return errNoRecord(id)
	}
	return token.Allows(tokens.AccessRead | kind)
}
