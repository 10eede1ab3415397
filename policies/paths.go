package policies

import (
	"net/url"
	"path"
	"slices"
	"strings"
)

// DefaultSchemes are the schemes that URIs may have besides file and local:
// remote file systems, and the web.
var DefaultSchemes = []string{
	"hdfs", "viewfs", "webhdfs", "swebhdfs", "s3", "s3a", "s3n", "oss", "gs", "abfs", "abfss", "wasb", "wasbs",
	"cosn", "obs", "o3fs", "ofs", "http", "https",
}

// naming is the way in which a key names files.
type naming int

const (
	namesNothing naming = iota
	// namesURIs: a list of URIs that Livy resolves; one without a scheme is on
	// the default file system.
	namesURIs
	// namesLocal: a list of URIs that Spark resolves; one without a scheme is a
	// local file, read by spark-submit as Livy's own user.
	namesLocal
	// namesClasspath: local paths separated by colons.
	namesClasspath
	// namesMetastoreJars: builtin, maven or path, or a class path.
	namesMetastoreJars
)

// fileKeys are the settings that name files, beginning with those that Livy
// checks itself (though not their case, dot segments or lists in disguise).
var fileKeys = map[string]naming{
	"spark.jars":               namesURIs,
	"spark.files":              namesURIs,
	"spark.submit.pyFiles":     namesURIs,
	"spark.yarn.dist.archives": namesURIs,
	"spark.yarn.dist.files":    namesURIs,
	"spark.yarn.dist.jars":     namesURIs,
	"spark.yarn.archive":       namesURIs,
	"spark.yarn.jar":           namesURIs,
	"spark.yarn.jars":          namesURIs,

	"spark.archives":                          namesLocal, // CVE-2025-60012
	"spark.yarn.dist.pyFiles":                 namesLocal,
	"spark.repl.local.jars":                   namesLocal,
	"spark.jars.repositories":                 namesLocal,
	"spark.jars.ivySettings":                  namesLocal,
	"spark.yarn.keytab":                       namesLocal,
	"spark.kerberos.keytab":                   namesLocal,
	"spark.metrics.conf":                      namesLocal,
	"spark.kubernetes.kerberos.krb5.path":     namesLocal,
	"spark.sql.hive.metastore.jars.path":      namesLocal,
	"spark.driver.log.layout.file":            namesLocal,
	"spark.jars.ivy":                          namesLocal, // written and read by spark-submit
	"spark.authenticate.secret.file":          namesLocal,
	"spark.authenticate.secret.driver.file":   namesLocal,
	"spark.authenticate.secret.executor.file": namesLocal,
	"spark.mesos.principal.file":              namesLocal,
	"spark.mesos.secret.file":                 namesLocal,
	"spark.storage.replication.topologyFile":  namesLocal,
	"spark.ui.store.path":                     namesLocal,
	"spark.scheduler.allocation.file":         namesURIs,
	"spark.executor.uri":                      namesURIs,
	"spark.mesos.uris":                        namesURIs,
	"spark.sql.hive.metastore.jars":           namesMetastoreJars,

	"spark.driver.extraClassPath":     namesClasspath,
	"spark.executor.extraClassPath":   namesClasspath,
	"spark.driver.extraLibraryPath":   namesClasspath,
	"spark.executor.extraLibraryPath": namesClasspath,
	"spark.yarn.am.extraLibraryPath":  namesClasspath,
}

// fileKeyPatterns lists such keys with a variable middle part: prefix and suffix.
var fileKeyPatterns = [][2]string{
	{"spark.kubernetes.", "TemplateFile"},
	{"spark.kubernetes.authenticate.", "File"},
	{"spark.ssl.", "keyStore"},
	{"spark.ssl.", "trustStore"},
	{"spark.ssl.", "privateKey"},
	{"spark.ssl.", "certChain"},
	{"spark.driver.resource.", ".discoveryScript"},
	{"spark.executor.resource.", ".discoveryScript"},
	{"spark.kubernetes.driver.volumes.hostPath.", ".options.path"},
	{"spark.kubernetes.executor.volumes.hostPath.", ".options.path"},
}

// fieldNaming is the equivalent of fileKeys for Livy's fields.
var fieldNaming = map[string]naming{
	"jars": namesURIs, "pyFiles": namesURIs, "files": namesURIs, "archives": namesURIs, "file": namesURIs,
}

func namingOf(key string) naming {
	if n, ok := fileKeys[key]; ok {
		return n
	}
	for _, p := range fileKeyPatterns {
		if strings.HasPrefix(key, p[0]) && strings.HasSuffix(key, p[1]) && len(key) > len(p[0])+len(p[1])-1 {
			return namesLocal
		}
	}
	return namesNothing
}

// badPaths returns what is wrong with a setting that names files, or "".
func (p *Policy) badPaths(n naming, value string) string {
	switch n {
	case namesMetastoreJars:
		if value == "builtin" || value == "maven" || value == "path" {
			return ""
		}
		fallthrough
	case namesClasspath:
		if p.set.CustomClasspath {
			return ""
		}
		for entry := range strings.SplitSeq(value, ":") {
			if reason := p.badLocal(strings.TrimSuffix(entry, "/*")); entry != "" && reason != "" {
				return reason
			}
		}
		return ""
	default:
	}
	for entry := range strings.SplitSeq(value, ",") {
		if n == namesURIs {
			entry = strings.Trim(entry, " ") // Livy also trims spaces
		}
		if strings.TrimSpace(entry) == "" {
			continue
		}
		// Spark does not: it resolves " /a" in a directory named " " below Livy's working
		// directory.
		if reason := p.badURI(n, entry); reason != "" {
			return reason
		}
	}
	return ""
}

// badURI returns what is wrong with one URI, or "".
func (p *Policy) badURI(n naming, uri string) string {
	for i := 0; i < len(uri); i++ {
		switch c := uri[i]; {
		case c <= ' ' || c == 0x7f:
			return "must not contain whitespace or control characters; write a space as %20"
		case c == ',':
			return "must be one URI, without a comma"
		case c == '\\':
			return "must not contain a backslash"
		}
	}
	if strings.Contains(uri, "${") {
		return "must not contain ${...}"
	}
	base, fragment, _ := strings.Cut(uri, "#")
	if strings.ContainsAny(fragment, "/#%") || fragment == "." || fragment == ".." {
		return "must have a plain file name after #"
	}
	scheme, rest, ok := cutScheme(base)
	switch {
	case !ok && !strings.HasPrefix(base, "/"):
		return "must be an absolute path or a URI"
	case !ok && strings.HasPrefix(base, "//"):
		return "must not begin with //"
	case !ok && n == namesURIs:
		// Livy decodes the escapes of such a path and then fails on the decoded characters.
		if strings.ContainsRune(base, '%') {
			return "must have a scheme, since it has percent escapes"
		}
		return badSegments(base)
	case !ok:
		return p.badLocal(base)
	case scheme != strings.ToLower(scheme):
		return "must have its scheme in lower case"
	case scheme == "file" || scheme == "local":
		if host, ok := strings.CutPrefix(rest, "//"); ok {
			rest = host
		}
		return p.badLocal(rest)
	case !slices.Contains(p.set.Schemes, scheme):
		return "must have one of the schemes " + strings.Join(p.set.Schemes,
			", ") + ", or file under an allowed directory"
	}
	return badSegments(rest)
}

// cutScheme splits a URI after its scheme, as java.net.URI does.
func cutScheme(uri string) (scheme, rest string, ok bool) {
	for i := 0; i < len(uri); i++ {
		switch c := uri[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		case i > 0 && ('0' <= c && c <= '9' || c == '+' || c == '-' || c == '.'):
		case i > 0 && c == ':':
			return uri[:i], uri[i+1:], true
		default:
			return "", uri, false
		}
	}
	return "", uri, false
}

// badSegments rejects dot segments in any form, including in alternatives of a glob such as
// {a,../b}.
func badSegments(p string) string {
	plain, err := url.PathUnescape(p)
	if err != nil {
		return "must have valid percent escapes"
	}
	for i := 0; i < len(plain); i++ {
		if plain[i] < ' ' || plain[i] == 0x7f {
			return "must not have escaped control characters"
		}
	}
	for _, segment := range strings.FieldsFunc(plain,
		func(c rune) bool { return strings.ContainsRune("/{},", c) }) {
		if segment == "." || segment == ".." {
			return "must not have dot segments"
		}
	}
	return ""
}

// badLocal rejects local paths outside the allowed directories. (CVE-2025-66249: Livy does not
// normalize such paths before its own check.)
func (p *Policy) badLocal(local string) string {
	plain := strings.ReplaceAll(local, "%20", " ")
	switch {
	case !strings.HasPrefix(plain, "/"):
		return "must be an absolute local path"
	case strings.ContainsAny(plain, "%{}[]\\") || strings.Contains(plain, "${"):
		return "must be a plain local path, without globs in braces or brackets, and without escapes other than %20"
	case plain != "/" && path.Clean(plain) != strings.TrimSuffix(plain, "/"):
		return "must be a clean local path, without dot segments or doubled slashes"
	}
	for _, dir := range p.set.LocalDirs {
		if strings.HasPrefix(plain, strings.TrimSuffix(dir, "/")+"/") {
			return ""
		}
	}
	if len(p.set.LocalDirs) == 0 {
		return "must not name a local file: no local directories are allowed"
	}
	return "must be under one of the allowed directories: " + strings.Join(p.set.LocalDirs, ", ")
}
