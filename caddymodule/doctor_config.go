package caddymodule

import (
	"encoding/json"
	"slices"

	"github.com/livygateway/livygateway/internal/doctor"
)

// examineConfig checks the placeholders and the gateways of the configuration. If the
// configuration is in force, it reads the placeholders again: a file that has been removed since
// would keep Caddy from starting the next time. Otherwise, it reports the notes that the gateways
// would have.
func (p *patient) examineConfig() (found []doctor.Result) {
	app := new(App)
	if err := json.Unmarshal(p.config.Apps.Livy, app); err != nil {
		return nil // does not happen: the app was loaded from this
	}
	e := newExpander()
	err := e.all(app)
	if err == nil {
		_, err = e.raw(app.RuntimeRaw, optionPath{"runtime"})
	}
	if err != nil {
		found = append(found, doctor.Failure("configuration", err.Error(),
			"correct it: otherwise Caddy can neither reload nor start again"))
	}
	if p.running {
		return found
	}
	for _, d := range p.app.declared {
		for _, note := range slices.Concat(d.Notes, d.Typos) {
			check := "gateway " + d.Workspace + "/" + d.Spec.Name
			found = append(found, doctor.Warning(check, note, "correct it in the configuration"))
		}
	}
	return found
}
