package upstream

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
)

// The names of a Livy server's configuration files.
const (
	LivyConf       = "livy.conf"
	LivyClientConf = "livy-client.conf"
	SparkBlacklist = "spark-blacklist.conf"
	SparkDefaults  = "spark-defaults.conf"
	Log4j          = "log4j.properties"
)

// MaxConfBytes bounds one configuration text.
const MaxConfBytes = 256 << 10

// owned lists the keys of livy.conf that a gateway sets itself, with the reason shown in
// errors. A key that ends in a dot stands for all keys with that prefix.
var owned = []struct{ key, reason string }{
	{"livy.server.host", "the gateway chooses the address that Livy listens on"},
	{"livy.server.port", "the gateway chooses the port that Livy listens on"},
	{"livy.server.csrf-protection.enabled", "the gateway protects against forged requests itself"},
	{"livy.server.spark-home", "the gateway's engine determines which Spark is used"},
	{"livy.ui.", "Livy's own pages are not served through a gateway"},
	{"livy.server.recovery.", "the gateway keeps the records of sessions itself"},
	{"livy.server.zookeeper.url", "the gateway keeps the records of sessions itself"},
	{"livy.server.zk.", "the gateway keeps the records of sessions itself"},
	{"livy.server.thrift.", "a Thrift port would bypass the gateway"},
	{"livy.keystore", "TLS ends at the gateway"},
	{"livy.keystore.", "TLS ends at the gateway"},
	{"livy.key-password", "TLS ends at the gateway"},
	{"livy.rsc.launcher.address", "the gateway chooses the address that drivers report to"},
}

// families lists the key prefixes that each file's reader accepts; it silently ignores
// anything else.
var families = map[string][]string{
	LivyConf:       {"livy."},
	LivyClientConf: {"livy.", "spark."},
	SparkBlacklist: {"livy.", "spark."},
	SparkDefaults:  {"spark."},
}

// Entry is one setting of a configuration file.
type Entry = livy.Property

// ParseConf parses the text of one of the four configuration files that can be set (LivyConf,
// LivyClientConf, SparkBlacklist, SparkDefaults) in the usual format of Livy and Spark: "key
// value" or "key = value" per line, or a key alone for SparkBlacklist. The error is a
// *gateway.Error of KindInvalid with file, line and reason.
func ParseConf(file, text string) ([]Entry, error) {
	if err := CheckSize(file, text); err != nil {
		return nil, err
	}
	entries, err := livy.ParseProperties(text)
	if pe, ok := errors.AsType[*livy.PropertyError](err); ok {
		return nil, confError(file, pe.Line, "", pe.Rule)
	}
	for _, e := range entries {
		if rule := checkEntry(file, e); rule != "" {
			return nil, confError(file, e.Line, e.Key, rule)
		}
	}
	return entries, nil
}

// CheckSize returns an error for a text larger than MaxConfBytes.
func CheckSize(file, text string) error {
	if len(text) > MaxConfBytes {
		return gateway.Invalid(file, "", fmt.Sprintf("must be at most %d KiB", MaxConfBytes>>10))
	}
	return nil
}

// confError names the key only if it is a valid one: a file that was given by mistake may
// contain secrets.
func confError(file string, line int, key, rule string) error {
	position := fmt.Sprintf("%s line %d", file, line)
	if !plausible.MatchString(key) {
		return gateway.InvalidLine(position, rule)
	}
	return gateway.Invalid(position, key, rule)
}

var plausible = regexp.MustCompile(`^(spark|livy)\.[A-Za-z0-9._-]{1,200}$`)

// checkEntry returns the rule that a setting breaks, or "". It does not contain the value,
// which may be a password.
func checkEntry(file string, e Entry) string {
	if e.Key == "" {
		return "has no key"
	}
	if strings.ContainsFunc(e.Key, func(r rune) bool { return r <= ' ' || r == '=' || r == 0x7f }) {
		return "a key must not contain whitespace, '=' or control characters"
	}
	if strings.ContainsFunc(e.Value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return "a value must not contain control characters"
	}
	if file != SparkBlacklist && !inFamily(file, e.Key) {
		return "a key must begin with " + strings.Join(families[file], " or ")
	}
	if file == SparkBlacklist {
		return "" // values are ignored, and fields of Livy's requests are keys too
	}
	if e.Value == "" {
		return "has no value"
	}
	if file == LivyConf || file == LivyClientConf {
		return checkOwned(e.Key)
	}
	return ""
}

// inFamily reports whether a file's reader accepts a key.
func inFamily(file, key string) bool {
	return slices.ContainsFunc(families[file], func(f string) bool { return strings.HasPrefix(key, f) })
}

// checkOwned returns the reason why a key may not be set, or "". Livy still accepts older
// spellings of some keys with underscores.
func checkOwned(key string) string {
	key = strings.ReplaceAll(key, "_", "-")
	for _, o := range owned {
		if key == o.key || strings.HasSuffix(o.key, ".") && strings.HasPrefix(key, o.key) {
			return "may not be set: " + o.reason
		}
	}
	return ""
}

// Conf holds the settings of the files that can be set, as parsed by ParseConf.
type Conf struct{ Livy, LivyClient, Blacklist, Spark []Entry }

// CheckMaster returns an error if livy.conf sets a key that the gateway's cluster determines.
func (c *Conf) CheckMaster() error {
	for _, key := range []string{MasterKey, DeployModeKey} {
		if Lookup(c.Livy, key) != "" {
			return gateway.Invalid(LivyConf, key, "must not be set if the gateway has a cluster")
		}
	}
	return nil
}

// ConfInput is the input of RenderConf.
type ConfInput struct {
	Conf
	// Master and DeployMode determine where jobs run; an empty DeployMode means Livy's default.
	Master, DeployMode string
	// DriverHost is the address at which executors reach the drivers of sessions; empty:
	// Spark's own choice.
	DriverHost string
	// Forced reports whether the gateway itself sets a key in the conf of requests; may be
	// nil. Livy's blacklist must not contain such keys, or Livy would reject every request.
	Forced func(key string) bool
	// Alone reports that jobs run beside Livy, and no cluster's configuration tells of a
	// metastore.
	Alone bool
	// Hive reports that the gateway determines the metastore, and that sessions use it.
	Hive bool
	// LocalDirs are directories whose files may be named by "file:" URIs; they
	// are added to those of the gateway's own livy.file.local-dir-whitelist.
	LocalDirs []string
	// Superuser is the user as which the gateway itself logs in, if Livy requires logins;
	// it is added to those of the gateway's own livy.superusers. May be empty.
	Superuser string
}

// RenderConf returns the configuration files of a gateway's Livy server. Host and port are
// missing: the runtime adds them with WithAddress.
func RenderConf(in ConfInput) map[string]string {
	server := withMore(withDefaults(in), LocalDirsKey, in.LocalDirs)
	if in.Superuser != "" {
		server = withMore(server, superusersKey, []string{in.Superuser})
	}
	server = append(server,
		Entry{Key: "livy.ui.enabled", Value: "false"},
		Entry{Key: "livy.server.csrf-protection.enabled", Value: "false"},
		Entry{Key: "livy.server.recovery.mode", Value: "off"},
	)
	var blacklist []Entry
	for _, e := range in.Blacklist {
		if inFamily(SparkBlacklist, e.Key) && (in.Forced == nil || !in.Forced(e.Key)) {
			blacklist = append(blacklist, Entry{Key: e.Key})
		}
	}
	return map[string]string{
		LivyConf:       text(server),
		LivyClientConf: text(append(sessionDefaults(in), in.LivyClient...)),
		SparkBlacklist: text(blacklist),
		SparkDefaults:  text(append(sparkDefaults(in), in.Spark...)),
		Log4j:          log4jText,
	}
}

// withDefaults puts defaults before the given settings; of two settings of one key Livy uses
// the last.
func withDefaults(in ConfInput) []Entry {
	defaults := []Entry{
		{Key: MasterKey, Value: in.Master},
		// Each interactive session uses a port of this range; Livy's own default allows only
		// ten.
		{Key: "livy.rsc.launcher.port.range", Value: "10000~11999"},
		{Key: "livy.server.request-log-retain.days", Value: "1"},
	}
	if in.Hive {
		defaults = append(defaults, Entry{Key: HiveKey, Value: "true"})
	}
	if in.DeployMode != "" {
		defaults = append(defaults, Entry{Key: DeployModeKey, Value: in.DeployMode})
	}
	return append(defaults, in.Livy...)
}

// sparkDefaults are put before the person's settings. Batches on Kubernetes are pods, see
// splitModes. Drivers beside Livy share its
// directory, and Hive's own metastore there takes one of them at a time: each gets one
// in its memory. Elsewhere a hive-site.xml may say where the metastore is, which this
// would replace.
func sparkDefaults(in ConfInput) []Entry {
	var entries []Entry
	if in.splitModes() {
		entries = append(entries, Entry{Key: deployModeKey, Value: "cluster"})
	}
	if in.Alone && !in.Hive {
		entries = append(entries, Entry{Key: metastoreKey, Value: "jdbc:derby:memory:metastore;create=true"})
	}
	return entries
}

// splitModes reports whether sessions run in another deploy mode than batches: on Kubernetes,
// drivers of sessions report to the Livy server, so they run beside it, and those of batches are
// pods. Livy has one setting for both and passes it on only if it is set.
func (in *ConfInput) splitModes() bool {
	return strings.HasPrefix(in.Master, "k8s") && in.DeployMode == "" && Lookup(in.Livy, DeployModeKey) == ""
}

// sessionDefaults are put before the person's settings of livy-client.conf, which only sessions
// read, and which wins over spark-defaults.conf.
func sessionDefaults(in ConfInput) (entries []Entry) {
	if in.splitModes() {
		entries = append(entries, Entry{Key: deployModeKey, Value: "client"})
	}
	if in.DriverHost != "" {
		entries = append(entries, Entry{Key: driverHostKey, Value: in.DriverHost}, Entry{Key: driverBindKey, Value: "0.0.0.0"})
	}
	return entries
}

// WithNamespace returns the files with a default for the namespace of Spark's pods.
func WithNamespace(files map[string]string, namespace string) map[string]string {
	out := maps.Clone(files)
	out[SparkDefaults] = text([]Entry{{Key: "spark.kubernetes.namespace", Value: namespace}}) + out[SparkDefaults]
	return out
}

const (
	deployModeKey = "spark.submit.deployMode"
	driverHostKey = "spark.driver.host"
	driverBindKey = "spark.driver.bindAddress"
)

const metastoreKey = "spark.hadoop.javax.jdo.option.ConnectionURL"

// Keys of livy.conf that more than one place needs.
const (
	MasterKey     = "livy.spark.master"
	DeployModeKey = "livy.spark.deploy-mode"
	LocalDirsKey  = "livy.file.local-dir-whitelist"
	HiveKey       = "livy.repl.enable-hive-context"
	stagingKey    = "livy.session.staging-dir"
	superusersKey = "livy.superusers"
)

// withMore appends to the last value of a key whose value is a list.
func withMore(server []Entry, key string, more []string) []Entry {
	if len(more) == 0 {
		return server
	}
	all := strings.Join(more, ",")
	if v := Lookup(server, key); v != "" {
		all = v + "," + all
	}
	return append(server, Entry{Key: key, Value: all})
}

// Lookup returns the value of a key as Livy and Spark read it: the last one set.
func Lookup(entries []Entry, key string) string {
	for _, e := range slices.Backward(entries) {
		if e.Key == key {
			return e.Value
		}
	}
	return ""
}

// WithAddress returns the files with the address that Livy listens on.
func WithAddress(files map[string]string, host string, port int) map[string]string {
	out := make(map[string]string, len(files))
	maps.Copy(out, files)
	if t := out[LivyConf]; t != "" && !strings.HasSuffix(t, "\n") {
		out[LivyConf] += "\n"
	}
	out[LivyConf] += text([]Entry{
		{Key: "livy.server.host", Value: host},
		{Key: "livy.server.port", Value: fmt.Sprint(port)},
	})
	return out
}

// WithHome returns the files with Livy's staging directory among the directories whose
// files Livy may name; home is the home of the server's Java. Livy keeps uploads there
// where the default file system is the local one, and then checks them like any file
// that a client names. What clients may name is the policy's, which does not know of it.
func WithHome(files map[string]string, home string) (map[string]string, error) {
	server, err := livy.ParseProperties(files[LivyConf])
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", LivyConf, err)
	}
	staging := Lookup(server, stagingKey)
	if staging == "" {
		staging = path.Join(home, ".livy-sessions")
	}
	if u, err := url.Parse(staging); err == nil && u.Scheme == "file" {
		staging = u.Path
	}
	out := maps.Clone(files)
	if path.IsAbs(staging) {
		more := withMore(server, LocalDirsKey, []string{staging})
		out[LivyConf] += text(more[len(server):])
	}
	return out, nil
}

func text(entries []Entry) string {
	var b strings.Builder
	livy.WriteProperties(&b, entries)
	return b.String()
}

// log4jText sends Livy's log to its output, which each runtime collects and bounds.
const log4jText = `log4j.rootCategory = INFO, console
log4j.appender.console = org.apache.log4j.ConsoleAppender
log4j.appender.console.target = System.err
log4j.appender.console.layout = org.apache.log4j.PatternLayout
log4j.appender.console.layout.ConversionPattern = %d{ISO8601} %p %c{1}: %m%n
log4j.logger.org.eclipse.jetty = WARN
`
