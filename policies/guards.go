package policies

import (
	"regexp"
	"strings"
	"unicode"
)

// builtIn is the source of the guards that hold whatever the settings say.
const builtIn = "built-in"

// badKey says why a key may not be in conf, "" if it may. Livy hands a batch's
// settings to spark-submit as KEY=VALUE, which is split at the first "=", so a
// key with "=" is another key by the time Spark reads it.
func badKey(key string) string {
	if key == "" {
		return "must not be empty"
	}
	if len(key) > 512 {
		return "must be at most 512 characters"
	}
	for i := 0; i < len(key); i++ {
		switch c := key[i]; {
		case c == '=':
			return "must not contain ="
		case c <= ' ' || c == 0x7f:
			return "must not contain blanks or control characters"
		case c > 0x7f:
			return "must be ASCII"
		}
	}
	return ""
}

// reservedPrefixes are Livy's and the gateway's own. Livy's official clients
// send keys such as livy.uri with every session, so they are left out, not refused.
var reservedPrefixes = []string{"livy.", "spark.__livy__.", "spark.livy.", "spark.livygateway."}

// reserved says whether clients may not set a key because it steers Livy itself.
func (p *Policy) reserved(key string) bool {
	for _, prefix := range reservedPrefixes {
		if strings.HasPrefix(key, prefix) {
			return !p.livyKeys[key]
		}
	}
	return false
}

// isJavaOptions says whether a key's value is a JVM command line: Spark's own
// keys, and environment variables such as _JAVA_OPTIONS and SPARK_EXECUTOR_OPTS.
func isJavaOptions(key string) bool {
	if strings.HasSuffix(key, "extraJavaOptions") || strings.HasSuffix(key, "defaultJavaOptions") {
		return true
	}
	return (strings.HasSuffix(key, "_OPTIONS") || strings.HasSuffix(key, "_OPTS")) && strings.Contains(key, "Env.")
}

// badJavaOptions finds what a JVM option can do behind the back of conf: Spark
// reads system properties beginning with "spark." as settings, Hadoop reads its
// user name from one, and an argument file hides any of it.
func badJavaOptions(value string) string {
	// Quotes and backslashes vanish when the options are cut into words.
	plain := unquote.Replace(value)
	switch {
	case strings.Contains(plain, "${"):
		return "must not contain ${...}"
	case settingOption.MatchString(plain):
		return "must not set spark.*, livy.* or HADOOP_* properties with -D; settings belong in conf"
	case fileOption.MatchString(plain):
		return "must not read options from a file"
	}
	return ""
}

var (
	unquote       = strings.NewReplacer(`"`, "", `'`, "", `\`, "")
	settingOption = regexp.MustCompile(`-D\s*(spark\.|livy\.|HADOOP_)`)
	fileOption    = regexp.MustCompile(`(^|\s)@|-XX:(Flags|VMOptionsFile)=|-XX:\+ReadVMOptionsFile`)
	// heapOption is what sets the heap besides -Xmx, which Spark itself refuses
	// in most places.
	heapOption = regexp.MustCompile(`-Xmx|-Xms|-XX:(MaxHeapSize|InitialHeapSize|MinHeapSize|MaxRAM|MaxRAMPercentage|MaxRAMFraction|InitialRAMPercentage|MinRAMPercentage|SoftMaxHeapSize|AggressiveHeap)|-XX:\+AggressiveHeap`)
)

// nameRule is what a session's or batch's name may look like. Livy checks names
// only after it has started a driver, and prints them unescaped.
const nameRule = "must be 1 to 128 letters, digits, blanks and any of . _ - : , ( ) [ ] + @ /, not begin or end with a blank, not begin with - and have a letter in it"

func goodName(name string) bool {
	if name == "" || len(name) > 128 || name[0] == '-' || strings.TrimSpace(name) != name {
		return false
	}
	letter := false
	for _, c := range name {
		switch {
		case unicode.IsLetter(c):
			letter = true
		case c >= '0' && c <= '9', strings.ContainsRune(" ._-:,()[]+@/", c):
		default:
			return false
		}
	}
	return letter
}

const userRule = "must be a user name of at most 128 letters, digits and _ . @ -, beginning with a letter or underscore"

var userName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.@-]{0,127}$`)

// sessionKinds are the kinds that Livy knows, with the name that it settles on.
var sessionKinds = map[string]string{
	"spark": "spark", "scala": "spark", "pyspark": "pyspark", "python": "pyspark",
	"sparkr": "sparkr", "r": "sparkr", "sql": "sql", "shared": "shared",
}

const kindRule = "must be one of spark, pyspark, sparkr, sql, shared (or scala, python, r)"
