package gateway

// The names of labels of jobs' pods that differ for each session and batch; see PodLabel.
const (
	RecordLabel = "record"
	TokenLabel  = "token"
)

// PodLabel returns the label, on Kubernetes, of pods of jobs for a label of jobs.
func PodLabel(name string) string { return "livygateway/" + name }
