package goldentest

import (
	"strings"
	"testing"
)

func TestPlayScript(t *testing.T) {
	const script = "# a comment\n\n> say one two\nold output\n> be silent\nmore old output\n\n# the end\n"
	const want = "# a comment\n\n> say one two\nONE TWO\n> be silent\n\n# the end\n"
	got := playScript(script, func(command string) string {
		if text, found := strings.CutPrefix(command, "say "); found {
			return strings.ToUpper(text) + "\n"
		}
		return ""
	})
	if got != want {
		t.Errorf("played %q, want %q", got, want)
	}
	if again := playScript(got, func(string) string { return "" }); strings.Contains(again, "ONE") {
		t.Errorf("old output stays: %q", again)
	}
}
