package sim

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestScenarios runs the files of testdata. Each says in a comment which verdict the protocol must give, and may say how
// often something must have happened, so that a scenario cannot miss its point.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.toml")
	if err != nil || len(files) < 50 {
		t.Fatal(len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".toml"), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s, err := Parse(data)
			if err != nil {
				t.Fatal(err)
			}
			r := mustRun(t, s)
			if want := comment(string(data), "verdict"); r.Verdict != want {
				t.Errorf("verdict %s, want %s:\n%s", r.Verdict, want, strings.Join(r.Violations, "\n"))
			}
			for _, need := range strings.Fields(comment(string(data), "needs")) {
				var least int
				name, value, _ := strings.Cut(need, "=")
				if _, err := fmt.Sscan(value, &least); err != nil {
					t.Fatal(need, err)
				}
				counts := map[string]int{
					"crashes": r.Crashes, "synced": r.Synced, "rejoined": r.Rejoined,
					"refused": r.Refused, "over_quota": r.OverQuota, "deliveries": r.Deliveries,
				}
				if got, known := counts[name]; !known || got < least {
					t.Errorf("%s = %d, want at least %d", name, got, least)
				}
			}
		})
	}
}

// comment returns what a comment line says after a word and a colon.
func comment(file, word string) string {
	for line := range strings.Lines(file) {
		if value, found := strings.CutPrefix(line, "# "+word+": "); found {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
