package ports

import (
	"fmt"
	"net"
	"testing"
)

// A node of a Redis cluster listens at its port and 10000 above.
func TestPortsBesideBelongToTheTestToo(t *testing.T) {
	for range 50 {
		port := Spare(t, ClusterBus)
		if bus := port + ClusterBus; bus >= end(0) {
			t.Errorf("port %d beside %d is one that the kernel gives out", bus, port)
		} else if free := reserve(bus); free != nil {
			t.Fatalf("port %d beside %d can be had again", bus, port)
		}
	}
	port := Spare(t)
	if port < lowest+ClusterBus {
		port += ClusterBus
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			defer l.Close()
		}
	}
	if free := reserveAll(port-ClusterBus, []int{ClusterBus}); free != nil {
		t.Errorf("port %d was given, beside which somebody has %d", port-ClusterBus, port)
	}
}

func TestAPortBelongsToOneTestAtATime(t *testing.T) {
	seen := map[int]bool{}
	for range 200 {
		port := Spare(t)
		if seen[port] {
			t.Fatalf("port %d was given twice", port)
		}
		seen[port] = true
		if free := reserve(port); free != nil {
			t.Fatalf("port %d can be had again", port)
		}
		if port >= end(0) {
			t.Errorf("port %d is one that the kernel gives out", port)
		}
	}
	var port int
	t.Run("a test that ends", func(t *testing.T) { port = Spare(t) })
	free := reserve(port)
	if free == nil {
		t.Fatalf("port %d of a test that has ended cannot be had", port)
	}
	free()
	for _, host := range []string{"127.0.0.1", ""} {
		l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", host, port))
		if err != nil {
			t.Fatal(err)
		}
		if reserve(port) != nil {
			t.Errorf("a port on which somebody listens at %q was given", l.Addr())
		}
		_ = l.Close()
	}
}
