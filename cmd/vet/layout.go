package main

import (
	"go/ast"
	"path"
	"strings"

	"golang.org/x/tools/go/analysis"
)

const module = "github.com/remora-network/remora"

// pureRoots are the folders whose packages must be pure, like the module's root.
var pureRoots = []string{"mempool", "consensus", "state", "proofs", "app/session"}

// isPure reports whether the product code of a package must be pure. Test packages such as mempool/mempooltest need not.
func isPure(pkgPath string) bool {
	if pkgPath == module {
		return true
	}
	name, ours := strings.CutPrefix(pkgPath, module+"/")
	return ours && isBelow(name, pureRoots) && !isTestPackage(pkgPath)
}

func isTestPackage(pkgPath string) bool { return strings.HasSuffix(path.Base(pkgPath), "test") }

// isBelow reports whether a slash-separated name is one of the parents or inside one of them.
func isBelow(name string, parents []string) bool {
	for _, p := range parents {
		if name == p || strings.HasPrefix(name, p+"/") {
			return true
		}
	}
	return false
}

// packagePath returns the path of the package under analysis, the same with and without its tests.
func packagePath(pass *analysis.Pass) string {
	pkgPath, _, _ := strings.Cut(pass.Pkg.Path(), " ")
	return strings.TrimSuffix(strings.TrimSuffix(pkgPath, ".test"), "_test")
}

func isTestFile(pass *analysis.Pass, file *ast.File) bool {
	return strings.HasSuffix(pass.Fset.File(file.FileStart).Name(), "_test.go")
}

// writtenFiles returns the files that people wrote. Generated files, such as the main package of a test binary, are exempt.
func writtenFiles(pass *analysis.Pass) []*ast.File {
	var files []*ast.File
	for _, f := range pass.Files {
		if !ast.IsGenerated(f) {
			files = append(files, f)
		}
	}
	return files
}
