package policies

import (
	"math"
	"strconv"
	"strings"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
)

// Effective holds what a job runs with: the request after the policy, with the defaults of
// spark-defaults.conf and Spark itself filled in.
type Effective struct {
	Kind livy.Kind `json:"-"`
	// SessionKind is spark, pyspark, sparkr, sql or shared; empty for a batch.
	SessionKind string `json:"kind,omitempty"`
	Name        string `json:"name,omitempty"`
	ProxyUser   string `json:"proxyUser,omitempty"`
	Queue       string `json:"queue,omitempty"`
	// DriverMemory and ExecutorMemory are sizes in Spark's format, e.g. "4g".
	DriverMemory   string `json:"driverMemory"`
	DriverCores    int    `json:"driverCores"`
	ExecutorMemory string `json:"executorMemory"`
	ExecutorCores  int    `json:"executorCores"`
	// NumExecutors is 0 if it is not set and Spark runs locally.
	NumExecutors int `json:"numExecutors"`
	// MostExecutors is how many it may have: with dynamic allocation, as many as it may grow to,
	// math.MaxInt32 if that is not bounded.
	MostExecutors int `json:"-"`
	// Jars, PyFiles, Files and Archives are those of a session, as sent, with secrets redacted.
	Jars     []string `json:"jars,omitempty"`
	PyFiles  []string `json:"pyFiles,omitempty"`
	Files    []string `json:"files,omitempty"`
	Archives []string `json:"archives,omitempty"`
	// HeartbeatTimeoutInSecond, TTL and IdleTimeout end a session that nobody uses.
	HeartbeatTimeoutInSecond int    `json:"heartbeatTimeoutInSecond,omitempty"`
	TTL                      string `json:"ttl,omitempty"`
	IdleTimeout              string `json:"idleTimeout,omitempty"`
	// Conf holds the settings that are sent, with secrets redacted.
	Conf map[string]string `json:"conf,omitempty"`
	// MountCost is the cost of mounted directories; nil without mounts.
	MountCost *Cost `json:"mountCost,omitempty"`
}

// DriverMemoryBytes returns DriverMemory in bytes, or 0 if it is not a valid size.
func (e *Effective) DriverMemoryBytes() int64 {
	n, _ := unitMiB.parse(e.DriverMemory)
	return n
}

// ExecutorMemoryBytes returns ExecutorMemory in bytes, or 0 if it is not a valid size.
func (e *Effective) ExecutorMemoryBytes() int64 {
	n, _ := unitMiB.parse(e.ExecutorMemory)
	return n
}

// ParseMemory returns the bytes of a size as Spark reads it, such as 4g; a bare number is MiB.
func ParseMemory(text string) (int64, bool) { return unitMiB.parse(text) }

// of returns the value of a field that the job runs with.
func (c *creation) of(field string) string {
	f := primary(field)
	if text, _, ok := c.client(f); ok {
		return text
	}
	return c.defaultOf(f)
}

func (c *creation) number(field string) int {
	n, _ := unitInt.parse(c.of(field))
	return int(n)
}

// listed returns the values of a field that is a list, with secrets redacted.
func (c *creation) listed(field string) []string {
	var list []string
	for _, value := range c.req.values[fieldIndex[field]].list {
		list = append(list, Redact(field, value))
	}
	return list
}

func (c *creation) effective(cost *Cost) Effective {
	e := Effective{
		Kind: c.req.kind, Name: c.req.values[fName].text, ProxyUser: c.req.values[fProxyUser].text,
		Queue: c.of("queue"), DriverMemory: c.of("driverMemory"), DriverCores: c.number("driverCores"),
		ExecutorMemory: c.of("executorMemory"), ExecutorCores: c.number("executorCores"), NumExecutors: c.number("numExecutors"),
		TTL: c.of("ttl"), MountCost: cost,
	}
	if c.req.kind == livy.KindSession {
		e.SessionKind = sessionKinds[orDefault(c.req.values[fKind].text, "shared")]
		e.Jars, e.PyFiles, e.Files, e.Archives = c.listed("jars"), c.listed("pyFiles"), c.listed("files"), c.listed("archives")
		e.HeartbeatTimeoutInSecond, e.IdleTimeout = c.number("heartbeatTimeoutInSecond"), c.of("idleTimeout")
	}
	if e.NumExecutors == 0 && !strings.HasPrefix(c.p.set.Master, "local") && c.of("numExecutors") == "" {
		e.NumExecutors = 2 // Spark's own default on YARN and Kubernetes
	}
	e.MostExecutors = c.mostExecutors(e.NumExecutors)
	for i := range c.req.conf {
		if s := &c.req.conf[i]; !s.dropped {
			if e.Conf == nil {
				e.Conf = make(map[string]string, len(c.req.conf))
			}
			e.Conf[s.key] = Redact(s.key, s.value)
		}
	}
	return e
}

// mostExecutors returns how many executors a job with so many at first may have, by the request
// and spark-defaults.conf.
func (c *creation) mostExecutors(first int) int {
	if !strings.EqualFold(strings.TrimSpace(c.said(dynamicAllocation+"enabled")), "true") {
		return first
	}
	if n, ok := unitInt.parse(c.said(dynamicAllocation + "maxExecutors")); ok {
		return max(first, int(min(n, math.MaxInt32)))
	}
	return math.MaxInt32
}

// minOverhead is the minimum memory that Spark requests in addition to a driver's heap.
const minOverhead = 384 << 20

// mount adds the cost of mounted directories to the resources requested from the cluster
// manager; nil without mounts. If the driver runs next to Livy nothing is requested, and the cost
// is only recorded.
func (c *creation) mount() (*Cost, error) {
	if c.p.set.Mounts == nil || len(c.p.set.Mounts.Directories) == 0 {
		return nil, nil
	}
	memory, ok := unitMiB.parse(c.of("driverMemory"))
	if !ok {
		return nil, gateway.Invalid("driverMemory", c.of("driverMemory"), "must be a size such as 4g")
	}
	cores := int64(c.number("driverCores"))
	cost := MountCost(cores, memory)
	if !c.p.yarn() && !c.p.kubernetes() {
		return &cost, nil
	}
	overhead := max(minOverhead, memory/10)
	fam := primary("spark.driver.memoryOverhead")
	if text, name, ok := c.client(fam); ok {
		if overhead, ok = fam.unit.parse(text); !ok {
			return nil, gateway.Invalid(name, shown(name, text), "must be a size such as 512m")
		}
	} else if n, ok := fam.unit.parse(c.defaultOf(fam)); ok {
		overhead = n
	}
	total := strconv.FormatInt((overhead+cost.MemoryBytes+1<<20-1)>>20, 10) + "m"
	c.replace(fam, total)
	c.force(fam.keys[0], total)
	if c.p.kubernetes() {
		request := strconv.FormatInt(cores*1000+cost.MilliCPU, 10) + "m"
		c.req.drop("spark.kubernetes.driver.limit.cores")
		c.req.set("spark.kubernetes.driver.request.cores", request)
		c.force("spark.kubernetes.driver.request.cores", request)
	}
	return &cost, nil
}

func (c *creation) force(key, set string) {
	c.report.Forced = append(c.report.Forced,
		Entry{
			Key: key, Set: set, Rule: "the driver's share and the cost of mounted directories",
			Source: "gateway mounts",
		})
}
