package store

import (
	"fmt"

	"github.com/alicebob/miniredis/v2"
)

// StartEmbedded starts an in-memory Redis in this process, for evaluation: all data are lost
// when it stops. end stops it.
func StartEmbedded() (addr string, end func(), err error) {
	m := miniredis.NewMiniRedis()
	if err := m.Start(); err != nil {
		return "", nil, fmt.Errorf("starting the embedded Redis: %w", err)
	}
	m.ClockTTL(true) // without this no key would ever expire
	return m.Addr(), m.Close, nil
}
