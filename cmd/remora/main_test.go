package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the test program be the remora command as well: scripts and devnets run it.
func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"remora": main}) }

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "field": field, "until": until, "damage": damage},
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			return nil
		},
	})
}

// exits runs a command and expects an exit code: exits 2 remora statsu.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGUMENTS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// field sets a variable to a field of the JSON document on stdout: field RPC nodes.0.rpc.
func field(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: field VARIABLE PATH")
	}
	var doc any
	dec := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	dec.UseNumber()
	ts.Check(dec.Decode(&doc))
	if dec.More() {
		ts.Fatalf("more than one document on stdout")
	}
	for step := range strings.SplitSeq(args[1], ".") {
		switch v := doc.(type) {
		case map[string]any:
			next, has := v[step]
			if !has {
				ts.Fatalf("no field %s in %v", step, v)
			}
			doc = next
		case []any:
			i, err := strconv.Atoi(step)
			ts.Check(err)
			doc = v[i]
		}
	}
	ts.Setenv(args[0], fmt.Sprint(doc))
}

// until repeats a command until it succeeds and its output matches: until '"settled"' remora cache claims ….
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until REGEXP PROGRAM ARGUMENTS...")
	}
	want := regexp.MustCompile(args[0])
	deadline := time.After(time.Minute)
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := ts.Exec(args[1], args[2:]...)
		if err == nil && want.MatchString(ts.ReadFile("stdout")) {
			return
		}
		select {
		case <-ticker.C:
		case <-deadline:
			ts.Fatalf("after a minute it still prints %s, %v", ts.ReadFile("stdout"), err)
		}
	}
}
