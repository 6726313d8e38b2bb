package main

import (
	"go/ast"
	"path"
	"strings"

	"golang.org/x/tools/go/analysis"
)

const module = "github.com/remora-network/remora"

// pureRoots are the folders whose packages, like the module's root, must be pure.
var pureRoots = []string{"mempool", "consensus", "state", "proofs", "app/session"}

// isPure reports whether the product code of a package must be a pure function of its input.
// Test packages such as mempool/mempooltest only serve tests.
func isPure(pkgPath string) bool {
	if pkgPath == module {
		return true
	}
	name, ours := strings.CutPrefix(pkgPath, module+"/")
	return ours && isBelow(name, pureRoots) && !isTestPackage(pkgPath)
}

func isTestPackage(pkgPath string) bool { return strings.HasSuffix(path.Base(pkgPath), "test") }

// isBelow reports whether a slash-separated name is one of the given ones or inside one of them.
func isBelow(name string, parents []string) bool {
	for _, p := range parents {
		if name == p || strings.HasPrefix(name, p+"/") {
			return true
		}
	}
	return false
}

// packagePath is the path of the package under analysis, whether or not its tests are compiled in.
func packagePath(pass *analysis.Pass) string {
	pkgPath, _, _ := strings.Cut(pass.Pkg.Path(), " ")
	return strings.TrimSuffix(strings.TrimSuffix(pkgPath, ".test"), "_test")
}

func isTestFile(pass *analysis.Pass, file *ast.File) bool {
	return strings.HasSuffix(pass.Fset.File(file.FileStart).Name(), "_test.go")
}

// writtenFiles are the files that people wrote. Generated ones, such as the main package of a test binary, are nobody's style.
func writtenFiles(pass *analysis.Pass) []*ast.File {
	var files []*ast.File
	for _, f := range pass.Files {
		if !ast.IsGenerated(f) {
			files = append(files, f)
		}
	}
	return files
}
