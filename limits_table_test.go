package remora_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLimitsTable fails when a row of docs/limits.md has an empty cell, or names no test or one that is not in the sources.
func TestLimitsTable(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("docs", "limits.md"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| resource |") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if len(cells) != 5 {
			t.Errorf("%s: %d cells, want 5", line, len(cells))
			continue
		}
		for i, cell := range cells {
			if strings.TrimSpace(cell) == "" {
				t.Errorf("%s: cell %d is empty", line, i+1)
			}
		}
		tests := codeSpan.FindAllStringSubmatch(cells[4], -1)
		if len(tests) == 0 {
			t.Errorf("%s: no test", line)
		}
		for _, span := range tests {
			if err := findTest(span[1]); err != nil {
				t.Errorf("%s: %v", line, err)
			}
		}
	}
}
