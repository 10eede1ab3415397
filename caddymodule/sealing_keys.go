package caddymodule

import (
	"fmt"

	"github.com/livygateway/livygateway/internal/accesskeys"
)

// checkSealingKeys checks that the sealing keys are placeholders. It must be called before
// placeholders are replaced.
func (a *App) checkSealingKeys() error {
	for _, text := range a.SealingKeys {
		if !placeholder.MatchString(text) {
			return fmt.Errorf("sealing_key: must be a placeholder, {file.PATH} or {env.NAME}, not the key itself")
		}
	}
	return nil
}

// readSealingKeys derives the keys. It must be called after placeholders have been replaced.
func (a *App) readSealingKeys() (err error) {
	a.sealer, err = accesskeys.NewSealer(a.SealingKeys)
	return err
}
