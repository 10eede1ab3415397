package policies

// SparkUIConf is what every session and batch gets whose Spark UI the gateway
// serves below base: that it works there, and that nobody can act on it.
func SparkUIConf(base string) map[string]string {
	return map[string]string{
		"spark.ui.proxyBase":            base,
		"spark.ui.killEnabled":          "false",
		"spark.ui.threadDumpsEnabled":   "false",
		"spark.ui.heapHistogramEnabled": "false",
	}
}

// Forces says whether the gateway itself may put a key into a request's conf:
// for its queue, environment, acceleration, labels, mounts, history server or
// Spark UI. A second fence behind it must let such keys pass, whatever clients may do.
func (p *Policy) Forces(key string) bool {
	if _, ok := p.forcedAt[key]; ok {
		return true
	}
	if _, ok := SparkUIConf("")[key]; ok {
		return true
	}
	for i := range p.lists {
		if p.lists[i].field < 0 && p.lists[i].key == key {
			return true
		}
	}
	if p.set.Mounts == nil || len(p.set.Mounts.Directories) == 0 {
		return false
	}
	return key == "spark.kubernetes.driver.request.cores" || primary(key) != nil && primary(key) == primary("spark.driver.memoryOverhead")
}
