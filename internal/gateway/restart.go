package gateway

import "reflect"

// Change puts new settings in place. What takes effect only at a start waits for
// the next one: until then InForce has what the running server was started with.
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

// InForce are the settings that hold for requests. They are the gateway's, but for
// those that wait for the next start of its Livy server: files that are not mounted
// yet would be of no use to jobs, and passwords must not go where the server that
// runs would send them. A blacklist holds at once. What is left to the operator is as
// it was when the server started.
func (g *Gateway) InForce() Spec {
	s := g.Spec
	if g.Status.StartedWith != nil {
		s.takeLaunched(g.Status.StartedWith)
	}
	return s.filled(g.Status.LaunchDefaults)
}
