package gateway

// Catalog is what the operator offers to gateways. It comes from the
// configuration, not from Redis.
type Catalog struct {
	Engines []Engine `json:"engines"`
	// Queues that gateways may name; empty means any.
	Queues []string `json:"queues,omitempty"`
}

// Engine is a Livy and a Spark that run together.
type Engine struct {
	// Name by which gateways refer to the engine, e.g. "spark-3.5".
	Name string `json:"name"`
	// Image is the container image (runtime docker).
	Image string `json:"image,omitempty"`
	// LivyHome and SparkHome are the unpacked distributions (runtime process).
	LivyHome  string `json:"livyHome,omitempty"`
	SparkHome string `json:"sparkHome,omitempty"`
	// JavaHome is the Java to run them with (runtime process); default: java
	// from PATH.
	JavaHome string `json:"javaHome,omitempty"`
	// Python is the interpreter for PySpark (runtime process); default python3.
	Python string `json:"python,omitempty"`
	// URL is an existing Livy server (runtime static), e.g. "http://127.0.0.1:8998".
	URL string `json:"url,omitempty"`
	// Master is Livy's livy.spark.master; default "local[*]".
	Master string `json:"master,omitempty"`
}

// Engine looks an engine up by its name.
func (c *Catalog) Engine(name string) (Engine, bool) {
	for _, e := range c.Engines {
		if e.Name == name {
			return e, true
		}
	}
	return Engine{}, false
}

// EngineNames lists the names in the catalog's order.
func (c *Catalog) EngineNames() []string {
	names := make([]string, len(c.Engines))
	for i, e := range c.Engines {
		names[i] = e.Name
	}
	return names
}
