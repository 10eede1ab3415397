package policies

// SparkUIConf returns the settings of sessions and batches whose Spark UI the gateway serves
// below base: they make it work there and make it read-only.
func SparkUIConf(base string) map[string]string {
	return map[string]string{
		"spark.ui.proxyBase":            base,
		"spark.ui.killEnabled":          "false",
		"spark.ui.threadDumpsEnabled":   "false",
		"spark.ui.heapHistogramEnabled": "false",
	}
}

// Forces reports whether the gateway itself may set a key in a request's conf: for its queue,
// environment, acceleration, labels, mounts, history server or Spark UI. Livy's own blacklist
// must let such keys pass.
func (p *Policy) Forces(key string) bool {
	if _, ok := p.forcedAt[key]; ok {
		return true
	}
	if _, ok := SparkUIConf("")[key]; ok {
		return true
	}
	if _, ok := p.JobLabels("x", "x")[key]; ok || key == DriverPodKey && p.kubernetes() {
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
	return key == "spark.kubernetes.driver.request.cores" ||
		primary(key) != nil && primary(key) == primary("spark.driver.memoryOverhead")
}
