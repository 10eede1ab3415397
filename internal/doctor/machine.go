package doctor

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Disk checks the free space on the disk of a directory, which need not exist yet.
func Disk(check, dir string) Result {
	var fs unix.Statfs_t
	if err := unix.Statfs(Existing(dir), &fs); err != nil {
		return Warning(check, fmt.Sprintf("cannot be checked: %s", err), "make sure that "+dir+" can be created")
	}
	size := uint64(fs.Bsize) // a block size is positive
	return judgeDisk(check, fs.Bavail*size, fs.Blocks*size)
}

// Free bytes below which the disk check warns or fails.
const (
	littleDisk = 5 << 30
	noDisk     = 512 << 20
)

func judgeDisk(check string, free, all uint64) Result {
	text := fmt.Sprintf("%.1f of %.1f GiB free", float64(free)/(1<<30), float64(all)/(1<<30))
	const mend = "free some space: jobs write there while they run, and logs grow"
	switch {
	case free < noDisk:
		return Failure(check, text, mend)
	case free < littleDisk:
		return Warning(check, text, mend)
	}
	return Good(check, "%s", text)
}

// Existing returns a directory, or its nearest parent that exists.
func Existing(dir string) string {
	for {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			return dir
		}
		dir = up
	}
}

// Clock checks whether this machine's clock is synchronised.
func Clock() Result {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	if err != nil {
		return Warning("clock", fmt.Sprintf("cannot determine whether it is synchronised: %s", err),
			"make sure that NTP runs")
	}
	return judgeClock(state == unix.TIME_ERROR || t.Status&unix.STA_UNSYNC != 0, time.Now())
}

func judgeClock(wild bool, now time.Time) Result {
	if wild {
		return Warning("clock", "this machine's clock is not synchronised: tokens may expire at the wrong time",
			"enable NTP: timedatectl set-ntp true, or install chrony; for a container, do so on its host")
	}
	return Good("clock", "synchronised, %s UTC", now.UTC().Format(time.DateTime))
}

// fewPorts is the number of free ports below which the check warns: each driver takes several.
const fewPorts = 2000

// Ports checks whether enough ephemeral ports are left for servers and drivers.
func Ports() Result {
	const check = "free ports"
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	var first, last int
	if err == nil {
		_, err = fmt.Sscan(string(text), &first, &last)
	}
	if err != nil {
		return Warning(check, fmt.Sprintf("cannot read the port range: %s", err),
			"check sysctl net.ipv4.ip_local_port_range")
	}
	used := 0
	for _, name := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		used += usedPorts(name, first, last)
	}
	return judgePorts(first, last, used)
}

func judgePorts(first, last, used int) Result {
	text := fmt.Sprintf("%d of %d to %d in use", used, first, last)
	if last-first+1-used < fewPorts {
		return Warning("free ports", text,
			"widen the range: sysctl -w net.ipv4.ip_local_port_range='32768 60999'; "+
				"list the connections that use them with ss -tn")
	}
	return Good("free ports", "%s", text)
}

// usedPorts counts the sockets in a kernel table whose local port is in a range.
func usedPorts(table string, first, last int) int {
	f, err := os.Open(table)
	if err != nil {
		return 0
	}
	defer f.Close()
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 {
			continue
		}
		_, hex, _ := strings.Cut(fields[1], ":")
		var port int
		if _, err := fmt.Sscanf(hex, "%x", &port); err == nil && port >= first && port <= last {
			n++
		}
	}
	return n
}
