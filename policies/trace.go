package policies

// traceConf is the setting in which a session or batch finds the trace of its create.
const traceConf = "spark.livygateway.traceparent"

// traceVariable is the environment variable with the same.
const traceVariable = "TRACEPARENT"

// TraceConf returns the settings that hand the trace context of a create, in the form of the header
// traceparent, down to the session or batch: a setting of its own, and an environment variable of
// executors and of drivers on a cluster. A driver next to the Livy server has the environment of
// that server, which is the same for all.
func (p *Policy) TraceConf(traceparent string) map[string]string {
	conf := map[string]string{
		traceConf:                            traceparent,
		"spark.executorEnv." + traceVariable: traceparent,
	}
	switch {
	case p.yarn():
		conf["spark.yarn.appMasterEnv."+traceVariable] = traceparent
	case p.kubernetes():
		conf["spark.kubernetes.driverEnv."+traceVariable] = traceparent
	}
	return conf
}
