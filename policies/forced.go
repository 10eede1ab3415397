package policies

// Forces says whether the gateway itself may put a key into a request's conf:
// for its queue, environment, acceleration, labels or mounts. A second fence
// behind it must let such keys pass, whatever clients may do.
func (p *Policy) Forces(key string) bool {
	if _, ok := p.forcedAt[key]; ok {
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
