package budgets

import (
	"context"
	"time"

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
	users, err := s.Users(ctx, ids)
	if err != nil {
		return err
	}
	noted, err := s.Store.TokenUsers(ctx)
	if err != nil {
		return err
	}
	for token, user := range noted { // for whom it was counted
		users[token] = user
	}
	living, err := s.living(ctx, gateways)
	if err != nil {
		return err
	}
	for _, r := range living {
		if r.User == "" {
			r.User = users[r.TokenID]
		}
		if err := s.Store.Hold(ctx, r); err != nil {
			return err
		}
	}
	month, day := SpanOf(Month, now), SpanOf(Day, now)
	usage, err := s.Store.UsageOf(ctx, ids, month.From.Format(time.DateOnly))
	if err != nil {
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
