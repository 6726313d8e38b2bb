package main

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// TestMain runs in the root of the module, as the command does.
func TestMain(m *testing.M) {
	if err := os.Chdir("../.."); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// TestEveryEditFits checks that each defect fits the source exactly once and that the changed source compiles.
func TestEveryEditFits(t *testing.T) {
	mutants, err := loadMutants(folder)
	if err != nil {
		t.Fatal(err)
	}
	if len(mutants) < 20 {
		t.Fatalf("%d defects", len(mutants))
	}
	c := newCompiler(t, mutants)
	for _, m := range mutants {
		t.Run(m.Name, func(t *testing.T) {
			changed, err := m.applyEdits()
			if err != nil {
				t.Fatal(err)
			}
			for name := range changed {
				if err := c.compile(path.Dir(name), changed); err != nil {
					t.Errorf("the defect does not compile: %v", err)
				}
			}
		})
	}
}

func TestDescriptionsAreChecked(t *testing.T) {
	good := mutant{Name: "a", Defect: "b", Tests: []string{"."}, Edits: []edit{{File: "go.mod", Old: "x", New: "y"}}}
	if err := checkDescriptions([]mutant{good}); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*mutant){
		"no name":   func(m *mutant) { m.Name = "" },
		"no defect": func(m *mutant) { m.Defect = "" },
		"no tests":  func(m *mutant) { m.Tests = nil },
		"no edits":  func(m *mutant) { m.Edits = nil },
	} {
		bad := good
		spoil(&bad)
		if checkDescriptions([]mutant{bad}) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if checkDescriptions([]mutant{good, good}) == nil {
		t.Error("one name twice: accepted")
	}
}

func TestApplyRefusesWhatDoesNotFit(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.go")
	if err := os.WriteFile(name, []byte("one two two"), 0o600); err != nil {
		t.Fatal(err)
	}
	for old, fits := range map[string]bool{"one": true, "two": false, "three": false, "": false} {
		m := mutant{Edits: []edit{{File: name, Old: old, New: "x"}}}
		if changed, err := m.applyEdits(); (err == nil) != fits || fits && string(changed[name]) != "x two two" {
			t.Errorf("%q: %s, %v", old, changed[name], err)
		}
	}
}

// TestReadTellsDeathFromIllness checks the distinction behind the verdict: a failed test notices a defect, a package that
// does not compile proves nothing.
func TestReadTellsDeathFromIllness(t *testing.T) {
	for name, tt := range map[string]struct {
		out    string
		failed string
		broken bool
	}{
		"passed":  {out: `{"Action":"pass","Test":"TestA"}`},
		"failed":  {out: `{"Action":"fail","Test":"TestA/b"}` + "\n" + `{"Action":"fail","Test":"TestB"}`, failed: "TestA"},
		"ended":   {out: `{"Action":"fail","Package":"p"}`, failed: "(ends)"},
		"hangs":   {out: `{"Action":"output","Output":"panic: test timed out after 3m"}` + "\n" + `{"Action":"fail","Test":"TestA"}`, failed: "(hangs)"},
		"broken":  {out: `{"Action":"build-fail","ImportPath":"p"}` + "\n" + `{"Action":"fail","Package":"p","FailedBuild":"p"}`, failed: "(ends)", broken: true},
		"chatter": {out: "warning: go\n" + `{"Action":"pass","Package":"p"}`},
	} {
		if got := parseOutput([]byte(tt.out)); got.failed != tt.failed || got.broken != tt.broken {
			t.Errorf("%s: got %q, %t", name, got.failed, got.broken)
		}
	}
}

func TestSurvivorsAreNamed(t *testing.T) {
	killed, alive := fate{mutant: mutant{Name: "k"}, killer: "p TestA"}, fate{mutant: mutant{Name: "s", Defect: "bad"}}
	if err := survivors([]fate{killed}); err != nil {
		t.Error(err)
	}
	if err := survivors([]fate{killed, alive}); err == nil || !strings.Contains(err.Error(), `"s" (bad)`) {
		t.Errorf("got %v", err)
	}
	if text := renderPage([]fate{killed, alive}); !strings.Contains(text, "1 of 2 are noticed") || !strings.Contains(text, "| nothing |") {
		t.Error(text)
	}
}

// compiler type-checks packages against what the go tool has compiled of their imports.
type compiler struct {
	packages map[string]listed // by folder, and by import path
	files    *token.FileSet
	imports  types.Importer
}

// listed is one package as go list -json prints it.
type listed struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
}

// compile type-checks the package of a folder with some of its files changed.
func (c *compiler) compile(folder string, changed map[string][]byte) error {
	abs, err := filepath.Abs(folder)
	if err != nil {
		return err
	}
	pkg := c.packages[abs]
	var syntax []*ast.File
	for _, name := range pkg.GoFiles {
		var source any // nil: read the file
		if text, ok := changed[path.Join(folder, name)]; ok {
			source = text
		}
		file, err := parser.ParseFile(c.files, filepath.Join(pkg.Dir, name), source, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		syntax = append(syntax, file)
	}
	conf := types.Config{Importer: c.imports}
	_, err = conf.Check(pkg.ImportPath, c.files, syntax, nil)
	return err
}

func newCompiler(t *testing.T, mutants []mutant) *compiler {
	t.Helper()
	args := []string{"list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles"}
	for _, m := range mutants {
		for _, e := range m.Edits {
			args = append(args, "./"+path.Dir(e.File))
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	c := &compiler{packages: make(map[string]listed), files: token.NewFileSet()}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		c.packages[p.Dir], c.packages[p.ImportPath] = p, p
	}
	c.imports = importer.ForCompiler(c.files, "gc", func(name string) (io.ReadCloser, error) {
		return os.Open(c.packages[name].Export)
	})
	return c
}

func TestVerdictsForgetWhichTest(t *testing.T) {
	row := func(killer string) string { return "| quorum: too small | `mempool/core.go` | " + killer + " |\n" }
	if withoutTestNames(row("`mempool TestOne`")) != withoutTestNames(row("`consensus TestTwo`")) {
		t.Error("another test is another verdict")
	}
	if withoutTestNames(row("`mempool TestOne`")) == withoutTestNames(row("nothing")) {
		t.Error("a survivor is no verdict of its own")
	}
}
