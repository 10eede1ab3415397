package policies

import (
	"strings"

	"github.com/livygateway/livygateway/internal/gateway"
)

const (
	kubernetesPrefix = "spark.kubernetes."
	deployMode       = "spark.submit.deployMode"
)

// kubernetesGroup is a group of Spark's settings for Kubernetes that only the operator may make,
// unless a rule or a grant names them.
type kubernetesGroup struct {
	// decides is what the settings decide, for reports and the documentation.
	decides string
	// list has the names; one that ends with a * stands for all that begin so.
	list []string
}

// kubernetesGroups are those settings. Settings in no group are the operator's too: the groups give
// the reason. A test compares them with all settings that Spark declares.
var kubernetesGroups = []kubernetesGroup{
	{
		"which API server is called, and with whose credentials",
		[]string{
			"spark.kubernetes.authenticate*", "spark.kubernetes.context", "spark.kubernetes.driver.master",
			"spark.kubernetes.trust.certificates", "spark.kubernetes.submission.*",
			"spark.kubernetes.driver.connectionTimeout", "spark.kubernetes.driver.requestTimeout",
		},
	},
	{
		"which Secrets, Kerberos tokens and Hadoop settings a pod gets",
		[]string{
			"spark.kubernetes.driver.secrets.*", "spark.kubernetes.executor.secrets.*",
			"spark.kubernetes.driver.secretKeyRef.*", "spark.kubernetes.executor.secretKeyRef.*",
			"spark.kubernetes.kerberos.*", "spark.kubernetes.hadoop.*", "spark.kubernetes.executor.hadoopConfigMapName",
		},
	},
	{
		"in which namespace pods run, and what they are called",
		[]string{
			"spark.kubernetes.namespace", "spark.kubernetes.driver.pod.name", "spark.kubernetes.driver.resourceNamePrefix",
			"spark.kubernetes.executor.podNamePrefix",
		},
	},
	{
		"which image, template and program a pod is made of",
		[]string{
			"spark.kubernetes.container.image*", "spark.kubernetes.driver.container.image*",
			"spark.kubernetes.executor.container.image*", "spark.kubernetes.driver.podTemplate*",
			"spark.kubernetes.executor.podTemplate*", "spark.kubernetes.driver.pod.featureSteps",
			"spark.kubernetes.executor.pod.featureSteps", "spark.kubernetes.decommission.script",
			"spark.kubernetes.executor.disableConfigMap", "spark.kubernetes.configMap.maxSize",
			"spark.kubernetes.executor.checkAllContainers",
		},
	},
	{
		"which volumes of the cluster and of its nodes a pod mounts",
		[]string{
			"spark.kubernetes.driver.volumes.*", "spark.kubernetes.executor.volumes.*",
			"spark.kubernetes.driver.ownPersistentVolumeClaim", "spark.kubernetes.driver.reusePersistentVolumeClaim",
			"spark.kubernetes.driver.waitToReusePersistentVolumeClaim", "spark.kubernetes.legacy.useReadWriteOnceAccessMode",
		},
	},
	{
		"where files that spark-submit can read are copied to",
		[]string{"spark.kubernetes.file.upload.path"},
	},
	{
		"on which nodes pods run, and who schedules them",
		[]string{
			"spark.kubernetes.node.selector.*", "spark.kubernetes.driver.node.selector.*",
			"spark.kubernetes.executor.node.selector.*", "spark.kubernetes.scheduler.*",
			"spark.kubernetes.driver.scheduler.*", "spark.kubernetes.executor.scheduler.*",
		},
	},
	{
		"which network rules, services and controllers apply to a pod",
		[]string{
			"spark.kubernetes.driver.label.*", "spark.kubernetes.executor.label.*",
			"spark.kubernetes.driver.annotation.*", "spark.kubernetes.executor.annotation.*",
			"spark.kubernetes.driver.service.*", "spark.kubernetes.executor.decommissionLabel*",
		},
	},
	{
		"how pods are created, watched and deleted",
		[]string{
			"spark.kubernetes.allocation.*", "spark.kubernetes.dynamicAllocation.*",
			"spark.kubernetes.appKillPodDeletionGracePeriod", "spark.kubernetes.executor.deleteOnTermination",
			"spark.kubernetes.executor.apiPollingInterval", "spark.kubernetes.executor.enableApi*",
			"spark.kubernetes.executor.enablePollingWithResourceVersion", "spark.kubernetes.executor.eventProcessingInterval",
			"spark.kubernetes.executor.missingPodDetectDelta", "spark.kubernetes.executor.minTasksPerExecutorBeforeRolling",
			"spark.kubernetes.executor.roll*", "spark.kubernetes.executorSnapshotsSubscribersShutdownGracePeriod",
			"spark.kubernetes.report.interval", "spark.kubernetes.setSubmitTimeInDriver",
		},
	},
}

// DriverPodKey names the pod that a driver runs in. The gateway sets it for sessions whose driver
// runs in the pod of the Livy server.
const DriverPodKey = "spark.kubernetes.driver.pod.name"

// podLabelKeys returns the settings for a label of drivers and executors.
func podLabelKeys(name string) []string {
	return []string{
		"spark.kubernetes.driver.label." + gateway.PodLabel(name), "spark.kubernetes.executor.label." + gateway.PodLabel(name),
	}
}

// JobLabels returns the settings that label the pods of one session or batch on Kubernetes with
// its record and token; none elsewhere.
func (p *Policy) JobLabels(record, token string) map[string]string {
	conf := make(map[string]string)
	if !p.kubernetes() {
		return conf
	}
	for name, value := range map[string]string{gateway.RecordLabel: record, gateway.TokenLabel: token} {
		if !labelValue.MatchString(value) {
			continue // a record without a token
		}
		for _, key := range podLabelKeys(name) {
			conf[key] = value
		}
	}
	return conf
}

// kubernetesOpen are the settings for Kubernetes that clients may make under an open policy: those
// of the strict list, and environment variables, which have a guard of their own.
var kubernetesOpen = func() names {
	n := newNames("spark.kubernetes.driverEnv.")
	for _, s := range strictSettings {
		if strings.HasPrefix(s.Key, kubernetesPrefix) {
			n.add(s.Key)
		}
	}
	return n
}()

var kubernetesNames = func() []names {
	all := make([]names, len(kubernetesGroups))
	for i, g := range kubernetesGroups {
		all[i] = newNames(g.list...)
	}
	return all
}()

// kubernetesGroupOf returns what a setting for Kubernetes decides, or "" if it is in no group.
func kubernetesGroupOf(key string) string {
	for i := range kubernetesNames {
		if kubernetesNames[i].has(key) {
			return kubernetesGroups[i].decides
		}
	}
	return ""
}

// badKubernetes returns why clients may not set a key that is a setting for Kubernetes, or "". A
// grant for a wider prefix, such as spark.*, does not include these settings.
func (p *Policy) badKubernetes(key string) string {
	// Livy's own setting overrides clients, but without one, sessions and batches have each their
	// own mode on Kubernetes.
	mode := key == deployMode && p.kubernetes() && p.set.DeployMode == ""
	if !mode && !strings.HasPrefix(key, kubernetesPrefix) || kubernetesOpen.has(key) ||
		p.ruled[key] || p.granted.kubernetes.has(key) {
		return ""
	}
	if mode {
		return "decides where drivers run, which is the operator's decision; allow-conf " + key + " would let clients set it"
	}
	reason := "is a setting for Kubernetes, which is the operator's"
	if decides := kubernetesGroupOf(key); decides != "" {
		reason = "decides " + decides + ", which is the operator's decision"
	}
	return reason + "; allow-conf " + key + " would let clients set it"
}
