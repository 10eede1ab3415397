package policies

import "fmt"

// noteMemory notes a driver that does not fit into its gateway. It is not refused, since a heap
// rarely grows to its maximum: it is ended when it does.
func (c *creation) noteMemory(e *Effective) {
	all := c.p.set.ServerMemory
	if all == 0 || e.DriverMemoryBytes() <= all {
		return
	}
	given, name, ok := c.client(primary("driverMemory"))
	if !ok {
		given, name = e.DriverMemory, "spark.driver.memory"
	}
	c.report.Noted = append(c.report.Noted, Entry{
		Key: name, Given: shown(name, given), Source: "gateway memory",
		Rule: fmt.Sprintf("exceeds the gateway's %.4g GiB, which its Livy server and drivers share: a driver that uses "+
			"them up is ended; ask for less, or give the gateway more memory", float64(all)/(1<<30)),
	})
}
