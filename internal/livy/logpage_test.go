package livy_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"

	"github.com/livygateway/livygateway/internal/livy"
)

// pageOf is a page of a log as Livy 0.8.0 answers it.
func pageOf(log []string, q livy.Query) map[string]any {
	from, size := -1, 100
	if q.HasFrom {
		from = int(q.From)
	}
	if q.HasSize {
		size = int(q.Size)
	}
	if size < 0 {
		size = len(log)
	}
	if from < 0 {
		from = max(0, len(log)-size)
	}
	first := min(from, len(log))
	lines := append([]string{}, log[first:min(first+size, len(log))]...)
	return map[string]any{"id": 3, "from": from, "total": len(log), "log": lines}
}

// TestLogPage compares pages with those of one log that has all lines, for every position.
func TestLogPage(t *testing.T) {
	for _, total := range []int{0, 1, 3, 99, 100, 101, 150} {
		var theirs []string
		for i := range total {
			theirs = append(theirs, fmt.Sprintf("line \"%d\"", i))
		}
		for _, own := range [][]string{{"a"}, {"a", "b\n", "c"}} {
			whole := append(append([]string{}, own...), theirs...)
			for from := int32(-2); from < int32(len(whole))+3; from++ {
				for _, size := range []int32{-1, 0, 1, 2, 3, 4, 50, 100, 101, 1 << 30} {
					for _, q := range []livy.Query{
						{From: from, HasFrom: true, Size: size, HasSize: true}, {From: from, HasFrom: true}, {Size: size, HasSize: true}, {},
					} {
						p := livy.NewLogPage(q, own)
						reply, err := json.Marshal(pageOf(theirs, p.Upstream()))
						if err != nil {
							t.Fatal(err)
						}
						got, err := p.Edit(reply, 10)
						if err != nil {
							t.Fatal(err)
						}
						want := pageOf(whole, q)
						want["id"] = 13
						if !sameJSON(t, got, want) {
							t.Fatalf("%+v of %d and %d lines, asked %+v: got %s, want %v", q, len(own), total, p.Upstream(), got, want)
						}
					}
				}
			}
		}
	}
	p := livy.NewLogPage(livy.Query{}, []string{"a"})
	for _, bad := range []string{``, `[]`, `{"total":"1"}`, `{"log":[1`} {
		if got, err := p.Edit([]byte(bad), 0); err == nil {
			t.Errorf("%s: got %s", bad, got)
		}
	}
	if got, err := p.Edit([]byte(`{"id":1,"log":null,"x":[1.50]}`), 0); err != nil || string(got) != `{"id":1,"log":null,"x":[1.50]}` {
		t.Errorf("no log: %s, %v", got, err)
	}
}

func sameJSON(t *testing.T, got []byte, want any) bool {
	t.Helper()
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var a, b any
	if json.Unmarshal(got, &a) != nil || json.Unmarshal(text, &b) != nil {
		return false
	}
	return reflect.DeepEqual(a, b)
}

func TestEditReply(t *testing.T) {
	const object = `{"id":%d,"state":"idle","appInfo":{"driverLogUrl":%s,"sparkUiUrl":null},"log":[%s],"x":1.50}`
	edit := func(all []livy.Shown) []livy.Edit {
		edits := make([]livy.Edit, len(all))
		for i, s := range all {
			edits[i] = livy.Edit{Lines: []string{fmt.Sprint(s.ID), s.State}, SparkUI: "http://ui/", DriverLog: "http://log/"}
		}
		return edits
	}
	for _, c := range []struct{ route, in, want string }{
		{
			"session.get", fmt.Sprintf(object, 1, "null", ""),
			`{"id":101,"state":"idle","appInfo":{"driverLogUrl":null,"sparkUiUrl":"http://ui/"},"log":["101","idle"],"x":1.50}`,
		},
		{
			"batch.list", `{"from":0,"sessions":[` + fmt.Sprintf(object, 1, `"http://nm"`, `"a"`) + ` , ` + fmt.Sprintf(object, 2, "null", ` "b" `) + `],"total":2}`,
			`{"from":0,"sessions":[{"id":101,"state":"idle","appInfo":{"driverLogUrl":"http://log/","sparkUiUrl":"http://ui/"},"log":["101","idle","a"],"x":1.50} , ` +
				`{"id":102,"state":"idle","appInfo":{"driverLogUrl":null,"sparkUiUrl":"http://ui/"},"log":["102","idle", "b" ],"x":1.50}],"total":2}`,
		},
		{"session.get", `{"log":null,"appInfo":null,"state":null,"id":1}`, `{"log":null,"appInfo":null,"state":null,"id":101}`},
		{"session.get", `{"conf":{"log":"[","sparkUiUrl":"x"},"appInfo":{},"id":1}`, `{"conf":{"log":"[","sparkUiUrl":"x"},"appInfo":{},"id":101}`},
		{"batch.list", `{"from":0,"total":0,"sessions":[]}`, `{"from":0,"total":0,"sessions":[]}`},
	} {
		r, ok := livy.RouteByName(c.route)
		if !ok {
			t.Fatal(c.route)
		}
		if got, err := livy.EditReply(r, []byte(c.in), 100, edit); err != nil || string(got) != c.want {
			t.Errorf("%s: got\n%s, %v, want\n%s", c.route, got, err, c.want)
		}
		none := func(all []livy.Shown) []livy.Edit { return make([]livy.Edit, len(all)) }
		if got, err := livy.EditReply(r, []byte(c.in), 0, none); err != nil || string(got) != c.in {
			t.Errorf("%s without edits: %s, %v", c.route, got, err)
		}
	}
}

func BenchmarkEditReply(b *testing.B) {
	r, _ := livy.RouteByName("session.get")
	body := []byte(`{"id":1,"name":"livy-0123456789abcdef","appId":"local-1","owner":null,"proxyUser":null,"state":"idle","kind":"pyspark",` +
		`"appInfo":{"driverLogUrl":null,"sparkUiUrl":null},"log":["stdout: ","\nstderr: ","a","b","c","d","e","f","g","h"],` +
		`"conf":{"spark.executor.memory":"1g","spark.ui.proxyBase":"/x"},"jars":[],"files":[]}`)
	b.ReportAllocs()
	for b.Loop() {
		_, err := livy.EditReply(r, body, 0, func(all []livy.Shown) []livy.Edit {
			return []livy.Edit{{Lines: []string{"Livy Gateway ignored x"}, SparkUI: "http://ui/spark-ui/x/?livy_ui=1"}}
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
