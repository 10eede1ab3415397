package caddymodule

import (
	"encoding/json"
	"slices"

	"github.com/livygateway/livygateway/internal/doctor"
)

// examineConfig looks at what the configuration names. Of one in force it reads the
// placeholders again: a file that is gone since then keeps Caddy from starting the next
// time. Of one that is not it says what the gateways in it would say of themselves.
func (p *patient) examineConfig() (found []doctor.Result) {
	app := new(App)
	if err := json.Unmarshal(p.config.Apps.Livy, app); err != nil {
		return nil // it was loaded from this, so it is there
	}
	e := newExpander()
	err := e.all(app)
	if err == nil {
		_, err = e.raw(app.RuntimeRaw, optionPath{"runtime"})
	}
	if err != nil {
		found = append(found, doctor.Failure("configuration", err.Error(), "put it right: with it Caddy neither reloads nor starts again"))
	}
	if p.running {
		return found
	}
	for _, d := range p.app.declared {
		for _, note := range slices.Concat(d.Notes, d.Typos) {
			found = append(found, doctor.Warning("gateway "+d.Workspace+"/"+d.Spec.Name, note, "correct it in the configuration"))
		}
	}
	return found
}
