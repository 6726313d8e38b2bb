package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// mutant is a deliberate defect.
type mutant struct {
	Name   string   `toml:"name"`
	Defect string   `toml:"defect"` // the consequence, as printed in the list of defects
	Tests  []string `toml:"tests"`  // tests that should notice, the cheapest first: a package, then names of its tests, none for all
	Edits  []edit   `toml:"edit"`
}

// edit replaces the only occurrence of a text in a file.
type edit struct {
	File string `toml:"file"` // relative to the root of the module
	Old  string `toml:"old"`
	New  string `toml:"new"`
}

// loadMutants reads the defects of all files in a folder, in the order of the files' names.
func loadMutants(folder string) ([]mutant, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.toml"))
	if err != nil {
		return nil, err
	}
	slices.Sort(files)
	var all []mutant
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var file struct {
			Mutants []mutant `toml:"mutant"`
		}
		if err := toml.NewDecoder(bytes.NewReader(raw)).DisallowUnknownFields().Decode(&file); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, file.Mutants...)
	}
	return all, checkDescriptions(all)
}

// checkDescriptions reports all faults of the descriptions at once.
func checkDescriptions(mutants []mutant) error {
	var errs []error
	names := make(map[string]bool)
	for _, m := range mutants {
		switch {
		case m.Name == "" || m.Defect == "":
			errs = append(errs, fmt.Errorf("mutant %q: it needs a name and a defect", m.Name))
		case names[m.Name]:
			errs = append(errs, fmt.Errorf("mutant %q: two have this name", m.Name))
		case len(m.Tests) == 0 || len(m.Edits) == 0:
			errs = append(errs, fmt.Errorf("mutant %q: it needs tests and edits", m.Name))
		}
		names[m.Name] = true
	}
	return errors.Join(errs...)
}

// checkEdits reports all edits that do not fit the source.
func checkEdits(mutants []mutant) error {
	var errs []error
	for _, m := range mutants {
		_, err := m.applyEdits()
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// applyEdits returns the changed files by name. It fails if the text of an edit does not occur exactly once in its file.
func (m *mutant) applyEdits() (map[string][]byte, error) {
	changed := make(map[string][]byte)
	for _, e := range m.Edits {
		source, ok := changed[e.File]
		if !ok {
			var err error
			if source, err = os.ReadFile(e.File); err != nil {
				return nil, fmt.Errorf("mutant %q: %w", m.Name, err)
			}
		}
		if n := bytes.Count(source, []byte(e.Old)); n != 1 || e.Old == "" {
			return nil, fmt.Errorf("mutant %q: its text occurs %d times in %s, want once: fit the edit to the source\n%s",
				m.Name, n, e.File, e.Old)
		}
		changed[e.File] = bytes.Replace(source, []byte(e.Old), []byte(e.New), 1)
	}
	return changed, nil
}

// suite is a set of tests of one package.
type suite struct {
	pkg   string   // pattern for the go tool
	names []string // of tests; empty for all
}

func (m *mutant) testSuites() []suite {
	suites := make([]suite, len(m.Tests))
	for i, line := range m.Tests {
		words := strings.Fields(line)
		suites[i] = suite{pkg: words[0], names: words[1:]}
	}
	return suites
}

// runPattern selects the suite's tests for go test -run.
func (s suite) runPattern() string {
	if len(s.names) == 0 {
		return "."
	}
	return "^(" + strings.Join(s.names, "|") + ")$"
}
