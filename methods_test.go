package remora_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

// Limits of the number of types that have an unexported method of one name. Beyond them a search for the name no longer
// finds the method. Exported names are exempt, because conventions repeat them: Len, String, Close.
const (
	maxTypesPerPackage = 3
	maxTypesPerModule  = 4
)

// TestMethods checks the method names of the module.
func TestMethods(t *testing.T) {
	found, err := crowdedMethods(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	for _, sentence := range found {
		t.Error(sentence)
	}
}

// TestMethodsCatchCrowds compares the crowded names of a module with those that its archive lists in the file want.
func TestMethodsCatchCrowds(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/methods.txtar")
	if err != nil {
		t.Fatal(err)
	}
	module, err := txtar.FS(archive)
	if err != nil {
		t.Fatal(err)
	}
	want, err := fs.ReadFile(module, "want")
	if err != nil {
		t.Fatal(err)
	}
	found, err := crowdedMethods(module)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(strings.TrimSpace(string(want)), "\n"), found); diff != "" {
		t.Errorf("crowded method names (-want +got):\n%s", diff)
	}
}

// methods are the unexported methods of a module's product code, and the names that its interfaces ask for.
type methods struct {
	owners   map[string]map[string][]string // name -> folder -> types with a method of that name
	required map[string]bool
}

// crowdedMethods returns a sentence for each method name that is on too many types of the module or of one package.
// It reads the whole module, because an analyzer sees one package and its imports only.
func crowdedMethods(module fs.FS) ([]string, error) {
	m := methods{owners: make(map[string]map[string][]string), required: make(map[string]bool)}
	err := fs.WalkDir(module, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "testdata" || name != "." && strings.HasPrefix(entry.Name(), ".")):
			return fs.SkipDir
		case strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go"):
			return m.collectFile(module, name)
		}
		return nil
	})
	return m.findCrowded(), err
}

func (m methods) collectFile(module fs.FS, name string) error {
	source, err := fs.ReadFile(module, name)
	if err != nil {
		return err
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Recv != nil && !n.Name.IsExported() {
				m.addOwner(n.Name.Name, path.Dir(name), receiverName(n.Recv.List[0].Type))
			}
		case *ast.InterfaceType:
			for _, field := range n.Methods.List {
				for _, id := range field.Names {
					m.required[id.Name] = true
				}
			}
		}
		return true
	})
	return nil
}

// addOwner counts a type once, even if files for several operating systems declare its method.
func (m methods) addOwner(name, folder, owner string) {
	if m.owners[name] == nil {
		m.owners[name] = make(map[string][]string)
	}
	if !slices.Contains(m.owners[name][folder], owner) {
		m.owners[name][folder] = append(m.owners[name][folder], owner)
	}
}

func (m methods) findCrowded() []string {
	var found []string
	for _, name := range slices.Sorted(maps.Keys(m.owners)) {
		var places []string
		total, most := 0, 0
		for _, folder := range slices.Sorted(maps.Keys(m.owners[name])) {
			types := m.owners[name][folder]
			total, most = total+len(types), max(most, len(types))
			places = append(places, fmt.Sprintf("%s (%s)", folder, strings.Join(types, ", ")))
		}
		if !m.required[name] && (total > maxTypesPerModule || most > maxTypesPerPackage) {
			found = append(found, fmt.Sprintf("method name %s is on %d types, the limit is %d, or %d of a package: name the object too: %s",
				name, total, maxTypesPerModule, maxTypesPerPackage, strings.Join(places, ", ")))
		}
	}
	return found
}

// receiverName returns the name of a receiver's type without pointer and type parameters.
func receiverName(t ast.Expr) string {
	switch e := t.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.StarExpr:
		return receiverName(e.X)
	case *ast.IndexExpr:
		return receiverName(e.X)
	case *ast.IndexListExpr:
		return receiverName(e.X)
	}
	return ""
}
