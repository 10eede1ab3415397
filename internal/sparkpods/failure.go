package sparkpods

import (
	"cmp"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// maxMessage bounds what a failure quotes of a pod's status, in bytes.
const maxMessage = 200

// failure returns why a pod failed, e.g. "exit code 2 (Error)".
func failure(p *corev1.Pod) string {
	var why []string
	if p.Status.Reason != "" || p.Status.Message != "" { // of the pod itself, such as Evicted
		why = append(why, strings.Trim(p.Status.Reason+": "+bounded(p.Status.Message), ": "))
	}
	if ended := endOfDriver(p); ended != nil {
		reason := cmp.Or(ended.Reason, "Error")
		if reason == "OOMKilled" {
			reason += ": out of memory"
		}
		why = append(why, fmt.Sprintf("exit code %d (%s)", ended.ExitCode, reason))
		if text := bounded(ended.Message); text != "" {
			why = append(why, text)
		}
	}
	if len(why) == 0 {
		return "Kubernetes gives no reason"
	}
	return strings.Join(why, "; ")
}

// endOfDriver returns the end of the driver's container, or of another one that failed.
func endOfDriver(p *corev1.Pod) (found *corev1.ContainerStateTerminated) {
	for i := range p.Status.ContainerStatuses {
		c := &p.Status.ContainerStatuses[i]
		ended := c.State.Terminated
		if ended == nil {
			continue
		}
		if c.Name == driverContainer {
			return ended
		}
		if ended.ExitCode != 0 {
			found = ended
		}
	}
	return found
}

func bounded(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	return strings.ToValidUTF8(text[:min(len(text), maxMessage)], "")
}
