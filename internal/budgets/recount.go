package budgets

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
)

// Recount makes the sums of the present day and month at least what the gateways' own sums of
// usage say, and counts what lives. The sums are then right after an upgrade from a version that
// did not keep them, while instances of that version still run, and if Redis lost them. The
// gateways' sums lack gateways that were deleted, so the larger of both counts.
func (s *Service) Recount(ctx context.Context) error {
	list, err := s.Gateways()
	if err != nil {
		return err
	}
	gateways, ids := byID(list), make([]string, len(list))
	for i, g := range list {
		ids[i] = g.ID
	}
	now := s.Now()
	noted, err := s.Store.TokenUsers(ctx)
	if err != nil {
		return err
	}
	tokens, err := s.Tokens(ctx, ids)
	if err != nil {
		return err
	}
	users := withTokens(noted, tokens)
	living, incomplete, err := s.living(ctx, gateways)
	if err != nil {
		return err
	}
	if err := s.complete(ctx, incomplete); err != nil {
		return err
	}
	for _, r := range living {
		if err := s.Store.Hold(ctx, r); err != nil {
			return err
		}
	}
	month, day := SpanOf(Month, now), SpanOf(Day, now)
	usage, err := s.Store.UsageOf(ctx, ids, "")
	if err != nil {
		return err
	}
	// The noted users were read before all that may need them, so none of a new token is removed.
	if err := s.Store.ForgetTokenUsers(ctx, needless(noted, tokens, living, usage)); err != nil {
		return err
	}
	sums := map[string]map[store.Account]store.Amount{month.Name: {}, day.Name: {}}
	for id, rows := range usage {
		for _, u := range rows {
			r := store.Record{GatewayID: id, Workspace: gateways[id].Workspace, TokenID: u.TokenID, User: users[u.TokenID]}
			for period, n := range store.ByPeriod([]store.Usage{u}) {
				if sums[period] == nil {
					continue
				}
				for _, a := range r.Accounts() {
					sum := sums[period][a]
					sum.Add(n)
					sums[period][a] = sum
				}
			}
		}
	}
	for period, of := range sums {
		if err := s.Store.RaiseSpent(ctx, period, of); err != nil {
			return err
		}
	}
	return nil
}

// users returns for whom each token of gateways, and each that was ever used, is counted.
func (s *Service) users(ctx context.Context, gatewayIDs []string) (map[string]string, error) {
	tokens, err := s.Tokens(ctx, gatewayIDs)
	if err != nil {
		return nil, err
	}
	noted, err := s.Store.TokenUsers(ctx)
	if err != nil {
		return nil, err
	}
	return withTokens(noted, tokens), nil
}

// withTokens adds the users of tokens that were never used to those that were noted.
func withTokens(noted map[string]string, tokens map[string]Token) map[string]string {
	users := maps.Clone(noted)
	for id, t := range tokens {
		if users[id] == "" { // otherwise the one for whom it was counted
			users[id] = t.User
		}
	}
	return users
}

// needless returns the noted tokens that are gone and of which nothing lives or was used, as those
// of a gateway that was deleted.
func needless(
	noted map[string]string, tokens map[string]Token, living []*store.Record, usage map[string][]store.Usage,
) (ids []string) {
	needed := make(map[string]bool)
	for id := range tokens {
		needed[id] = true
	}
	for _, r := range living {
		needed[r.TokenID] = true
	}
	for _, rows := range usage {
		for _, u := range rows {
			needed[u.TokenID] = true
		}
	}
	for id := range noted {
		if !needed[id] {
			ids = append(ids, id)
		}
	}
	return ids
}

// living reads all live records. Those of a version that did not record users and workspaces get
// theirs, and are returned as incomplete too.
func (s *Service) living(ctx context.Context, gateways map[string]*gateway.Gateway) (all, incomplete []*store.Record, err error) {
	ids := slices.Collect(maps.Keys(gateways))
	byGateway, err := s.Store.LivingOf(ctx, ids)
	if err != nil {
		return nil, nil, err
	}
	var users map[string]string
	for id, records := range byGateway {
		for _, r := range records {
			all = append(all, r)
			if r.Workspace != "" && (r.User != "" || r.TokenID == "") {
				continue
			}
			if users == nil {
				if users, err = s.users(ctx, ids); err != nil {
					return nil, nil, err
				}
			}
			was := *r
			r.Workspace, r.User = gateways[id].Workspace, cmp.Or(r.User, users[r.TokenID])
			if r.Workspace != was.Workspace || r.User != was.User {
				incomplete = append(incomplete, r)
			}
		}
	}
	return all, incomplete, nil
}

// complete stores what living found out about records, so that their ends count for users and
// workspaces too. Those that are changed meanwhile are left to the next time.
func (s *Service) complete(ctx context.Context, records []*store.Record) error {
	for _, r := range records {
		if err := s.Store.SaveRecords(ctx, store.Fence{}, r.GatewayID, r); err != nil && !errors.Is(err, store.ErrChanged) {
			return err
		}
	}
	return nil
}
