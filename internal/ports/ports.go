// Package ports gives tests TCP ports for servers that they start a moment later.
//
// Listening on port 0 and closing again gives a port that anybody may be given in
// between: the next test that asks, or any connection that a program opens. These
// are outside of the range that the kernel gives out, and each belongs to one test
// of one process at a time.
package ports

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"testing"
)

// lowest is where the ports begin. They end below the range of the kernel, or below
// highest where that is not known or leaves too few.
const lowest, highest, fewest = 15000, 32768, 1000

// Spare returns a port of 127.0.0.1 on which nothing listens, and which is nobody
// else's until the test has ended. beside are the ports, counted from it, on which the
// server listens too: they are reserved with it.
func Spare(t testing.TB, beside ...int) int {
	t.Helper()
	port, free, err := Reserve(beside...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(free)
	return port
}

// Reserve is Spare for programs. The port is theirs until they call free.
func Reserve(beside ...int) (port int, free func(), err error) {
	end := end(slices.Max(append(beside, 0)))
	for range 1000 {
		port := lowest + rand.IntN(end-lowest) //nolint:gosec // nobody is to be kept from guessing it
		if free := reserveAll(port, beside); free != nil {
			return port, free, nil
		}
	}
	return 0, nil, fmt.Errorf("no spare port from %d to %d", lowest, end)
}

// ClusterBus is where a node of a Redis cluster listens beside its port.
const ClusterBus = 10000

func reserveAll(port int, beside []int) (free func()) {
	var marks []func()
	free = func() {
		for _, f := range marks {
			f()
		}
	}
	for _, n := range append([]int{0}, beside...) {
		f := reserve(port + n)
		if f == nil {
			free()
			return nil
		}
		marks = append(marks, f)
	}
	return free
}

// SpareAddress is Spare with the host: 127.0.0.1:port.
func SpareAddress(t testing.TB) string {
	t.Helper()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(Spare(t)))
}

// reserve takes a port for this test, unless somebody has it or listens on it. The
// UDP port of the same number is the mark, which all processes see and which ends
// with this one, however it ends.
func reserve(port int) (free func()) {
	mark, err := net.ListenPacket("udp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return nil
	}
	l, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
	if err != nil {
		_ = mark.Close()
		return nil
	}
	_ = l.Close()
	return func() { _ = mark.Close() }
}

// end is the first port above ours, for servers that listen at most so many ports
// above their own too.
func end(above int) int {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	var low int
	if err != nil {
		return highest - above
	}
	if _, err := fmt.Sscan(string(text), &low); err != nil || low < lowest+fewest+above {
		return highest - above
	}
	return min(low, highest) - above
}
