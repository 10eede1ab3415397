package process

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// NoCgroup as Options.Cgroup turns cgroups off.
const NoCgroup = "off"

// defaultCgroup is the parent of the servers' cgroups if Caddy runs as root. It is not below
// the cgroup of Caddy's own service, which systemd stops as a whole.
const defaultCgroup = "/livygateway"

// cgroupMode lets the JVMs in a cgroup read its limits, which they adapt to.
const cgroupMode = 0o755

// cgroupMount is a mounted hierarchy of cgroups.
type cgroupMount struct {
	dir         string
	v2          bool
	controllers []string // version 1 only; version 2 lists them in a file
}

// cgroups holds the hierarchies of the servers' cgroups: one of version 2, or several of
// version 1.
type cgroups struct {
	v2     bool
	memory string            // the directory of the memory controller
	others map[string]string // those of cpu and pids, if available; in version 2 the same directory
}

// cgroupSystem is the input of findCgroups; tests provide their own.
type cgroupSystem struct {
	mounts []cgroupMount
	own    string // this process's own cgroup of version 2
	root   bool   // whether this process runs as root
}

// thisMachine reads which hierarchies are mounted, and this process's own cgroup.
func thisMachine() (cgroupSystem, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return cgroupSystem{}, fmt.Errorf("reading the mounts: %w", err)
	}
	defer f.Close()
	s := cgroupSystem{mounts: readMounts(f), root: os.Geteuid() == 0}
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return s, fmt.Errorf("reading our own cgroup: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if own, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			s.own = own
		}
	}
	return s, nil
}

// readMounts reads the cgroup hierarchies of a mountinfo file, see proc(5).
func readMounts(r io.Reader) (all []cgroupMount) {
	for lines := bufio.NewScanner(r); lines.Scan(); {
		before, after, ok := strings.Cut(lines.Text(), " - ")
		fields, system := strings.Fields(before), strings.Fields(after)
		if !ok || len(fields) < 5 || len(system) < 3 {
			continue
		}
		switch system[0] {
		case "cgroup2":
			all = append(all, cgroupMount{dir: fields[4], v2: true})
		case "cgroup":
			all = append(all, cgroupMount{dir: fields[4], controllers: strings.Split(system[2], ",")})
		}
	}
	return all
}

// findCgroups prepares the directories for the servers' cgroups. named is the cgroup that the
// operator chose, as in /proc/PID/cgroup; empty means the default.
func findCgroups(s cgroupSystem, named string) (*cgroups, error) {
	for _, m := range s.mounts {
		if m.v2 && slices.Contains(words(filepath.Join(m.dir, "cgroup.controllers")), "memory") {
			return inVersion2(s, m, named)
		}
	}
	if named == "" {
		named = defaultCgroup
	}
	c := &cgroups{others: map[string]string{}}
	var failed error
	for _, controller := range []string{"memory", "cpu", "pids"} {
		for _, m := range s.mounts {
			if m.v2 || !slices.Contains(m.controllers, controller) {
				continue
			}
			dir := filepath.Join(m.dir, named)
			err := os.MkdirAll(dir, cgroupMode)
			switch {
			case err != nil && controller == "memory":
				failed = err
			case err != nil:
			case controller == "memory":
				c.memory = dir
			default:
				c.others[controller] = dir
			}
			break
		}
	}
	if c.memory == "" {
		return nil, cmpError(failed, errors.New("no cgroup hierarchy with the memory controller is mounted"))
	}
	return c, nil
}

func cmpError(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// inVersion2 creates the parent of the servers' cgroups and enables the controllers in it.
func inVersion2(s cgroupSystem, m cgroupMount, named string) (*cgroups, error) {
	switch {
	case named != "":
	case s.root:
		named = defaultCgroup
	case s.own == "" || s.own == "/":
		return nil, errors.New("only root can create cgroups here")
	default:
		// Next to this process's own: a cgroup with processes cannot have controllers for children.
		named = path.Join(path.Dir(s.own), defaultCgroup)
	}
	c := &cgroups{v2: true, memory: filepath.Join(m.dir, named), others: map[string]string{}}
	if err := os.MkdirAll(c.memory, cgroupMode); err != nil {
		return nil, err
	}
	for _, controller := range []string{"memory", "cpu", "pids"} {
		switch err := handDown(m.dir, named, controller); {
		case err == nil && controller != "memory":
			c.others[controller] = c.memory
		case err != nil && controller == "memory":
			return nil, err
		}
	}
	return c, nil
}

// handDown enables a controller in the children of a cgroup.
func handDown(root, cgroup, controller string) error {
	dir := root
	for _, part := range append([]string{""}, strings.Split(strings.Trim(cgroup, "/"), "/")...) {
		dir = filepath.Join(dir, part)
		control := filepath.Join(dir, "cgroup.subtree_control")
		if slices.Contains(words(control), controller) {
			continue
		}
		if err := writeControl(control, "+"+controller); err != nil {
			return err
		}
	}
	return nil
}

// words returns the words of a file, none if it cannot be read.
func words(file string) []string {
	text, _ := os.ReadFile(file)
	return strings.Fields(string(text))
}

// writeControl writes to an existing kernel file.
func writeControl(file, text string) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// checkCgroupName checks what the operator named.
func checkCgroupName(name string) error {
	if name == "" || name == NoCgroup {
		return nil
	}
	if !strings.HasPrefix(name, "/") || name == "/" || path.Clean(name) != name || !fs.ValidPath(name[1:]) {
		return errors.New("must be off, or a cgroup as in /proc/PID/cgroup, e.g. /livygateway")
	}
	return nil
}
