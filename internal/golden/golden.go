// Package golden compares files that are generated from code with what the code
// generates now. With the flag -update, tests write the files instead.
//
// It is not goldie, which keeps whole files of test data in one directory: most of
// our files are documents elsewhere in the tree, and of some only a part is generated.
package golden

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write anew what is made from code: test data and parts of documents")

// File checks that a file has the content that was generated.
func File(t testing.TB, path, made string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(made), 0o644); err != nil { //nolint:gosec // documents and test data
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (the test's flag -update writes it)", err)
	}
	if string(have) != made {
		t.Errorf("%s is not what is made now (the test's flag -update writes it anew):\n%s", path, diff(string(have), made))
	}
}

// Part is File for the part of a document between two lines that occur once each.
func Part(t testing.TB, path, begin, end, made string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin+"\n")
	_, after, ended := strings.Cut(rest, end+"\n")
	if !ok || !ended {
		t.Fatalf("%s has no lines %s and %s", path, begin, end)
	}
	File(t, path, before+begin+"\n"+made+end+"\n"+after)
}

// diff shows where two texts begin to differ.
func diff(have, made string) string {
	a, b := strings.Split(have, "\n"), strings.Split(made, "\n")
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	return fmt.Sprintf("from line %d\nthere:\n%s\nmade:\n%s", i+1,
		strings.Join(a[i:min(i+12, len(a))], "\n"), strings.Join(b[i:min(i+12, len(b))], "\n"))
}
