package gateway

import "reflect"

// Change sets new settings. Those that take effect only at a start wait for the next one:
// until then InForce returns those that the running server was started with.
func (g *Gateway) Change(s Spec) {
	if g.Status.Launched != nil && g.Status.StartedWith == nil {
		was := g.Spec.filled(g.Status.LaunchDefaults)
		g.Status.StartedWith = &was
	}
	g.Spec = s
	now := s.filled(g.Status.LaunchDefaults)
	if was := g.Status.StartedWith; was != nil && reflect.DeepEqual(was.LaunchSettings(), now.LaunchSettings()) {
		g.Status.StartedWith = nil
	}
}

// InForce returns the settings that apply to requests. They are the gateway's, except for
// those that wait for the next start of its Livy server: files that are not mounted yet are
// useless to jobs, and passwords must not be passed on by the running server. A blacklist
// applies at once. Defaults of the operator are those from when the server started.
func (g *Gateway) InForce() Spec {
	s := g.Spec
	if g.Status.StartedWith != nil {
		s.takeLaunched(g.Status.StartedWith)
	}
	return s.filled(g.Status.LaunchDefaults)
}
