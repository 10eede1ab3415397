package budgets

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
)

// Standing is what an account has used of a budget in the present period.
type Standing struct {
	Budget *Budget
	store.Account
	// Label is the account's name for people: workspace/name of a gateway, the id of a token.
	Label string
	// Token is what is known of the token, if it is one.
	Token Token
	Span
	// Used is what has ended and what runs, up to now, without reservations.
	Used store.Amount
}

// Use is what was used of one resource of a budget, and its bounds, in hours.
type Use struct {
	Resource         string
	Used, Soft, Hard float64
}

// Uses lists the resources that the budget bounds.
func (s *Standing) Uses() (all []Use) {
	if b := s.Budget.VCoreHours; b != (Bounds{}) {
		all = append(all, Use{VCoreHours, float64(s.Used.MilliCPUSeconds) / milliCPUHour, b.Soft, b.Hard})
	}
	if b := s.Budget.GBHours; b != (Bounds{}) {
		all = append(all, Use{GBHours, float64(s.Used.MBSeconds) / mbHour, b.Soft, b.Hard})
	}
	return all
}

// Ratio is the largest part of a bound that is used: of the hard ones, or of the soft one of a
// resource that has no other.
func (s *Standing) Ratio() (ratio float64) {
	for _, u := range s.Uses() {
		ratio = max(ratio, u.Used/cmp.Or(u.Hard, u.Soft))
	}
	return ratio
}

// Over returns 1 for each kind of bound of which one is reached, otherwise 0.
func (s *Standing) Over() (soft, hard int) {
	for _, u := range s.Uses() {
		if u.Soft > 0 && u.Used >= u.Soft {
			soft = 1
		}
		if u.Hard > 0 && u.Used >= u.Hard {
			hard = 1
		}
	}
	return soft, hard
}

// Breach is a bound that was reached.
type Breach struct {
	Budget   string
	Account  store.Account
	Label    string
	Period   string
	Resource string
	// Hard reports whether it is the hard bound.
	Hard bool
	// Used and Limit are in hours.
	Used, Limit float64
	Reset       time.Time
}

// key identifies the breach: each is reported once.
func (b *Breach) key(span Span) string {
	bound := "soft"
	if b.Hard {
		bound = "hard"
	}
	return fmt.Sprintf("budget %s %s %s %s %s %s", b.Budget, span.Name, b.Resource, bound, b.Account.Per, b.Account.Name)
}

// Text is a sentence for people.
func (b *Breach) Text() string {
	bound := "soft"
	if b.Hard {
		bound = "hard"
	}
	return fmt.Sprintf("%s %s has reached the %s bound of the budget %s: %s of %s %s a %s", b.Account.Per, b.Label, bound, b.Budget,
		hours(b.Used), hours(b.Limit), strings.ReplaceAll(b.Resource, "_", "-"), b.Period)
}

// recountInterval is the pause between two counts of what was used from the records' own sums,
// and recountAgain that after one that failed, such as before the gateways are known.
const (
	recountInterval = time.Hour
	recountAgain    = time.Second
)

// Run watches what runs, and reports bounds that are reached, until ctx ends.
func (s *Service) Run(ctx context.Context) {
	tick := time.NewTicker(s.Interval)
	defer tick.Stop()
	recount := time.NewTimer(s.recountNow(ctx))
	defer recount.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case r := <-s.reached:
			s.report(ctx, r)
		case <-recount.C:
			recount.Reset(s.recountNow(ctx))
		case <-tick.C:
			s.watch(ctx)
		}
	}
}

// recountNow counts what was used, and returns the pause until the next time.
func (s *Service) recountNow(ctx context.Context) time.Duration {
	if err := s.Recount(ctx); err != nil {
		if ctx.Err() == nil {
			s.Logger.Debug("cannot count what was used", zap.Error(err))
		}
		return recountAgain
	}
	return recountInterval
}

// watch looks once at what runs.
func (s *Service) watch(ctx context.Context) {
	if len(s.settings.Load().Budgets) == 0 {
		s.last.Store(nil)
		return
	}
	all, living, incomplete, err := s.standings(ctx)
	if err == nil {
		err = s.complete(ctx, incomplete)
	}
	if err != nil {
		if ctx.Err() == nil {
			s.Logger.Warn("cannot look at what is used of budgets", zap.Error(err))
		}
		return
	}
	s.last.Store(&all)
	for i := range all {
		st := &all[i]
		for _, u := range st.Uses() {
			breach := Breach{
				Budget: st.Budget.Name, Account: st.Account, Label: st.Label, Period: st.Budget.Period,
				Resource: u.Resource, Used: u.Used, Reset: st.Until,
			}
			if u.Soft > 0 && u.Used >= u.Soft {
				breach.Limit = u.Soft
				s.Report(ctx, breach.key(st.Span), breach)
			}
			if u.Hard > 0 && u.Used >= u.Hard {
				breach.Hard, breach.Limit = true, u.Hard
				s.Report(ctx, breach.key(st.Span), breach)
				if st.Budget.OnExceed == Stop {
					s.stop(ctx, &breach, living)
				}
			}
		}
	}
}

// report reports a bound that a create reached.
func (s *Service) report(ctx context.Context, r store.Reached) {
	bound := r.Soft
	if r.Exceeded {
		bound = r.Hard
	}
	b := Breach{Budget: r.Budget, Account: r.Account, Label: r.Name, Period: periodOf(r.Period), Hard: r.Exceeded}
	b.Resource, b.Used, b.Limit = inHours(r.Memory, r.Used, bound)
	if r.Per == store.PerGateway {
		if all, err := s.Gateways(); err == nil {
			b.Label = labelOf(r.Account, byID(all))
		}
	}
	span := SpanOf(b.Period, r.From)
	b.Reset = span.Until
	s.Report(ctx, b.key(span), b)
}

// stop ends what runs of an account that has reached a hard bound.
func (s *Service) stop(ctx context.Context, b *Breach, living []*store.Record) {
	for _, r := range living {
		if !slices.Contains(r.Accounts(), b.Account) {
			continue
		}
		reason := fmt.Sprintf("the budget %s (%s %s a %s)", b.Budget, hours(b.Limit), b.Resource, b.Period)
		if err := s.Stop(ctx, r, reason); err != nil && ctx.Err() == nil {
			s.Logger.Warn("cannot stop what has reached a budget", zap.String("budget", b.Budget),
				zap.String("record", r.ID), zap.Error(err))
		}
	}
}

// currentLife is how long what Current returns is kept, however many ask.
const currentLife = 2 * time.Second

// lookTimeout bounds a look that several callers of Current share.
const lookTimeout = 30 * time.Second

// Current returns what is used of all budgets, at most 2 seconds old: those with the largest part
// first.
func (s *Service) Current(ctx context.Context) ([]Standing, error) {
	if c := s.current.Load(); c != nil {
		if age := s.Now().Sub(c.at); age >= 0 && age < currentLife {
			return c.all, nil
		}
	}
	// Callers share one look, and each waits for it no longer than it wants to. It goes on for
	// the others.
	shared := s.looks.DoChan("", func() (any, error) {
		looking, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookTimeout)
		defer cancel()
		c := &look{at: s.Now()}
		var err error
		if c.all, _, _, err = s.standings(looking); err != nil {
			return nil, err
		}
		s.current.Store(c)
		return c, nil
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case done := <-shared:
		if done.Err != nil {
			return nil, done.Err
		}
		return done.Val.(*look).all, nil
	}
}

// look is what Current found at a time.
type look struct {
	all []Standing
	at  time.Time
}

// Last returns what this instance found last; nil if it has not looked yet.
func (s *Service) Last() []Standing {
	if all := s.last.Load(); all != nil {
		return *all
	}
	return nil
}

func byID(all []*gateway.Gateway) map[string]*gateway.Gateway {
	m := make(map[string]*gateway.Gateway, len(all))
	for _, g := range all {
		m[g.ID] = g
	}
	return m
}

func labelOf(a store.Account, gateways map[string]*gateway.Gateway) string {
	if g := gateways[a.Name]; a.Per == store.PerGateway && g != nil {
		return g.Ref()
	}
	return a.Name
}

// standings reads what is used of all budgets, and what lives; see living.
func (s *Service) standings(ctx context.Context) (all []Standing, living, incomplete []*store.Record, err error) {
	settings, now := s.settings.Load(), s.Now()
	list, err := s.Gateways()
	if err != nil {
		return nil, nil, nil, err
	}
	gateways := byID(list)
	if living, incomplete, err = s.living(ctx, gateways); err != nil {
		return nil, nil, nil, err
	}
	tokens, err := s.tokens(ctx, settings, gateways, living)
	if err != nil {
		return nil, nil, nil, err
	}
	all = []Standing{} // for Last, which returns nil before the first look
	spent := make(map[string]map[store.Account]store.Amount)
	for i := range settings.Budgets {
		b := &settings.Budgets[i]
		span := SpanOf(b.Period, now)
		if spent[span.Name] == nil {
			sums, err := s.Store.Spent(ctx, span.Name)
			if err != nil {
				return nil, nil, nil, err
			}
			for _, r := range living {
				used := r.UsedAt(now, span.From, 0)
				for _, a := range r.Accounts() {
					sum := sums[a]
					sum.Add(used)
					sums[a] = sum
				}
			}
			spent[span.Name] = sums
		}
		for a, used := range spent[span.Name] {
			if a.Per != b.Per {
				continue
			}
			st := Standing{Budget: b, Account: a, Label: labelOf(a, gateways), Span: span, Used: used}
			if a.Per == store.PerToken {
				st.Token = tokens[a.Name]
			}
			if b.Matches(st.Label, st.Token.Name) {
				all = append(all, st)
			}
		}
	}
	slices.SortFunc(all, func(a, b Standing) int {
		return cmp.Or(-cmp.Compare(a.Ratio(), b.Ratio()), cmp.Compare(a.Budget.Name, b.Budget.Name), cmp.Compare(a.Label, b.Label))
	})
	return all, living, incomplete, nil
}

// tokens returns tokens by id, if there are budgets for tokens: those that there are, and those
// that something lives of.
func (s *Service) tokens(
	ctx context.Context, settings *Settings, gateways map[string]*gateway.Gateway, living []*store.Record,
) (map[string]Token, error) {
	if !slices.ContainsFunc(settings.Budgets, func(b Budget) bool { return b.Per == store.PerToken }) {
		return nil, nil
	}
	found, err := s.Tokens(ctx, slices.Collect(maps.Keys(gateways)))
	if err != nil {
		return nil, err
	}
	all := make(map[string]Token, len(found))
	for _, r := range living {
		all[r.TokenID] = Token{r.TokenName, r.User, r.GatewayID}
	}
	maps.Copy(all, found)
	return all, nil
}
