package main

import (
	"bytes"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/policies"
)

// comparePolicies prints the CPU time of a policy per create request of about a KiB, for: the
// built-in guards alone; an open policy with a blacklist, rules, a queue and an identity; and
// the same as a strict policy.
func comparePolicies(rounds int) error {
	blacklist, err := policies.ParseBlacklist(policies.File{Text: policies.RecommendedBlacklist})
	if err != nil {
		return fmt.Errorf("reading the recommended blacklist: %w", err)
	}
	full := policies.Settings{
		Master: "yarn", Queue: "root.etl", Identity: "etl", Blacklist: blacklist,
		Rules: []policies.Rule{
			{Key: "spark.executor.memory", Max: "8g", Action: policies.Lower}, {Key: "numExecutors", Max: "20"},
		},
	}
	strict := full
	strict.Mode = policies.ModeStrict
	strict.Grants = []policies.Grant{{What: policies.GrantConf, Name: "spark.hadoop.fs.s3a.bucket.*"}}
	ways := []struct {
		name     string
		settings policies.Settings
		cpu      []float64
	}{{name: "guards alone"}, {name: "open", settings: full}, {name: "strict", settings: strict}}
	body := createBody(1 << 10)
	fmt.Printf("create request of %d bytes through a policy; %d rounds for each, in turn\n\n%-13s %12s\n",
		len(body), rounds, "policy", "cpu/create")
	for range rounds {
		for i := range ways {
			p, err := policies.Compile(ways[i].settings)
			if err != nil {
				return fmt.Errorf("compiling a policy: %w", err)
			}
			const creates = 5000
			before := ownCPU()
			for range creates {
				if _, err := p.Create(livy.KindBatch, "", "application/json", bytes.NewReader(body)); err != nil {
					return fmt.Errorf("applying a policy: %w", err)
				}
			}
			ways[i].cpu = append(ways[i].cpu, float64((ownCPU()-before).Nanoseconds())/creates/1000)
		}
	}
	for _, w := range ways {
		fmt.Printf("%-13s %9.1f µs\n", w.name, median(w.cpu))
	}
	fmt.Println()
	return nil
}

// createBody returns a create request as schedulers send it: fields, lists, settings.
func createBody(size int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"file":"hdfs:///jobs/job.jar","args":["--date","2024-01-01"],"driverMemory":"2g","executorMemory":"4g","executorCores":2,"numExecutors":4,"jars":["hdfs:///a.jar"],"conf":{"spark.sql.shuffle.partitions":"200"`)
	for i := 0; b.Len() < size-2; i++ {
		fmt.Fprintf(&b, `,"spark.hadoop.fs.s3a.bucket.b%d.endpoint":"%s"`, i, strings.Repeat("v", 20))
	}
	b.WriteString("}}")
	return b.Bytes()
}

// ownCPU returns the CPU time of this process.
func ownCPU() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
