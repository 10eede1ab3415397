package control

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
)

// UpdateRequest describes a change to a gateway's settings.
type UpdateRequest struct {
	// Patch is a JSON object with the fields of the Spec to change; null resets a field
	// to its default (RFC 7396).
	Patch json.RawMessage
	// Restart restarts a running Livy server if the change requires it, which ends its
	// sessions. Otherwise such a change takes effect at the next start.
	Restart bool
	// Drain, if not 0, lets the present server keep its sessions and batches for this time
	// while a new one takes its place; see Manager.Replace. It requires Restart.
	Drain time.Duration
	// Order identifies the caller and holds the condition of the request.
	gateway.Order
}

// Update changes a gateway, whatever its state. Most settings apply from the next request
// on; RestartNeeded lists those that need a restart. An update that changes nothing makes
// no new revision and no audit entry.
func (m *Manager) Update(ctx context.Context, g *gateway.Gateway, r UpdateRequest) (*gateway.Gateway, error) {
	updated, err := m.updateAs(ctx, "gateway.update", r.Order, g.ID, func(g *gateway.Gateway) error {
		if err := checkNotDeclared(g, "changed"); err != nil {
			return err
		}
		spec, err := patched(g.Spec, r.Patch)
		if err != nil {
			return err
		}
		was := g.Spec
		g.Change(spec)
		if err := m.check(g); err != nil {
			return err
		}
		if r.Restart && g.Desired == gateway.StateRunning && len(m.RestartNeeded(g)) > 0 {
			if r.Drain > 0 {
				return m.replace(g, r.Drain, r.Actor)
			}
			return m.restart(g, r.Actor)
		}
		if sameSpec(&was, &g.Spec) {
			return errUnchanged
		}
		return nil
	})
	if err == nil {
		m.kick(g.ID)
	}
	return updated, err
}

// patched applies a merge patch to a spec.
func patched(spec gateway.Spec, patch json.RawMessage) (gateway.Spec, error) {
	var changes map[string]any
	d := json.NewDecoder(bytes.NewReader(patch))
	d.UseNumber()
	if err := d.Decode(&changes); err != nil || changes == nil || d.More() {
		return spec, gateway.Errorf(gateway.KindInvalid, "request body must be a JSON object of settings")
	}
	if err := checkFields(changes, reflect.TypeFor[gateway.Spec](), ""); err != nil {
		return spec, err
	}
	if _, ok := changes["livyVersion"]; !ok && changes["engine"] != nil {
		changes["livyVersion"] = nil // default to the new engine's
	}
	text, err := json.Marshal(spec)
	if err != nil {
		return spec, err
	}
	var doc map[string]any
	d = json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		return spec, err
	}
	if text, err = json.Marshal(mergePatch(doc, changes)); err != nil {
		return spec, err
	}
	var next gateway.Spec
	d = json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&next); err != nil {
		return spec, gateway.Undecodable("cannot decode the settings", err)
	}
	return next, nil
}

// checkFields returns an error for fields that a struct does not have. A merge would
// silently ignore one that is null or has different capitals.
func checkFields(changes map[string]any, t reflect.Type, in string) error {
	fields := make(map[string]reflect.Type, t.NumField())
	for field := range t.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		fields[name] = field.Type
	}
	for name, change := range changes {
		field, ok := fields[name]
		if !ok {
			known := slices.Sorted(maps.Keys(fields))
			hint := ""
			if near := gateway.Similar(name, known); near != "" {
				hint = " (did you mean " + in + near + "?)"
			}
			return gateway.Errorf(gateway.KindInvalid, "unknown field %q%s; known fields: %s",
				in+name, hint, strings.Join(known, ", "))
		}
		if inner, ok := change.(map[string]any); ok && field.Kind() == reflect.Struct {
			if err := checkFields(inner, field, name+"."); err != nil {
				return err
			}
		}
	}
	return nil
}

// mergePatch applies a merge patch (RFC 7396).
func mergePatch(doc, changes map[string]any) map[string]any {
	if doc == nil {
		doc = make(map[string]any)
	}
	for key, change := range changes {
		switch change := change.(type) {
		case nil:
			delete(doc, key)
		case map[string]any:
			inner, _ := doc[key].(map[string]any)
			doc[key] = mergePatch(inner, change)
		default:
			doc[key] = change
		}
	}
	return doc
}
