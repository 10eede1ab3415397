package livy_test

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/livy"
)

func TestOutline(t *testing.T) {
	long := strings.Repeat("x", 2000)
	for _, tt := range []struct{ text, want string }{
		{`{"a": 1, "b": [true, null, "t\"}"]}`, `{"a":1,"b":[true,null,"t\"}"]}`},
		{`{"a": {"b": {"c": {}}}, "d": [[1, [2]], 3]}`, `{"a":{"b":null},"d":[null,3]}`},
		{`{"a": "` + long + `", "b": "` + long + `\"", "c": "\\"}`, `{"a":"","b":"","c":"\\"}`},
		{`{"` + long + `": "` + strings.Repeat(`\u00e9`, 500) + `"}`, `{"":""}`},
		{`{"a": [["` + long + `]"], {"b": "}"}], "c": 2}`, `{"a":[null,null],"c":2}`},
		{`"x"`, `"x"`},
	} {
		whole, bytewise := livy.Outline{Depth: 2}, livy.Outline{Depth: 2}
		_, _ = whole.Write([]byte(tt.text))
		for i := range len(tt.text) {
			_, _ = bytewise.Write([]byte(tt.text[i : i+1]))
		}
		if string(whole.Bytes()) != tt.want || string(bytewise.Bytes()) != tt.want {
			t.Errorf("%.60s: %.200s and %.200s, want %s", tt.text, whole.Bytes(), bytewise.Bytes(), tt.want)
		}
	}
}

// TestOutlineOfStatements: a hundred statements with 1 MB of output each.
func TestOutlineOfStatements(t *testing.T) {
	o := livy.Outline{Depth: 4}
	text := strings.Repeat("x", 1<<20)
	_, _ = io.WriteString(&o, `{"total_statements":100,"statements":[`)
	for i := range 100 {
		if i > 0 {
			_, _ = io.WriteString(&o, ",")
		}
		fmt.Fprintf(&o, `{"id":%d,"code":"1","state":"available","output":{"status":"error","evalue":"x","data":{"text/plain":"`, i)
		_, _ = io.WriteString(&o, text)
		_, _ = io.WriteString(&o, `"},"traceback":["a","b"]},"progress":1.0,"started":1,"completed":3}`)
	}
	_, _ = io.WriteString(&o, "]}")
	var list livy.Statements
	if err := json.Unmarshal(o.Bytes(), &list); err != nil || len(list.Statements) != 100 || len(o.Bytes()) > 20000 {
		t.Fatalf("%d statements in %d bytes, %v", len(list.Statements), len(o.Bytes()), err)
	}
	if s := list.Statements[99]; s.ID != 99 || s.State != "available" || !strings.Contains(string(s.Output), `"status":"error"`) || s.Completed != 3 {
		t.Errorf("the last is %+v", s)
	}
}
