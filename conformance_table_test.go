package remora_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// conformanceTests is the number of tests in the table.
const conformanceTests = 93

// row is a line of the table: a numbered test and the Go tests that hold this implementation to it.
type row struct {
	number       int
	name, status string
	tests        []string // folder: Test/subtest
}

var (
	rowLine  = regexp.MustCompile(`^\| (\d+) \| ([a-z0-9_, ]+) \| (.*) \| ([a-z ]+) \|$`)
	codeSpan = regexp.MustCompile("`([^`]+)`")
)

// TestConformanceTable fails when docs/conformance.md skips or repeats a number, or says that a test passes that is not
// in the sources.
func TestConformanceTable(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("docs", "conformance.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := conformanceRows(string(text))
	if len(rows) != conformanceTests {
		t.Errorf("%d rows, want %d", len(rows), conformanceTests)
	}
	for i, r := range rows {
		if r.number != i+1 {
			t.Errorf("row %d has number %d", i+1, r.number)
		}
		if err := r.check(); err != nil {
			t.Errorf("number %d, %s: %v", r.number, r.name, err)
		}
	}
}

// TestConformanceTableCatches gives the check rows that must not pass.
func TestConformanceTableCatches(t *testing.T) {
	for name, tt := range map[string]struct {
		line string
		good bool
	}{
		"a test":             {"| 1 | commit_one | `consensus: TestConformance/commit_one` | passes |", true},
		"a fuzz target":      {"| 1 | bitmap_fuzz | `.: FuzzBitmap` | passes |", true},
		"one of two missing": {"| 1 | commit_one | `consensus: TestConformance/commit_one`, `consensus: TestGone` | passes |", false},
		"no test":            {"| 1 | commit_one |  | passes |", false},
		"no such subtest":    {"| 1 | commit_one | `consensus: TestConformance/commit_none` | passes |", false},
		"only a part of it":  {"| 1 | commit_one | `consensus: TestConformance/commit` | passes |", false},
		"no such test":       {"| 1 | commit_one | `consensus: TestConform/commit_one` | passes |", false},
		"no such folder":     {"| 1 | commit_one | `agreement: TestConformance/commit_one` | passes |", false},
		"unknown status":     {"| 1 | commit_one | `consensus: TestConformance/commit_one` | hopefully |", false},
		"not there yet":      {"| 1 | commit_one |  | with terms |", true},
	} {
		rows := conformanceRows(tt.line)
		if len(rows) != 1 {
			t.Fatalf("%s: %d rows", name, len(rows))
		}
		if err := rows[0].check(); (err == nil) != tt.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func conformanceRows(text string) []row {
	var rows []row
	for line := range strings.Lines(text) {
		m := rowLine.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		number, _ := strconv.Atoi(m[1]) // digits, as matched
		r := row{number: number, name: m[2], status: m[4]}
		for _, span := range codeSpan.FindAllStringSubmatch(m[3], -1) {
			r.tests = append(r.tests, span[1])
		}
		rows = append(rows, r)
	}
	return rows
}

// check fails unless a row that passes names tests that exist.
func (r *row) check() error {
	if pending := []string{"with reputation", "with the fast rule", "with terms"}; slices.Contains(pending, r.status) {
		return nil
	}
	if r.status != "passes" || len(r.tests) == 0 {
		return fmt.Errorf("status %q with %d tests", r.status, len(r.tests))
	}
	for _, test := range r.tests {
		if err := findTest(test); err != nil {
			return err
		}
	}
	return nil
}

// findTest fails unless a test, written as folder: Test/subtest, is in the sources or, as a scenario, among its files.
func findTest(test string) error {
	folder, name, _ := strings.Cut(test, ": ")
	name, sub, nested := strings.Cut(name, "/")
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		return err
	}
	scenario := filepath.Join(folder, "testdata", sub+".toml")
	if !anyContains(files, "func "+name+"(") || nested && !anyContains(files, strconv.Quote(sub)) && !exists(scenario) {
		return fmt.Errorf("no test %q in the folder %q", strings.TrimPrefix(test, folder+": "), folder)
	}
	return nil
}

// TestReliabilityTable fails when docs/reliability.md names a test that is not in the sources, or a fault without a test
// that is not said to come later.
func TestReliabilityTable(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("docs", "reliability.md"))
	if err != nil {
		t.Fatal(err)
	}
	faults := 0
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 6 || strings.HasPrefix(cells[1], "-") || strings.TrimSpace(cells[1]) == "fault" {
			continue
		}
		faults++
		spans := codeSpan.FindAllStringSubmatch(cells[3], -1)
		if later := strings.HasPrefix(cells[4], " comes with "); later == (len(spans) > 0) {
			t.Errorf("%s: %d tests, status %q", cells[1], len(spans), cells[4])
		}
		for _, span := range spans {
			if err := findTest(span[1]); err != nil {
				t.Errorf("%s: %v", cells[1], err)
			}
		}
	}
	if faults < 35 {
		t.Errorf("%d faults", faults)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// anyContains reports whether one of the files contains a text.
func anyContains(files []string, text string) bool {
	return slices.ContainsFunc(files, func(file string) bool {
		source, err := os.ReadFile(file)
		return err == nil && strings.Contains(string(source), text)
	})
}
