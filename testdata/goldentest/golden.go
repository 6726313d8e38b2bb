// Package goldentest compares what code does with golden files that say what it should do: vectors that are shared with
// other implementations, and scripts that tests play. With the flag -rewrite a test writes what it got into its file:
//
//	go test ./mempool -run TestScripts -rewrite
package goldentest

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var rewrite = flag.Bool("rewrite", false, "write what the tests get into their golden files")

// CompareJSON compares a value, as indented JSON, with a golden file.
func CompareJSON(t *testing.T, file string, value any) {
	t.Helper()
	got, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	compareText(t, file, string(got)+"\n")
}

// PlayScripts plays every script that matches a pattern in a subtest, and compares the output with the one recorded in
// the script. A script is a line "> COMMAND" for each command, its output below, comments after "#" and blank lines.
// start begins a script and returns the function that carries out its commands.
func PlayScripts(t *testing.T, pattern string, start func(*testing.T) func(command string) (output string)) {
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no script matches %s: %v", pattern, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			script, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			compareText(t, file, playScript(string(script), start(t)))
		})
	}
}

// playScript returns the script with new output below its commands.
func playScript(script string, execute func(command string) string) string {
	var out strings.Builder
	for line := range strings.Lines(script) {
		if command, found := strings.CutPrefix(line, "> "); found {
			out.WriteString(line + execute(strings.TrimSpace(command)))
		} else if strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "" {
			out.WriteString(line)
		}
	}
	return out.String()
}

func compareText(t *testing.T, file, got string) {
	t.Helper()
	if *rewrite {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s differs (-want +got); if it is meant to, run the test with -rewrite:\n%s", file, diff)
	}
}
