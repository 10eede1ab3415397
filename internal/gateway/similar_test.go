package gateway

import "testing"

func TestSimilar(t *testing.T) {
	known := []string{"queue", "policyRules", "livyConf", "spark.executor.memory", "spark.executor.cores", "spark.sql.shuffle.partitions"}
	for name, want := range map[string]string{
		"queue":                          "", // known
		"Queue":                          "queue",
		"queu":                           "queue",
		"policyrules":                    "policyRules",
		"livyconf":                       "livyConf",
		"foo":                            "",
		"":                               "",
		"spark.executor.memroy":          "spark.executor.memory",
		"spark.sql.shuffle.partitons":    "spark.sql.shuffle.partitions",
		"spark.sql.shuffle.partition":    "spark.sql.shuffle.partitions",
		"spark.executr.memry":            "spark.executor.memory",
		"spark.exectr.memry":             "", // three letters
		"spark.executor.core":            "spark.executor.cores",
		"spark.myapp.batchSize":          "",
		"spark.executor.memoryLimited":   "",
		"spark.sqlshuffle.partitions":    "spark.sql.shuffle.partitions",
		"spark.executer.memroy":          "spark.executor.memory",
		"spark.sql.shuffle.paritons":     "spark.sql.shuffle.partitions",
		"spark.mysql.shuffle.partitions": "",
	} {
		if got := Similar(name, known); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
