package process

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/livygateway/livygateway/internal/doctor"
	"github.com/livygateway/livygateway/internal/gateway"
)

// classArchive is an archive of Java classes that scripts/prepare-archives made, and the
// jars that it was made from.
type classArchive struct{ file, jars string }

// examineArchives checks whether Java can use an engine's archives of classes. An engine
// without any is not reported: that is a choice.
func examineArchives(ctx context.Context, e gateway.Engine, java string) []doctor.Result {
	check := "engine " + e.Name + ": start of jobs"
	spark, err := filepath.EvalSymlinks(e.SparkHome)
	if err != nil {
		return nil // reported with the engine
	}
	livy, err := filepath.EvalSymlinks(e.LivyHome)
	if err != nil {
		return nil
	}
	if _, err := os.Stat(filepath.Join(spark, "archives")); err != nil {
		return nil
	}
	for _, a := range []classArchive{
		{filepath.Join(spark, "archives", "driver.jsa"), filepath.Join(spark, "jars", "*.jar")},
		{filepath.Join(spark, "archives", "launcher.jsa"), filepath.Join(spark, "jars", "spark-launcher_*.jar")},
		{filepath.Join(livy, "archives", "server.jsa"), filepath.Join(livy, "jars", "*.jar")},
	} {
		jars, err := filepath.Glob(a.jars)
		if err != nil {
			return nil // the path has characters of patterns
		}
		// With -Xshare:on, Java fails if it cannot use the archive.
		cmd := exec.CommandContext(ctx, java, "-Xshare:on", "-XX:SharedArchiveFile="+a.file, "-cp", strings.Join(jars, ":"), "-version")
		if cmd.Run() != nil {
			return []doctor.Result{doctor.Warning(check,
				"Java cannot use "+a.file+", so jobs take longer to start, about 1.5 times; Java or a jar was changed after it was made",
				"make it again with scripts/prepare-engine "+filepath.Dir(spark))}
		}
	}
	return []doctor.Result{doctor.Good(check, "Java can use the archives of classes below %s", spark)}
}
