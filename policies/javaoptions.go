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
	return name != "" && (strings.HasSuffix(name, "_OPTIONS") || strings.HasSuffix(name, "_OPTS") ||
		strings.Contains(name, "JAVA_OPT"))
}

// badJavaOptions finds JVM options that bypass the rules on conf: Spark reads system properties
// beginning with "spark." as settings, Hadoop reads its user name from one and Spark's client of
// Kubernetes its credentials, an argument file can hide any option, and a class path adds code
// from paths that the path rule does not allow.
func (p *Policy) badJavaOptions(key, value string) string {
	// Spark and the JVM split the text at different whitespace characters; one that only one of
	// them knows must not hide the beginning of a word.
	for _, c := range value {
		if unicode.IsControl(c) && !strings.ContainsRune("\t\n\r", c) ||
			c > unicode.MaxASCII && (unicode.IsSpace(c) || unicode.In(c, unicode.Z)) {
			return "must not contain whitespace other than space, tab and line break"
		}
	}
	// Quotes and backslashes are removed when the options are split into words.
	plain := unquote.Replace(value)
	switch {
	case strings.Contains(plain, "${"):
		return "must not contain ${...}"
	case settingOption.MatchString(plain):
		return "must not set spark.*, livy.*, kubernetes.* or HADOOP_* properties with -D; settings belong in conf"
	case fileOption.MatchString(plain):
		return "must not read options from a file"
	case !p.set.CustomClasspath && codeOption.MatchString(plain):
		return "must not set class or library paths, load agents or run commands"
	case strayWord(value, false), strayWord(value, true):
		return "must consist of options, each beginning with -; java treats other words as the main class"
	case heapOption.MatchString(plain):
		if key := p.ruledHeap(key); key != "" {
			return "must not set the heap or stack, since " + key + " is ruled by the gateway"
		}
	}
	return ""
}

// separate lists the options of java whose value may be a separate word. Those that name code or
// files are refused anyway.
var separate = []string{
	"--add-exports", "--add-opens", "--add-reads", "--add-modules", "--limit-modules",
	"--enable-native-access",
}

// strayWord reports whether Java options contain a word that is not an option. The java program
// treats the first such word as the main class and the rest as its arguments: a driver's options
// could run spark-submit again, with a user, a queue and settings of the client's choice.
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

// javaWords splits Java options into words as Spark's launcher does for drivers next to the
// server (escapes: a backslash outside of quotes escapes the next character), or as Spark's
// cluster managers do (a backslash is literal).
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

// ruledHeap returns the memory setting with a rule that Java options under this key could bypass,
// or "".
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
	settingOption = regexp.MustCompile(`-D\s*(spark\.|livy\.|HADOOP_|kubeconfig|kubernetes\.)`)
	fileOption    = regexp.MustCompile(`(^|\s)@|-XX:(Flags|VMOptionsFile)\b|-XX:\+ReadVMOptionsFile`)
	// heapOption matches options that set the heap or a thread's stack. The java program accepts
	// -mx for -Xmx, -ms for -Xms, and -ss and -oss for -Xss, in any case.
	heapOption = regexp.MustCompile(`(?i)(^|\s)-(X?mx|X?ms|X?o?ss|Xmn)|-XX:[+-]?(\w*(HeapSize|NewSize|MaxRAM|RAMPercentage|RAMFraction|HeapLimit)|AggressiveHeap|ThreadStackSize|VMThreadStackSize|CompilerThreadStackSize)`)
	// codeOption matches options that load code into the JVM or run a command.
	codeOption = regexp.MustCompile(`(^|\s)(-(cp|classpath|p|jar|m)(\s|=|$)|--(class-path|module-path|upgrade-module-path|patch-module|module|source)|-agentlib|-agentpath|-javaagent|-Xrun|-Xbootclasspath|-Djava\.class\.path|-Djava\.library\.path|-Dsun\.boot\.library\.path|-Djava\.system\.class\.loader|-Djava\.ext\.dirs|-Djava\.endorsed\.dirs|-Djdk\.module\.)|-XX:(OnError|OnOutOfMemoryError|SharedArchiveFile|JVMCILibPath|ArchiveClassesAtExit)`)
)
