package policies

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// isJavaOptions reports whether a key's value is a JVM command line: Spark's own
// keys, and environment variables such as _JAVA_OPTIONS, SPARK_EXECUTOR_OPTS and
// SPARK_JAVA_OPT_0.
func isJavaOptions(key string) bool {
	if strings.HasSuffix(key, "extraJavaOptions") || strings.HasSuffix(key, "defaultJavaOptions") {
		return true
	}
	name := envVariable(key)
	return name != "" && (strings.HasSuffix(name, "_OPTIONS") || strings.HasSuffix(name, "_OPTS") || strings.Contains(name, "JAVA_OPT"))
}

// badJavaOptions finds what a JVM option can do behind the back of conf: Spark
// reads system properties beginning with "spark." as settings, Hadoop reads its
// user name from one, an argument file hides any of it, and a class path brings
// code from places that the path rule does not allow.
func (p *Policy) badJavaOptions(key, value string) string {
	// Spark and the JVM cut the text into words at different blanks; what is a
	// blank to one of them only must not hide the beginning of a word.
	for _, c := range value {
		if unicode.IsControl(c) && !strings.ContainsRune("\t\n\r", c) || c > unicode.MaxASCII && (unicode.IsSpace(c) || unicode.In(c, unicode.Z)) {
			return "must have no blanks but space, tab and line break"
		}
	}
	// Quotes and backslashes vanish when the options are cut into words.
	plain := unquote.Replace(value)
	switch {
	case strings.Contains(plain, "${"):
		return "must not contain ${...}"
	case settingOption.MatchString(plain):
		return "must not set spark.*, livy.* or HADOOP_* properties with -D; settings belong in conf"
	case fileOption.MatchString(plain):
		return "must not read options from a file"
	case !p.set.CustomClasspath && codeOption.MatchString(plain):
		return "must not set class or library paths, load agents or run commands"
	case strayWord(value, false), strayWord(value, true):
		return "must be options alone, each beginning with -; a word without is a main class to java"
	case heapOption.MatchString(plain):
		if key := p.ruledHeap(key); key != "" {
			return "must not set the heap or stack, since " + key + " is ruled by the gateway"
		}
	}
	return ""
}

// separate are the options of java whose value may be a word of its own. Those that
// name code or files are refused anyway.
var separate = []string{"--add-exports", "--add-opens", "--add-reads", "--add-modules", "--limit-modules", "--enable-native-access"}

// strayWord reports whether Java options hold a word that is no option. The java
// program takes the first such word for the main class and all that follows for
// its arguments: a driver's options could run spark-submit once more, with a user,
// a queue and settings of the client's choice.
func strayWord(value string, escapes bool) bool {
	wanted := false // the next word is an option's value
	for _, word := range javaWords(value, escapes) {
		if wanted {
			wanted = false
			continue
		}
		if !strings.HasPrefix(word, "-") || word == "-" {
			return true
		}
		wanted = slices.Contains(separate, word)
	}
	return wanted
}

// javaWords cuts Java options into words as Spark's launcher does, for drivers
// beside the server (escapes: a backslash outside of quotes takes the next
// character as it is), or as Spark's cluster managers do (it stands for itself).
func javaWords(s string, escapes bool) []string {
	var words []string
	var word strings.Builder
	open, quote := false, byte(0)
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && quote != '\'' && (quote == '"' || escapes):
			open = true
			if i++; i < len(s) {
				word.WriteByte(s[i])
			}
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteByte(c)
		case c == '"' || c == '\'':
			open, quote = true, c
		case strings.IndexByte(" \t\r\n", c) >= 0:
			if open {
				words = append(words, word.String())
				word.Reset()
			}
			open = false
		default:
			open = true
			word.WriteByte(c)
		}
	}
	if open {
		words = append(words, word.String())
	}
	return words
}

// ruledHeap returns the memory setting that the gateway rules and that Java
// options under this key could get around; "" if there is none.
func (p *Policy) ruledHeap(key string) string {
	for fam := range p.controlled {
		if slices.Contains(fam.javaOptions, key) {
			return fam.keys[0]
		}
	}
	return ""
}

var (
	unquote       = strings.NewReplacer(`"`, "", `'`, "", `\`, "")
	settingOption = regexp.MustCompile(`-D\s*(spark\.|livy\.|HADOOP_)`)
	fileOption    = regexp.MustCompile(`(^|\s)@|-XX:(Flags|VMOptionsFile)\b|-XX:\+ReadVMOptionsFile`)
	// heapOption is what sets the heap or a thread's stack. The java program makes
	// -Xmx of -mx, -Xms of -ms and -Xss of -ss and -oss, in any case of letters.
	heapOption = regexp.MustCompile(`(?i)(^|\s)-(X?mx|X?ms|X?o?ss|Xmn)|-XX:[+-]?(\w*(HeapSize|NewSize|MaxRAM|RAMPercentage|RAMFraction|HeapLimit)|AggressiveHeap|ThreadStackSize|VMThreadStackSize|CompilerThreadStackSize)`)
	// codeOption is what brings code of its own into the JVM, or runs a command.
	codeOption = regexp.MustCompile(`(^|\s)(-(cp|classpath|p|jar|m)(\s|=|$)|--(class-path|module-path|upgrade-module-path|patch-module|module|source)|-agentlib|-agentpath|-javaagent|-Xrun|-Xbootclasspath|-Djava\.class\.path|-Djava\.library\.path|-Dsun\.boot\.library\.path|-Djava\.system\.class\.loader|-Djava\.ext\.dirs|-Djava\.endorsed\.dirs|-Djdk\.module\.)|-XX:(OnError|OnOutOfMemoryError|SharedArchiveFile|JVMCILibPath|ArchiveClassesAtExit)`)
)
