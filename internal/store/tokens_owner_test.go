package store_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
)

func owned(row *store.TokenRow, owner string) *store.TokenRow {
	row.Owner = owner
	return row
}

func ownedIDs(t *testing.T, s *store.Store, owner string) (ids []string) {
	t.Helper()
	rows, err := s.OwnedTokens(t.Context(), owner)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if row.RevokedAt.IsZero() {
			ids = append(ids, row.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

func TestTokensOfAnOwner(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store, do func(...any) any) {
		create(t, s, testRow(1))
		a, b := create(t, s, owned(testRow(2), "ann")), create(t, s, owned(testRow(3), "ann"))
		create(t, s, owned(testRow(4), "bob"))
		if got := ownedIDs(t, s, "ann"); !slices.Equal(got, []string{a.ID, b.ID}) {
			t.Errorf("ann's tokens are %v", got)
		}
		if got := ownedIDs(t, s, ""); got != nil {
			t.Errorf("nobody has the tokens %v", got)
		}
		err := s.CreateToken(t.Context(), owned(testRow(5), "ann"), store.Write{MaxOwned: 2})
		wantKind(t, "a third of two", err, gateway.KindConflict)
		if !strings.Contains(err.Error(), "may have 2 tokens") {
			t.Errorf("refused with %v", err)
		}
		if err := s.RevokeToken(t.Context(), gw, a.ID, day, store.Write{}); err != nil {
			t.Fatal(err)
		}
		if got := ownedIDs(t, s, "ann"); !slices.Equal(got, []string{b.ID}) {
			t.Errorf("after a revocation ann's tokens are %v", got)
		}
		if rows, err := s.OwnedTokens(t.Context(), "ann"); err != nil || len(rows) != 2 || rows[1].ID != a.ID {
			t.Errorf("%d tokens with the revoked one, %v: what was made with it is still ann's", len(rows), err)
		}
		if err := s.CreateToken(t.Context(), owned(testRow(5), "ann"), store.Write{MaxOwned: 2}); err != nil {
			t.Errorf("after a revocation: %v", err)
		}

		// A version that knows no owners revokes one, and the tombstone of another ends.
		do("HSET", "livygw:token:"+b.ID, "revoked", "1")
		if err := s.CreateToken(t.Context(), owned(testRow(6), "ann"), store.Write{MaxOwned: 2}); err != nil {
			t.Errorf("after a revocation by an older version: %v", err)
		}
		do("DEL", "livygw:token:"+a.ID)
		if rows, err := s.OwnedTokens(t.Context(), "ann"); err != nil || len(rows) != 3 {
			t.Errorf("%d tokens, %v", len(rows), err)
		}
	})
}

// TestOwnersAndOlderVersions has a version that knows no owners read, write and make
// tokens.
func TestOwnersAndOlderVersions(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store, do func(...any) any) {
		row := create(t, s, owned(testRow(1), "ann"))
		doc, _ := do("HGET", "livygw:token:"+row.ID, "doc").(string)
		if strings.Contains(doc, `"owner"`) {
			t.Errorf("the document has the owner, which an older version takes out of it: %s", doc)
		}
		// What its script writes when it changes a token.
		do("HSET", "livygw:token:"+row.ID, "doc", strings.Replace(doc, `"name":"`, `"name":"renamed `, 1), "gateway", gw, "index", "", "rev", "2")
		got, err := s.Token(t.Context(), row.ID)
		if err != nil || got.Owner != "ann" || !strings.HasPrefix(got.Name, "renamed") {
			t.Errorf("after its change the token is %+v, %v", got, err)
		}
		got.Disabled = true
		if err := s.UpdateToken(t.Context(), got, store.Write{}); err != nil {
			t.Fatal(err)
		}
		if got, err = s.Token(t.Context(), row.ID); err != nil || got.Owner != "ann" || !got.Disabled {
			t.Errorf("after a change of ours the token is %+v, %v", got, err)
		}
		// A token of its own making.
		const id = "lctk-0000000000000077"
		do("HSET", "livygw:token:"+id, "doc", strings.Replace(doc, row.ID, id, 1), "gateway", gw, "index", "", "rev", "1")
		do("ZADD", "livygw:tokens:"+gw, "5", id)
		if got, err = s.Token(t.Context(), id); err != nil || got.Owner != "" || got.ID != id {
			t.Errorf("its token is %+v, %v", got, err)
		}
		if rows, err := s.Tokens(t.Context(), gw); err != nil || len(rows) != 2 {
			t.Errorf("%d tokens, %v", len(rows), err)
		}
	})
}
