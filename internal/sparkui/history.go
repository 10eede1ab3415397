package sparkui

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
)

// pastApp is an application in the list of a history server.
type pastApp struct {
	ID, Name string
	Attempts []struct {
		AttemptID      string
		StartTimeEpoch int64 // milliseconds
	}
}

const (
	// maxPast is the largest number of applications that are examined for one record. For each of
	// them, the history server reads an event log.
	maxPast = 30
	// clocks is the largest difference between the clocks of gateway and cluster.
	clocks = time.Minute
	// unseen is how long after its end an application may be missing from a history server, which
	// looks for new ones every 10 seconds by default.
	unseen = time.Minute
)

// finished finds the application of an ended record at the history server. If the application's
// id is known, only this application is requested. Otherwise, it is searched among the
// applications that began while the record was live. In either case, the application's own
// settings must have the record's id.
func (u *finder) finished(ctx context.Context, h *gateway.HistoryServer, r *store.Record) (*target, error) {
	origin := strings.TrimSuffix(h.URL, "/")
	var apps []pastApp
	var err error
	if r.AppID != "" {
		var app pastApp
		if err = u.ask(ctx, origin+applicationsPath+"/"+escapeApp(r.AppID), &app); err == nil {
			apps = append(apps, app)
		}
	} else {
		apps, err = u.startedDuring(ctx, origin, r)
	}
	for _, app := range apps {
		if len(app.Attempts) == 0 {
			continue
		}
		t := &target{origin: origin, app: app.ID, finished: true, attempt: app.Attempts[0].AttemptID}
		if !u.runs(ctx, origin, t.path(), r.ID) {
			continue
		}
		if r.AppID == "" {
			r.AppID = app.ID
			if err := u.store.SaveRecords(ctx, store.Fence{}, r.GatewayID, r); err != nil {
				u.manager.Logger.Warn("noting an application's id", zap.String("record", r.ID), zap.Error(err))
			}
		}
		return t, nil
	}
	if u.now().Sub(r.Ended) < unseen {
		return nil, gateway.NotNow(
			"%s %s has just ended, and the history server does not show it yet", r.Kind, r.ID)
	}
	if err != nil && ctx.Err() != nil {
		return nil, gateway.Wrap(gateway.KindUnavailable, "asking the history server", err)
	}
	return nil, gateway.Errorf(gateway.KindNotFound,
		"%s %s has ended (%s), and the history server does not know it", r.Kind, r.ID, r.State)
}

// startedDuring returns the applications that began while a record was live, the most likely ones
// first.
func (u *finder) startedDuring(ctx context.Context, origin string, r *store.Record) ([]pastApp, error) {
	const layout = "2006-01-02T15:04:05.000"
	end := r.Ended
	if r.Live() {
		end = u.now()
	}
	query := url.Values{
		"minDate": {r.Created.Add(-clocks).UTC().Format(layout) + "GMT"},
		"maxDate": {end.Add(clocks).UTC().Format(layout) + "GMT"},
	}
	var apps []pastApp
	if err := u.ask(ctx, origin+applicationsPath+"?"+query.Encode(), &apps); err != nil {
		return nil, err
	}
	began := func(a pastApp) int64 {
		if len(a.Attempts) == 0 {
			return 0
		}
		return a.Attempts[len(a.Attempts)-1].StartTimeEpoch
	}
	slices.SortStableFunc(apps, func(a, b pastApp) int {
		if (a.Name == r.Name) != (b.Name == r.Name) {
			if a.Name == r.Name {
				return -1
			}
			return 1
		}
		return cmp.Compare(began(a), began(b))
	})
	return apps[:min(len(apps), maxPast)], nil
}

// path returns the application, and its attempt if there are several, as in paths of the history
// server.
func (t *target) path() string {
	if t.attempt == "" {
		return escapeApp(t.app)
	}
	return escapeApp(t.app) + "/" + escapeApp(t.attempt)
}

// historyPage reports whether a page of the history server belongs to the application, or is a
// static file of all pages.
func (t *target) historyPage(page string) bool {
	app, err := url.PathUnescape(page)
	if err != nil {
		return false
	}
	for _, own := range []string{"history/" + t.app, strings.TrimPrefix(applicationsPath, "/") + "/" + t.app} {
		if app == own || strings.HasPrefix(app, own+"/") {
			return true
		}
	}
	return strings.HasPrefix(app, "static/")
}

// toHistory redirects the browser to the application's first page at the history server, and
// reports whether it did.
func (t *target) toHistory(w http.ResponseWriter, r *http.Request, base, page string) bool {
	if !t.finished || page != "" {
		return false
	}
	http.Redirect(w, r, base+"/history/"+t.path()+"/jobs/", http.StatusFound)
	return true
}
