package resolved

import (
	"github.com/livygateway/livygateway/policies"
	"github.com/livygateway/livygateway/upstream"
)

// Typos names what looks mistyped in the configuration files and rules, a sentence for
// each with file and line. None of it is refused: it may be meant. It is looked for when
// somebody asks first.
func (r *Gateway) Typos() []string { return r.typos() }

func (f *files) findTypos() []string {
	var policy, server policies.Typing
	policy.Properties(upstream.SparkDefaults, f.conf.Spark)
	policy.Blacklist(f.blacklist)
	policy.Rules(f.rules, f.grants)
	server.Properties(upstream.LivyConf, f.conf.Livy)
	server.Properties(upstream.LivyClientConf, f.conf.LivyClient)
	return append(policy.Notes(), server.Notes()...)
}
