// Command mutants tests the tests: it plants deliberate defects of the protocol, one at a time, and checks that the tests
// notice each. It passes the changed file to the compiler as an overlay, so the working tree does not change.
//
// It runs in the root of the module. It ends with status 1 if a defect survives, if an edit does not fit the source any
// more, or if docs/mutants.md differs from the outcome.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"slices"
)

// The descriptions of the defects, and the page with the outcome.
const (
	folder = "testdata/mutants"
	page   = "docs/mutants.md"
)

func main() {
	write := flag.Bool("write", false, "write "+page+" instead of comparing it with the outcome")
	only := flag.String("only", "", "plant only the defects whose name matches this pattern; "+page+" is left alone")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := runMutants(ctx, *only, *write); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

func runMutants(ctx context.Context, only string, write bool) error {
	pattern, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	mutants, err := loadMutants(folder)
	if err != nil {
		return err
	}
	mutants = slices.DeleteFunc(mutants, func(m mutant) bool { return !pattern.MatchString(m.Name) })
	if len(mutants) == 0 {
		return fmt.Errorf("no defect in %s has a name that matches %q", folder, only)
	}
	if err := checkEdits(mutants); err != nil {
		return err
	}
	if err := runControl(ctx, mutants); err != nil {
		return err
	}
	fates, err := plantAll(ctx, mutants)
	if err != nil {
		return err
	}
	if err := runControl(ctx, mutants); err != nil { // costs nothing unless the source was edited meanwhile
		return fmt.Errorf("the tree changed, run again: %w", err)
	}
	fmt.Print(summaryLine(fates))
	survived := survivors(fates)
	if only == "" {
		survived = errors.Join(survived, publishPage(fates, write))
	}
	return survived
}
