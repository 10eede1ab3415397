package store

import "context"

// SharedKey returns a signing key that all instances share; the first caller's proposal
// becomes the key.
func (s *Store) SharedKey(ctx context.Context, name string, proposal []byte) ([]byte, error) {
	key := s.key("key", name)
	if err := s.rdb.SetNX(ctx, key, proposal, 0).Err(); err != nil {
		return nil, wrap("creating a shared key", err)
	}
	got, err := s.rdb.Get(ctx, key).Bytes()
	return got, wrap("reading a shared key", err)
}
