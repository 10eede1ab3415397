package store

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestProbesKnowAllCommands compares what is tried with what this package sends.
func TestProbesKnowAllCommands(t *testing.T) {
	probed := []string{"TIME", "PUBLISH"}
	for _, c := range probeCommands {
		probed = append(probed, strings.Fields(c)[0])
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	inScript := regexp.MustCompile(`redis\.p?call\('([A-Z]+)'`)
	byClient := regexp.MustCompile(`(?:rdb|pipe|node)\.([A-Z]\w+)\(ctx`)
	// What is sent otherwise, and methods whose commands have another name.
	other := map[string]string{
		"Ping": "", "Publish": "", "Subscribe": "", "Scan": "", "ScriptLoad": "", "Eval": "", "EvalSha": "", "Info": "", "Do": "", "Time": "",
		"Exec": "", "XTrimMinID": "XTRIM", "XRangeN": "XRANGE", "XRevRangeN": "XREVRANGE",
		"ZRangeWithScores": "ZRANGE", "ZRevRangeByScoreWithScores": "ZREVRANGEBYSCORE",
	}
	found := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var sent []string
		for _, m := range inScript.FindAllStringSubmatch(string(text), -1) {
			sent = append(sent, m[1])
		}
		for _, m := range byClient.FindAllStringSubmatch(string(text), -1) {
			command, ok := other[m[1]]
			if !ok {
				command = strings.ToUpper(m[1])
			}
			if command != "" {
				sent = append(sent, command)
			}
		}
		for _, command := range sent {
			found++
			if !slices.Contains(probed, command) {
				t.Errorf("%s sends %s, which is not in probeCommands", file, command)
			}
		}
	}
	if found < 100 {
		t.Errorf("only %d commands found: the test looks for the wrong thing", found)
	}
}
