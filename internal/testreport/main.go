// Command testreport runs "go test -json" and reports what people want to know:
// a line for each package, the output of what failed, every skipped test by
// name with its reason, and as the last line the plain count.
//
//	go run ./internal/testreport -- -race ./policies ./upstream/... -- -C integration ./...
//
// Each "--" begins the arguments of one more "go test"; the counts are added up. -C
// as the first of them runs it in another module's directory.
//
// The tests counted are the leaves: a test with subtests is not counted beside
// them, unless it fails (or is skipped) while none of its subtests does. A
// package that fails without a failing test, for instance because it does not
// compile, counts as one failure.
//
// With REQUIRE=docker,redis,... a test that was skipped because it "needs
// docker: ..." is a failure. The exit code is 1 when something failed.
package main

import (
	"fmt"
	"os"
	"os/exec"

	"github.com/livygateway/livygateway/internal/require"
)

func main() {
	runs := split(os.Args[1:])
	if len(runs) == 0 {
		fmt.Fprintln(os.Stderr, "usage: testreport -- <go test arguments> [-- <go test arguments>]...")
		os.Exit(2)
	}
	rep := newReport(os.Stdout, require.Required)
	for _, args := range runs {
		if err := goTest(rep, args); err != nil {
			fmt.Fprintln(os.Stderr, "testreport:", err)
			os.Exit(2)
		}
	}
	if rep.summary() > 0 {
		os.Exit(1)
	}
}

// split cuts args at each "--"; what comes before the first is ignored.
func split(args []string) [][]string {
	var runs [][]string
	for _, a := range args {
		if a == "--" {
			runs = append(runs, nil)
		} else if n := len(runs); n > 0 {
			runs[n-1] = append(runs[n-1], a)
		}
	}
	return runs
}

func goTest(rep *report, args []string) error {
	command := []string{"test"}
	if len(args) > 1 && args[0] == "-C" { // must be the first flag of all
		command, args = append(command, args[:2]...), args[2:]
	}
	cmd := exec.Command("go", append(append(command, "-json"), args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("opening the pipe of go test: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting go test: %w", err)
	}
	if err := rep.read(out); err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil && !rep.failedSinceLastRun() {
		rep.fail("go test", fmt.Sprintf("%v, although no test failed\n", err))
	}
	return nil
}
