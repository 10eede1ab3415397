package process

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/livygateway/livygateway/upstream"
)

// markerName is the environment variable that identifies all processes started by a server,
// even those that left its session.
const markerName = "LIVYGATEWAY_INSTANCE"

// marker returns the marker of a run, unique among gateways and installations on one machine.
func (r *Runtime) marker(serverID string, epoch int64) string {
	return r.markers(serverID) + strconv.FormatInt(epoch, 10)
}

// markers returns the common prefix of all markers of a gateway.
func (r *Runtime) markers(serverID string) string {
	return markerName + "=" + r.opts.StateDir + ":" + serverID + ":"
}

// environment returns the complete environment of a server. That of this process is not passed
// on: it may contain secrets, and jobs can read theirs.
func environment(l upstream.Launch, d dirs, user account, marker string) []string {
	python := pythonOf(l)
	heap := fmt.Sprintf("-Xmx%dm", upstream.LivyHeap(l.Memory)>>20)
	env := map[string]string{
		"PATH":                  os.Getenv("PATH"),
		"LANG":                  "C.UTF-8",
		"HOME":                  d.work,
		"TMPDIR":                d.tmp(),
		"LIVY_HOME":             l.Engine.LivyHome,
		"LIVY_CONF_DIR":         d.conf,
		"LIVY_LOG_DIR":          d.logs(),
		"LIVY_SERVER_JAVA_OPTS": heap + " " + upstream.JavaOptions() + " -Djava.io.tmpdir=" + d.tmp() + " -Duser.home=" + d.work, // Java does not heed HOME
		"SPARK_HOME":            l.Engine.SparkHome,
		"SPARK_CONF_DIR":        d.conf,
		"SPARK_LOCAL_DIRS":      d.tmp(),
		"PYSPARK_PYTHON":        python,
		"PYSPARK_DRIVER_PYTHON": python,
	}
	if len(l.ClusterFiles) > 0 {
		env["HADOOP_CONF_DIR"] = d.cluster()
	}
	if l.Kubeconfig != "" {
		env["KUBECONFIG"] = filepath.Join(d.kube(), "config")
	}
	if l.Engine.JavaHome != "" {
		env["JAVA_HOME"] = l.Engine.JavaHome
	}
	if l.RunsLocally() {
		// The driver's ports and its UI need not be reachable from other machines.
		env["SPARK_LOCAL_IP"] = user.host()
	}
	maps.Copy(env, l.Env)
	list := []string{marker}
	for k, v := range env {
		list = append(list, k+"="+v)
	}
	return list
}

// pythonOf is the Python that jobs run on: the engine's, or the one with packages that
// scripts/prepare-engine puts beside Spark. Executors on other machines have neither
// that path nor those packages.
func pythonOf(l upstream.Launch) string {
	if l.Engine.Python != "" {
		return l.Engine.Python
	}
	prepared := filepath.Join(filepath.Dir(l.Engine.SparkHome), "python", "bin", "python3")
	if _, err := os.Stat(prepared); err == nil && l.RunsLocally() {
		return prepared
	}
	return "python3"
}

// pickCPUs chooses as many of the cores that we may use as the gateway has,
// beginning at one that depends on its id so that gateways spread out. It
// returns nil when that would be all of them.
func pickCPUs(serverID string, n int) *unix.CPUSet {
	var allowed unix.CPUSet
	if n <= 0 || unix.SchedGetaffinity(0, &allowed) != nil || allowed.Count() <= n {
		return nil
	}
	var cores []int
	for i := 0; len(cores) < allowed.Count(); i++ {
		if allowed.IsSet(i) {
			cores = append(cores, i)
		}
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(serverID))
	var set unix.CPUSet
	for i := range n {
		set.Set(cores[(int(h.Sum32()%uint32(len(cores)))+i)%len(cores)])
	}
	return &set
}

// startOn starts cmd on the given cores and, if plain is set, without the ability to gain
// privileges (su, sudo). A child inherits both from the thread that forks it, which is discarded
// afterwards.
func startOn(cmd *exec.Cmd, cpus *unix.CPUSet, plain bool) error {
	if cpus == nil && !plain {
		return cmd.Start()
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if cpus != nil {
			if err := unix.SchedSetaffinity(0, cpus); err != nil {
				done <- fmt.Errorf("setting its cores: %w", err)
				return
			}
		}
		if plain {
			if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
				done <- fmt.Errorf("disabling programs that change the user: %w", err)
				return
			}
		}
		done <- cmd.Start()
	}()
	return <-done
}

// stat returns the fields of /proc/PID/stat from the third on: state, parent, group, session,
// ...
func stat(pid int) ([]string, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	// The second field, the name in parentheses, may itself contain spaces and parentheses.
	i := bytes.LastIndexByte(raw, ')')
	fields := strings.Fields(string(raw[i+1:]))
	if i < 0 || len(fields) < 20 {
		return nil, fmt.Errorf("unreadable /proc/%d/stat", pid)
	}
	return fields, nil
}

// startTicks returns when a live process started, in clock ticks since boot. A zombie is not
// live.
func startTicks(pid int) (uint64, error) {
	fields, err := stat(pid)
	if err != nil {
		return 0, err
	}
	if ended(fields) {
		return 0, fmt.Errorf("process %d has ended", pid)
	}
	return strconv.ParseUint(fields[19], 10, 64)
}

// bornTicks is startTicks for a child that has not been waited for, dead or alive.
func bornTicks(pid int) (uint64, error) {
	fields, err := stat(pid)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(fields[19], 10, 64)
}

func ended(fields []string) bool { return fields[0] == "Z" || fields[0] == "X" }

func bootID() string {
	raw, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(raw))
}
