package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// patience is the time limit of a suite. A sound suite takes less than a tenth of it, so a hang is noticed.
const patience = 5 * time.Minute

// fate is the outcome of a mutant.
type fate struct {
	mutant mutant
	killer string // package and test, empty if it survived
	took   time.Duration
}

// outcome is the result of a suite.
type outcome struct {
	passed []string // names of top-level tests
	failed string   // the first test that failed, or how the run ended instead
	broken bool     // the package did not compile
}

// event is a line of go test -json.
type event struct {
	Action string
	Test   string
	Output string
}

// runControl runs every suite without a defect: only tests that exist and pass can notice one.
func runControl(ctx context.Context, mutants []mutant) error {
	var errs []error
	for _, s := range distinctSuites(mutants) {
		got, err := runSuite(ctx, s, "")
		if err != nil {
			return err
		}
		if got.failed != "" {
			errs = append(errs, fmt.Errorf("%s fails without a defect: %s", s.pkg, got.failed))
			continue
		}
		if len(got.passed) == 0 {
			errs = append(errs, fmt.Errorf("%s has no tests", s.pkg))
		}
		for _, name := range s.names {
			if !slices.Contains(got.passed, name) {
				errs = append(errs, fmt.Errorf("%s has no test %s that passes", s.pkg, name))
			}
		}
	}
	return errors.Join(errs...)
}

// distinctSuites merges the suites of each package.
func distinctSuites(mutants []mutant) []suite {
	var merged []suite
	for _, m := range mutants {
		for _, s := range m.testSuites() {
			i := slices.IndexFunc(merged, func(other suite) bool { return other.pkg == s.pkg && (len(other.names) == 0) == (len(s.names) == 0) })
			if i < 0 {
				merged = append(merged, s)
				continue
			}
			for _, name := range s.names {
				if !slices.Contains(merged[i].names, name) {
					merged[i].names = append(merged[i].names, name)
				}
			}
		}
	}
	return merged
}

// plantAll plants each mutant and returns their fates in the same order.
func plantAll(ctx context.Context, mutants []mutant) ([]fate, error) {
	fates := make([]fate, len(mutants))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, m := range mutants {
		group.Go(func() error {
			var err error
			fates[i], err = plantMutant(ctx, m)
			if err == nil {
				fmt.Fprintln(os.Stderr, fates[i].statusLine())
			}
			return err
		})
	}
	return fates, group.Wait()
}

// plantMutant runs the suites of a mutant until one notices it.
func plantMutant(ctx context.Context, m mutant) (fate, error) {
	dir, err := os.MkdirTemp("", "mutant-")
	if err != nil {
		return fate{}, err
	}
	defer os.RemoveAll(dir)
	overlay, err := m.writeOverlay(dir)
	if err != nil {
		return fate{}, err
	}
	began, f := time.Now(), fate{mutant: m}
	for _, s := range m.testSuites() {
		got, err := runSuite(ctx, s, overlay)
		if err != nil {
			return fate{}, fmt.Errorf("mutant %q: %w", m.Name, err)
		}
		if got.failed != "" {
			f.killer = strings.TrimPrefix(s.pkg, "./") + " " + got.failed
			break
		}
	}
	f.took = time.Since(began)
	return f, nil
}

// writeOverlay writes the changed files to dir and returns the overlay file for the go tool.
func (m *mutant) writeOverlay(dir string) (string, error) {
	changed, err := m.applyEdits()
	if err != nil {
		return "", err
	}
	replace := make(map[string]string)
	for name, source := range changed {
		original, err := filepath.Abs(name)
		if err != nil {
			return "", err
		}
		replace[original] = filepath.Join(dir, strings.ReplaceAll(name, "/", "_"))
		if err := os.WriteFile(replace[original], source, 0o600); err != nil {
			return "", err
		}
	}
	described, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, described, 0o600)
}

// runSuite runs a suite. An error means that the suite could not run, so nothing is known about the defect.
func runSuite(ctx context.Context, s suite, overlay string) (outcome, error) {
	args := []string{"test", "-json", "-vet=off", "-failfast", "-timeout=" + patience.String(), "-run=" + s.runPattern()}
	if overlay != "" {
		args = append(args, "-overlay="+overlay)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, s.pkg)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // the go tool ends its children
	cmd.WaitDelay = 10 * time.Second
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	got := parseOutput(out)
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return outcome{}, fmt.Errorf("go test %s: %w", s.pkg, err)
	}
	if ctx.Err() != nil {
		return outcome{}, ctx.Err()
	}
	if got.broken || err != nil && got.failed == "" {
		return outcome{}, fmt.Errorf("go test %s did not run: %s%s", s.pkg, out, complaint.Bytes())
	}
	return got, nil
}

// parseOutput reads the outcome from the output of go test -json.
func parseOutput(out []byte) outcome {
	var got outcome
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, len(out)+1)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) == nil { // warnings of the go tool are not JSON
			got.addEvent(e)
		}
	}
	return got
}

// addEvent adds an event. The first failure counts, except that a hang overrides it: it fails all tests that run then.
func (o *outcome) addEvent(e event) {
	name, _, sub := strings.Cut(e.Test, "/")
	switch {
	case e.Action == "build-fail":
		o.broken = true
	case e.Action == "output" && strings.HasPrefix(e.Output, "panic: test timed out"):
		o.failed = "(hangs)"
	case e.Action == "pass" && name != "" && !sub:
		o.passed = append(o.passed, name)
	case e.Action == "fail" && o.failed == "":
		o.failed = cmp.Or(name, "(ends)")
	}
}
