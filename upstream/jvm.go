package upstream

import "strings"

// opened lists the packages of java.base that Livy's serializer accesses by reflection. On
// Java 17 no session starts unless they are opened.
var opened = []string{
	"java.io", "java.lang", "java.lang.invoke", "java.net", "java.nio", "java.util",
	"java.util.concurrent", "java.util.concurrent.atomic", "sun.nio.ch", "sun.util.calendar",
}

// JavaOptions returns the options of the Livy server's own JVM: those that Java 17 requires,
// and to exit when memory runs out. Drivers need none: spark-submit adds its own.
func JavaOptions() string {
	opts := []string{"-XX:+ExitOnOutOfMemoryError"}
	for _, p := range opened {
		opts = append(opts, "--add-opens=java.base/"+p+"=ALL-UNNAMED")
	}
	return strings.Join(opts, " ")
}

// LivyHeap returns the size of the Livy server's heap for a gateway's memory, in bytes: an
// eighth, at least 256 MiB. The rest is for drivers.
func LivyHeap(memory int64) int64 {
	return max(memory/8, 256<<20)
}
