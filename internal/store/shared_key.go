package store

import "context"

// SharedKey returns a signing key that all instances share; the first caller's proposal
// becomes the key.
func (s *Store) SharedKey(ctx context.Context, name string, proposal []byte) ([]byte, error) {
	key := s.key("key", name)
	got, err := setOnce.Run(ctx, s, Fence{}, []string{key}, proposal).Text()
	return []byte(got), wrap("creating a shared key", err)
}
