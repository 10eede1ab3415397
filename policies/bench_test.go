package policies_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/livy"
)

// body is a create request of about this many bytes, as sparkmagic and Airflow
// send them: fields, a few lists, settings.
func body(size int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"file":"hdfs:///jobs/job.py","name":"daily","args":["--date","2024-01-01"],"driverMemory":"2g","executorMemory":"4g","executorCores":2,"numExecutors":4,"jars":["hdfs:///a.jar"],"conf":{"spark.yarn.queue":"x"`)
	for i := 0; b.Len() < size-2; i++ {
		fmt.Fprintf(&b, `,"spark.hadoop.fs.s3a.bucket.b%d.endpoint":"%s"`, i, strings.Repeat("v", 20))
	}
	b.WriteString("}}")
	return b.Bytes()
}

func BenchmarkCreate(b *testing.B) {
	p := strict(b)
	for _, size := range []int{1 << 10, 16 << 10, 1<<20 - 100} {
		in := body(size)
		b.Run(fmt.Sprintf("%dKiB", (size+1023)/1024), func(b *testing.B) {
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Create(livy.KindBatch, "", "application/json", bytes.NewReader(in)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestCreateIsCheap holds the common case to its budget of allocations.
func TestCreateIsCheap(t *testing.T) {
	p := strict(t)
	in := body(1 << 10)
	n := testing.AllocsPerRun(50, func() {
		if _, err := p.Create(livy.KindBatch, "", "application/json", bytes.NewReader(in)); err != nil {
			t.Fatal(err)
		}
	})
	if n > 100 {
		t.Errorf("%v allocations for 1 KiB, want at most 100", n)
	}
}
