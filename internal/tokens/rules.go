package tokens

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
)

// Limits of settings.
const (
	MinLifetime = 24 * time.Hour
	MaxOverlap  = 7 * 24 * time.Hour
)

const (
	maxNameLength = 64
	maxCIDRs      = 64
	maxLimit      = 1_000_000
	maxExpireDays = 36_500 // keeps the sums below well away from overflow
)

// CheckName checks the name of a token: 1 to 64 printable characters.
func CheckName(name string) error {
	ok := name != "" && utf8.ValidString(name) && utf8.RuneCountInString(name) <= maxNameLength &&
		strings.TrimSpace(name) == name &&
		!strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) })
	if !ok {
		return gateway.Invalid("name", name,
			fmt.Sprintf("must be 1 to %d printable characters, not beginning or ending with a space",
				maxNameLength))
	}
	return nil
}

// expiry works out when a token expires. With neither days nor a time it is the
// default, or longest, the operator's maximum, where that is shorter; 0 is no maximum.
func expiry(days int, at, now time.Time, longest time.Duration) (time.Time, error) {
	const field = "expireDays"
	switch {
	case days != 0 && !at.IsZero():
		return at, gateway.Invalid(field, strconv.Itoa(days), "must not be set together with expiresAt")
	case days < 0 || days > maxExpireDays:
		return at, gateway.Invalid(field, strconv.Itoa(days),
			fmt.Sprintf("must be a number of days from 1 to %d", maxExpireDays))
	case days > 0:
		life := time.Duration(days) * 24 * time.Hour
		if longest > 0 && life > longest {
			return at, gateway.Invalid(field, strconv.Itoa(days),
				"must not exceed the operator's maximum of "+inDays(longest))
		}
		return now.Add(life), nil
	case at.IsZero():
		if longest > 0 {
			return now.Add(min(gateway.DefaultTokenLifetime, longest)), nil
		}
		return now.Add(gateway.DefaultTokenLifetime), nil
	}
	if at.Before(now.Add(MinLifetime)) {
		return at, gateway.Invalid("expiresAt", at.Format(time.RFC3339), "must be at least 1 day ahead")
	}
	if at.After(now.Add(maxExpireDays * 24 * time.Hour)) {
		return at, gateway.Invalid("expiresAt", at.Format(time.RFC3339),
			fmt.Sprintf("must be at most %d days ahead", maxExpireDays))
	}
	if longest > 0 && at.After(now.Add(longest)) {
		return at, gateway.Invalid("expiresAt", at.Format(time.RFC3339),
			"must not exceed the operator's maximum of "+inDays(longest))
	}
	return at.UTC(), nil
}

func inDays(d time.Duration) string {
	if days := d.Hours() / 24; days != 1 {
		return strconv.FormatFloat(days, 'f', -1, 64) + " days"
	}
	return "1 day"
}

func checkScopes(scopes []Scope) error {
	for i, scope := range scopes {
		if !slices.Contains(AllScopes, scope) {
			return gateway.Invalid("scopes", string(scope), "must be some of sessions, batches, read, admin")
		}
		if slices.Contains(scopes[:i], scope) {
			return gateway.Invalid("scopes", string(scope), "must not be listed twice")
		}
		if scope == ScopeAdmin && len(scopes) > 1 {
			return gateway.Invalid("scopes", "admin", "must stand alone, since it allows everything")
		}
	}
	return nil
}

// readCIDRs parses address ranges and returns them in canonical form. A single address is a
// range of one.
func readCIDRs(texts []string) ([]netip.Prefix, error) {
	if len(texts) > maxCIDRs {
		return nil, gateway.Invalid("cidrs", strconv.Itoa(len(texts))+" ranges",
			fmt.Sprintf("must be at most %d", maxCIDRs))
	}
	var ranges []netip.Prefix
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			var addr netip.Addr
			addr, err = netip.ParseAddr(text)
			p = netip.PrefixFrom(addr, addr.BitLen())
		}
		if err != nil || strings.Contains(text, "%") || p.Addr().Is4In6() {
			return nil, gateway.Invalid("cidrs", text,
				"must be address ranges like 10.0.0.0/8 or 2001:db8::/32, or single addresses")
		}
		ranges = append(ranges, p.Masked())
	}
	return ranges, nil
}

func checkLimits(row *store.TokenRow) error {
	for field, n := range map[string]int{"maxSessions": row.MaxSessions, "maxBatches": row.MaxBatches} {
		if n < 0 || n > maxLimit {
			return gateway.Invalid(field, strconv.Itoa(n),
				fmt.Sprintf("must be from 1 to %d, or 0 for no limit", maxLimit))
		}
	}
	if r := row.RequestsPerSecond; !(r >= 0 && r <= maxLimit) || (r > 0 && r < 0.01) { // also refuses NaN
		return gateway.Invalid("requestsPerSecond", strconv.FormatFloat(r, 'g', -1, 64),
			fmt.Sprintf("must be from 0.01 to %d, or 0 for no limit", maxLimit))
	}
	return nil
}

// secretFor returns a new secret for a token: the supplied one, or a generated one.
func (s *Service) secretFor(id, supplied string) (string, store.TokenSecret, error) {
	secret := supplied
	if supplied == "" {
		var err error
		if secret, err = mint(id, s.o.Rand); err != nil {
			return "", store.TokenSecret{}, fmt.Errorf("generating a secret: %w", err)
		}
	} else if !canBeSupplied(supplied) {
		return "", store.TokenSecret{}, gateway.Invalid("token", "(not shown)", fmt.Sprintf(
			"must be %d to %d printable ASCII characters without spaces, not beginning with %s", MinSuppliedLength, MaxSuppliedLength, secretPrefix))
	}
	return secret, store.TokenSecret{Sum: sumOf(secret).hex(), Supplied: supplied != ""}, nil
}
