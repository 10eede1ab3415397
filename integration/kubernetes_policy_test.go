package integration

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/require"
)

// checkPolicies tries who reaches the server of a gateway: the network policy holds, as the cluster
// has a controller that enforces policies. An executor of the gateway must be there.
func (k kubernetes) checkPolicies(t *testing.T, namespace, gatewayID string) {
	_, err := os.Stat(filepath.Join(k.dir, "run", "policies"))
	require.Need(t, require.Kubernetes, err == nil, "the kernel cannot enforce network policies (ip_set, br_netfilter)")
	elsewhere, server := k.namespace(t, "elsewhere"), "livygw-"+gatewayID
	stranger := func(name, label string) {
		k.apply(t, fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: %s, labels: {%s}}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: c, image: "%s", imagePullPolicy: Never, command: [sleep, "300"]}]
`, name, elsewhere, label, image()))
	}
	stranger("stranger", "")
	stranger("impostor", "livygateway/gateway: "+gatewayID)
	k.kubectl(t, "wait", "-n", elsewhere, "--for=condition=Ready", "pod/stranger", "pod/impostor", "--timeout=60s")
	executor := k.pods(t, namespace, "spark-role=executor", "{.metadata.name}")[0]

	// What listens beside Livy and the Spark UI of the session: a Thrift server, a driver.
	listen := exec.Command(k.program, "kubectl", "--kubeconfig", k.kubeconfig, "exec", "-n", namespace, server, "--", "python3", "-c", `
import socket, time
all = [socket.create_server(("", port)) for port in (10090, 35000)]
print("listening", flush=True)
time.sleep(120)`)
	out, err := listen.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := listen.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listen.Process.Kill(); _ = listen.Wait() })
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatalf("nothing listens in the pod: %v", err)
	}
	address := k.kubectl(t, "get", "pod", server, "-n", namespace, "-o", "jsonpath={.status.podIP}")

	from := func(namespace, pod string) func(port string) bool {
		return func(port string) bool {
			return exec.Command(k.program, "kubectl", "--kubeconfig", k.kubeconfig, "exec", "-n", namespace, pod, "--",
				"timeout", "2", "bash", "-c", "echo >/dev/tcp/"+address+"/"+port).Run() == nil
		}
	}
	here := func(port string) bool {
		conn, err := net.DialTimeout("tcp", net.JoinHostPort(address, port), 2*time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}
	ports := []string{"8998", "4040", "10090", "35000"}
	for _, who := range []struct {
		name    string
		reaches func(port string) bool
		want    string
	}{
		{"this machine, which allow names", here, "8998 4040"},
		{"an executor of the gateway", from(namespace, executor), "35000"},
		{"a pod with the label of the gateway's jobs", from(elsewhere, "impostor"), "35000"},
		{"any other pod", from(elsewhere, "stranger"), ""},
	} {
		look := func() string {
			var open []string
			for _, port := range ports {
				if who.reaches(port) {
					open = append(open, port)
				}
			}
			return strings.Join(open, " ")
		}
		// The controller follows new pods with a delay.
		got := look()
		for n := 0; n < 5 && got != who.want; n++ {
			time.Sleep(time.Second)
			got = look()
		}
		if got != who.want {
			t.Errorf("%s reaches ports %q, want %q", who.name, got, who.want)
		}
	}
}
