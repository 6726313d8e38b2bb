package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"
)

func (f *fate) statusLine() string {
	if f.killer == "" {
		return fmt.Sprintf("%5.1f s  SURVIVED  %s", f.took.Seconds(), f.mutant.Name)
	}
	return fmt.Sprintf("%5.1f s  killed    %s: %s", f.took.Seconds(), f.mutant.Name, f.killer)
}

// summaryLine returns the last line of a run.
func summaryLine(fates []fate) string {
	killed, took := 0, time.Duration(0)
	for _, f := range fates {
		took += f.took
		if f.killer != "" {
			killed++
		}
	}
	return fmt.Sprintf("%d of %d defects noticed, %.0f s of testing\n", killed, len(fates), took.Seconds())
}

func survivors(fates []fate) error {
	var errs []error
	for _, f := range fates {
		if f.killer == "" {
			errs = append(errs, fmt.Errorf("no test notices %q (%s): write one, or replace the mutant if nothing can", f.mutant.Name, f.mutant.Defect))
		}
	}
	return errors.Join(errs...)
}

// publishPage writes the page or compares it with the outcome. Durations are not part of it, since machines differ.
func publishPage(fates []fate, write bool) error {
	text := renderPage(fates)
	if write {
		return os.WriteFile(page, []byte(text), 0o644)
	}
	old, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	if withoutTestNames(string(old)) != withoutTestNames(text) {
		return fmt.Errorf("%s differs from the outcome: go run ./cmd/mutants -write", page)
	}
	return nil
}

var noticed = regexp.MustCompile("(?m)\\| `[^`]+` \\|$")

// withoutTestNames removes the names of the tests that noticed the defects from a page. If several tests notice a defect,
// the one that is first can differ between runs.
func withoutTestNames(page string) string { return noticed.ReplaceAllString(page, "| a test |") }

const preface = `# Deliberate defects

A test that cannot fail proves nothing. Each row is a small defect that ` + "`make mutants`" + ` plants into the source, without
touching the tree, and the test that notices it. The defects are in ` + "`testdata/mutants`" + `, one file per package; ` +
	"`cmd/mutants`" + `
plants them and fails when one survives or does not fit the source any more. This page is its output.

The commit rule has defects of another kind as well: ` + "`consensus/mutant_test.go`" + ` keeps whole broken rules, which the properties
of ` + "`consensus`" + ` must tell from the sound one.

`

func renderPage(fates []fate) string {
	var b strings.Builder
	b.WriteString(preface)
	killed := 0
	for _, f := range fates {
		if f.killer != "" {
			killed++
		}
	}
	fmt.Fprintf(&b, "%d of %d are noticed.\n\n| defect | where | noticed by |\n|---|---|---|\n", killed, len(fates))
	for _, f := range fates {
		killer := "nothing"
		if f.killer != "" {
			killer = "`" + f.killer + "`"
		}
		fmt.Fprintf(&b, "| %s: %s | %s | %s |\n", f.mutant.Name, f.mutant.Defect, f.mutant.editedFiles(), killer)
	}
	return b.String()
}

func (m *mutant) editedFiles() string {
	var files []string
	for _, e := range m.Edits {
		if name := "`" + e.File + "`"; len(files) == 0 || files[len(files)-1] != name {
			files = append(files, name)
		}
	}
	return strings.Join(files, ", ")
}
