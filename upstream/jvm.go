package upstream

import "strings"

// opened are the packages of java.base that Livy's serializer reflects into. On
// Java 17 every session dies while it starts unless they are opened.
var opened = []string{
	"java.io", "java.lang", "java.lang.invoke", "java.net", "java.nio", "java.util",
	"java.util.concurrent", "java.util.concurrent.atomic", "sun.nio.ch", "sun.util.calendar",
}

// JavaOptions are the options of the Livy server's own JVM: what Java 17 needs,
// and to end rather than limp on without memory. Drivers need none: spark-submit
// adds its own.
func JavaOptions() string {
	opts := []string{"-XX:+ExitOnOutOfMemoryError"}
	for _, p := range opened {
		opts = append(opts, "--add-opens=java.base/"+p+"=ALL-UNNAMED")
	}
	return strings.Join(opts, " ")
}

// LivyHeap is how many bytes of a gateway's memory the Livy server's heap may
// take: an eighth, at least 256 MiB. The rest is for drivers.
func LivyHeap(memory int64) int64 {
	return max(memory/8, 256<<20)
}
