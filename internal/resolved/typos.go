package resolved

import (
	"github.com/livygateway/livygateway/policies"
	"github.com/livygateway/livygateway/upstream"
)

// Typos returns a sentence, with file and line, for each key in the configuration files and
// rules that looks mistyped. Such keys are not errors. The result is computed at the first
// call.
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
