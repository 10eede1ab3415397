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

// NoCgroup as Options.Cgroup asks for no cgroups at all.
const NoCgroup = "off"

// defaultCgroup is where root's servers get theirs. It is not below the cgroup of
// Caddy's own service, all of which systemd ends together with Caddy.
const defaultCgroup = "/livygateway"

// cgroupMode lets the JVMs in a cgroup read its bounds, which they go by.
const cgroupMode = 0o755

// cgroupMount is a mounted hierarchy of cgroups.
type cgroupMount struct {
	dir         string
	v2          bool
	controllers []string // of version 1; a hierarchy of version 2 says itself
}

// cgroups are the hierarchies in which servers get cgroups: one of version 2, or
// several of version 1.
type cgroups struct {
	v2     bool
	memory string            // the directory for those that bound memory
	others map[string]string // cpu, pids: where they can be had; in version 2 the same directory
}

// cgroupSystem is what findCgroups looks at; tests have one of their own.
type cgroupSystem struct {
	mounts []cgroupMount
	own    string // our own cgroup of version 2
	root   bool   // whether we are root
}

// thisMachine reads which hierarchies are mounted, and our own place in them.
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
		if place, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			s.own = place
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

// findCgroups prepares the directories in which servers get their cgroups. named
// is the cgroup that the operator chose, as /proc/PID/cgroup writes it; empty: our
// choice. Its errors say why there are none.
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

// inVersion2 makes the cgroup for the servers' own, and hands the controllers down
// to it.
func inVersion2(s cgroupSystem, m cgroupMount, named string) (*cgroups, error) {
	switch {
	case named != "":
	case s.root:
		named = defaultCgroup
	case s.own == "" || s.own == "/":
		return nil, errors.New("only root can make cgroups here")
	default:
		// Beside our own: a cgroup that holds processes cannot divide what it has.
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

// handDown makes a controller available in all that is below a cgroup.
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

// words are the words of a file, none if it cannot be read.
func words(file string) []string {
	text, _ := os.ReadFile(file)
	return strings.Fields(string(text))
}

// writeControl writes to a file of the kernel's. It never makes one.
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
		return errors.New("must be off, or a cgroup as /proc/PID/cgroup writes it, e.g. /livygateway")
	}
	return nil
}
