package ports

import (
	"fmt"
	"net"
	"testing"
)

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
		if port >= end() {
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
