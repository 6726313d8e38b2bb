package main

import (
	"go/ast"
	"go/token"
	"go/types"
	"strconv"

	"golang.org/x/tools/go/analysis"
)

var purecore = &analysis.Analyzer{
	Name: "purecore",
	Doc: `keep clocks, I/O, concurrency, floats and map order out of pure packages

The root package, mempool, consensus, state, proofs and app/session must give the same output for the same input, byte for byte.
A loop over a map whose order cannot reach a result is excused by a line above it: //remora:unordered <reason>`,
	Run: runPurecore,
}

// impure lists the imports that give access to clocks, disks, sockets, goroutines or randomness. deps_test.go at the
// module's root holds the same list, so that go test finds them too.
var impure = []string{
	"context", "crypto/rand", "golang.org/x/sync", "hash/maphash", "io/fs", "io/ioutil", "log", "math/rand", "net",
	"os", "path/filepath", "runtime", "sync", "syscall", "time", "unsafe",
}

func runPurecore(pass *analysis.Pass) (any, error) {
	if !isPure(packagePath(pass)) {
		return nil, nil
	}
	for _, file := range writtenFiles(pass) {
		if isTestFile(pass, file) {
			continue
		}
		p := purity{pass}
		p.checkImports(file)
		ast.Inspect(file, p.checkNode)
		checkMapOrder(pass, file)
	}
	return nil, nil
}

type purity struct{ pass *analysis.Pass }

func (p purity) checkImports(file *ast.File) {
	for _, spec := range file.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err == nil && isBelow(name, impure) {
			p.pass.Reportf(spec.Pos(), "pure package imports %s: the shell passes in what is needed", name)
		}
	}
}

// checkNode reports a node and stops below it, so that each mistake is reported once.
func (p purity) checkNode(n ast.Node) bool {
	if what := p.concurrencyIn(n); what != "" {
		p.pass.Reportf(n.Pos(), "%s in a pure package: goroutines belong to the shell", what)
		return false
	}
	if e, ok := n.(ast.Expr); ok && p.isFloat(e) {
		p.pass.Reportf(n.Pos(), "floating point in a pure package: results differ between machines, use integers")
		return false
	}
	return true
}

func (p purity) concurrencyIn(n ast.Node) string {
	switch n := n.(type) {
	case *ast.GoStmt:
		return "go statement"
	case *ast.SelectStmt:
		return "select"
	case *ast.ChanType:
		return "channel type"
	case *ast.SendStmt:
		return "channel send"
	case *ast.UnaryExpr:
		if n.Op == token.ARROW {
			return "channel receive"
		}
	case *ast.RangeStmt:
		if isChan(p.pass.TypesInfo.TypeOf(n.X)) {
			return "range over a channel"
		}
	}
	return ""
}

// isFloat covers complex numbers, and literals such as 1e6 that become integers only by conversion.
func (p purity) isFloat(e ast.Expr) bool {
	if lit, ok := e.(*ast.BasicLit); ok && (lit.Kind == token.FLOAT || lit.Kind == token.IMAG) {
		return true
	}
	tv, ok := p.pass.TypesInfo.Types[e]
	if !ok {
		return false // a name being declared: its type or value is reported instead
	}
	basic, ok := tv.Type.Underlying().(*types.Basic)
	return ok && basic.Info()&(types.IsFloat|types.IsComplex) != 0
}

func isChan(t types.Type) bool {
	if t == nil {
		return false
	}
	_, ok := t.Underlying().(*types.Chan)
	return ok
}
