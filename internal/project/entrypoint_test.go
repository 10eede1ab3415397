package project

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestEntrypointRunsSparkPods: the engine image does what Spark asks of images on Kubernetes.
func TestEntrypointRunsSparkPods(t *testing.T) {
	home := t.TempDir()
	for _, name := range []string{"bin/java", "bin/spark-submit"} {
		path := filepath.Join(home, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		script := "#!/bin/sh\necho \"${0##*/}\"\nfor a in \"$@\"; do echo \"$a\"; done\n"
		if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{
		"PATH=" + os.Getenv("PATH"), "SPARK_HOME=" + home, "JAVA_HOME=" + home, "SPARK_CONF_DIR=/opt/spark/conf", "SPARK_DRIVER_BIND_ADDRESS=10.0.0.3",
		"SPARK_JAVA_OPT_0=-Da=b c", "SPARK_JAVA_OPT_1=-Dd", "SPARK_EXECUTOR_MEMORY=512m", "SPARK_DRIVER_URL=spark://d", "SPARK_EXECUTOR_ID=1",
		"SPARK_EXECUTOR_CORES=2", "SPARK_APPLICATION_ID=spark-x", "SPARK_EXECUTOR_POD_IP=10.0.0.4", "SPARK_RESOURCE_PROFILE_ID=0",
		"SPARK_EXECUTOR_POD_NAME=p-1",
	}
	jars := "/opt/spark/conf::" + home + "/jars/*::" + home
	for _, tt := range []struct {
		args []string
		want []string
	}{
		{
			[]string{"driver", "--properties-file", "/opt/spark/conf/spark.properties", "local:///my pi.py"},
			[]string{
				"spark-submit", "--conf", "spark.driver.bindAddress=10.0.0.3", "--conf", "spark.executorEnv.SPARK_DRIVER_POD_IP=10.0.0.3",
				"--deploy-mode", "client", "--properties-file", "/opt/spark/conf/spark.properties", "local:///my pi.py",
			},
		},
		{
			[]string{"executor"},
			[]string{
				"java", "-Da=b c", "-Dd", "-Xms512m", "-Xmx512m", "-cp", jars,
				"org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend", "--driver-url", "spark://d", "--executor-id", "1", "--cores", "2",
				"--app-id", "spark-x", "--hostname", "10.0.0.4", "--resourceProfileId", "0", "--podName", "p-1",
			},
		},
	} {
		entrypoint, err := filepath.Abs(filepath.Join("..", "..", "docker", "entrypoint"))
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("bash", append([]string{entrypoint}, tt.args...)...)
		cmd.Env, cmd.Dir = env, home
		out, err := cmd.CombinedOutput()
		if want := strings.Join(tt.want, "\n") + "\n"; err != nil || string(out) != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", tt.args[0], err, out, want)
		}
	}
}
