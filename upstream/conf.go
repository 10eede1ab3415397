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

// The configuration files of a Livy server, by the names that it reads them by.
const (
	LivyConf       = "livy.conf"
	LivyClientConf = "livy-client.conf"
	SparkBlacklist = "spark-blacklist.conf"
	SparkDefaults  = "spark-defaults.conf"
	Log4j          = "log4j.properties"
)

// MaxConfBytes bounds one configuration text.
const MaxConfBytes = 256 << 10

// owned are the keys of livy.conf that a gateway sets itself, with the reason to
// give when a person tries to. A key that ends in a dot stands for all below it.
var owned = []struct{ key, reason string }{
	{"livy.server.host", "the gateway chooses the address that Livy listens on"},
	{"livy.server.port", "the gateway chooses the port that Livy listens on"},
	{"livy.server.csrf-protection.enabled", "the gateway guards against forged requests itself"},
	{"livy.server.spark-home", "the gateway's engine says which Spark is used"},
	{"livy.ui.", "Livy's own pages are not served through a gateway"},
	{"livy.server.recovery.", "the gateway keeps the records of sessions itself"},
	{"livy.server.zookeeper.url", "the gateway keeps the records of sessions itself"},
	{"livy.server.zk.", "the gateway keeps the records of sessions itself"},
	{"livy.server.thrift.", "a Thrift port would be a way around the gateway"},
	{"livy.keystore", "TLS ends at the gateway"},
	{"livy.keystore.", "TLS ends at the gateway"},
	{"livy.key-password", "TLS ends at the gateway"},
	{"livy.rsc.launcher.address", "the gateway chooses the address that drivers report to"},
}

// families are the beginnings of keys that each file's reader looks at; it
// would silently ignore anything else.
var families = map[string][]string{
	LivyConf:       {"livy."},
	LivyClientConf: {"livy.", "spark."},
	SparkBlacklist: {"livy.", "spark."},
	SparkDefaults:  {"spark."},
}

// Entry is one setting of a configuration file.
type Entry = livy.Property

// ParseConf reads the text of one of the four configuration files that a person
// may set (LivyConf, LivyClientConf, SparkBlacklist, SparkDefaults) in the form
// that Livy's and Spark's users know: "key value" or "key = value" a line, for
// SparkBlacklist a key alone. Where a line cannot stand, the error is a
// *gateway.Error of KindInvalid that names file, line and reason.
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

// CheckSize refuses a text that is larger than MaxConfBytes.
func CheckSize(file, text string) error {
	if len(text) > MaxConfBytes {
		return gateway.Invalid(file, "", fmt.Sprintf("must be at most %d KiB", MaxConfBytes>>10))
	}
	return nil
}

// confError names the key if it is one: a file that was given by mistake may hold
// secrets.
func confError(file string, line int, key, rule string) error {
	place := fmt.Sprintf("%s line %d", file, line)
	if !plausible.MatchString(key) {
		return gateway.InvalidLine(place, rule)
	}
	return gateway.Invalid(place, key, rule)
}

var plausible = regexp.MustCompile(`^(spark|livy)\.[A-Za-z0-9._-]{1,200}$`)

// checkEntry returns what is wrong with a setting, or "". Values are left out of
// it: they may hold passwords.
func checkEntry(file string, e Entry) string {
	if e.Key == "" {
		return "has no key"
	}
	if strings.ContainsFunc(e.Key, func(r rune) bool { return r <= ' ' || r == '=' || r == 0x7f }) {
		return "a key holds no blanks, '=' or control characters"
	}
	if strings.ContainsFunc(e.Value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return "a value holds no control characters"
	}
	if file != SparkBlacklist && !inFamily(file, e.Key) {
		return "a key begins with " + strings.Join(families[file], " or ")
	}
	if file == SparkBlacklist {
		return "" // a value means nothing there, and fields of Livy's request are keys too
	}
	if e.Value == "" {
		return "has no value"
	}
	if file == LivyConf || file == LivyClientConf {
		return checkOwned(e.Key)
	}
	return ""
}

// inFamily says whether a file's reader looks at keys that begin so.
func inFamily(file, key string) bool {
	return slices.ContainsFunc(families[file], func(f string) bool { return strings.HasPrefix(key, f) })
}

// checkOwned returns why a key may not be set, or "". Livy still knows some keys
// by older spellings with underscores.
func checkOwned(key string) string {
	key = strings.ReplaceAll(key, "_", "-")
	for _, o := range owned {
		if key == o.key || strings.HasSuffix(o.key, ".") && strings.HasPrefix(key, o.key) {
			return "may not be set: " + o.reason
		}
	}
	return ""
}

// Conf is the settings of the files that a person may set, read by ParseConf.
type Conf struct{ Livy, LivyClient, Blacklist, Spark []Entry }

// CheckMaster refuses what livy.conf may not set while a cluster says where jobs run.
func (c *Conf) CheckMaster() error {
	for _, key := range []string{MasterKey, DeployModeKey} {
		if Lookup(c.Livy, key) != "" {
			return gateway.Invalid(LivyConf, key, "may not be set while the gateway names a cluster")
		}
	}
	return nil
}

// ConfInput is what a gateway's configuration files are made from.
type ConfInput struct {
	Conf
	// Master and DeployMode say where jobs run; a DeployMode that is empty is Livy's own.
	Master, DeployMode string
	// Forced says which keys the gateway itself puts into the conf of requests;
	// may be nil. Livy must not get them as blacklisted: it would reject every request.
	Forced func(key string) bool
	// Alone reports that jobs run beside Livy, and no cluster's configuration tells of a
	// metastore.
	Alone bool
	// LocalDirs are directories whose files may be named by "file:" URIs; they
	// are added to those of the gateway's own livy.file.local-dir-whitelist.
	LocalDirs []string
	// Superuser is who the gateway itself logs in as where Livy wants logins; it
	// is added to those of the gateway's own livy.superusers. May be empty.
	Superuser string
}

// RenderConf makes the configuration files of a gateway's Livy server. Host and
// port are missing: the runtime knows them and adds them with WithAddress.
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
		LivyClientConf: text(in.LivyClient),
		SparkBlacklist: text(blacklist),
		SparkDefaults:  text(append(sparkDefaults(in), in.Spark...)),
		Log4j:          log4jText,
	}
}

// withDefaults puts before the person's settings what holds unless they say
// otherwise; of two settings of one key Livy takes the later.
func withDefaults(in ConfInput) []Entry {
	defaults := []Entry{
		{Key: MasterKey, Value: in.Master},
		// Each interactive session takes a port of this range; Livy's own default
		// ends at ten of them.
		{Key: "livy.rsc.launcher.port.range", Value: "10000~11999"},
		{Key: "livy.server.request-log-retain.days", Value: "1"},
	}
	if in.DeployMode != "" {
		defaults = append(defaults, Entry{Key: DeployModeKey, Value: in.DeployMode})
	}
	return append(defaults, in.Livy...)
}

// sparkDefaults are put before the person's settings. Drivers beside Livy share its
// directory, and Hive's own metastore there takes one of them at a time: each gets one
// in its memory. Elsewhere a hive-site.xml may say where the metastore is, which this
// would replace.
func sparkDefaults(in ConfInput) []Entry {
	if !in.Alone {
		return nil
	}
	return []Entry{{Key: metastoreKey, Value: "jdbc:derby:memory:metastore;create=true"}}
}

const metastoreKey = "spark.hadoop.javax.jdo.option.ConnectionURL"

// Keys of livy.conf that more than one place needs.
const (
	MasterKey     = "livy.spark.master"
	DeployModeKey = "livy.spark.deploy-mode"
	LocalDirsKey  = "livy.file.local-dir-whitelist"
	stagingKey    = "livy.session.staging-dir"
	superusersKey = "livy.superusers"
)

// withMore adds to the last value of a key whose value is a list.
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

// Lookup returns the value of a key as Livy and Spark take it: the last one set.
func Lookup(entries []Entry, key string) string {
	for _, e := range slices.Backward(entries) {
		if e.Key == key {
			return e.Value
		}
	}
	return ""
}

// WithAddress returns the files with the address that Livy shall listen on.
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

// log4jText sends Livy's log to its output, where each runtime collects and
// bounds it.
const log4jText = `log4j.rootCategory = INFO, console
log4j.appender.console = org.apache.log4j.ConsoleAppender
log4j.appender.console.target = System.err
log4j.appender.console.layout = org.apache.log4j.PatternLayout
log4j.appender.console.layout.ConversionPattern = %d{ISO8601} %p %c{1}: %m%n
log4j.logger.org.eclipse.jetty = WARN
`
