package main

import (
	"go/ast"
	"go/token"
	"go/types"
	"path"
	"regexp"
	"slices"

	"golang.org/x/tools/go/analysis"
)

var budgets = &analysis.Analyzer{
	Name: "budgets",
	Doc:  "keep files, functions, interfaces and structs small, exported names documented, tests free of sleeps",
	Run:  runBudgets,
}

// Budgets. Test files may be longer, because tables are data, and each test brings its own.
const (
	maxFileLines     = 500
	maxTestFileLines = 700
	maxFuncLines     = 100
	maxParams        = 5 // without a receiver and without a context
	maxMethods       = 5
	maxFields        = 20
)

// vagueNames do not tell the purpose of a package.
var vagueNames = []string{"util", "utils", "common", "types", "internal", "pkg", "helpers", "misc", "libs"}

// unfinished matches marks of postponed work, which belongs in the issue tracker.
var unfinished = regexp.MustCompile(`\b(TODO|FIXME)\b`)

func runBudgets(pass *analysis.Pass) (any, error) {
	for _, file := range writtenFiles(pass) {
		b := budget{pass, isTestFile(pass, file)}
		b.checkPackageName(file)
		b.checkFileLines(file)
		b.checkComments(file)
		ast.Inspect(file, b.checkNode)
		if !b.test && !isTestPackage(packagePath(pass)) {
			checkDocs(pass, file)
		}
	}
	return nil, nil
}

type budget struct {
	pass *analysis.Pass
	test bool
}

func (b budget) checkPackageName(file *ast.File) {
	folder := path.Base(packagePath(b.pass))
	if slices.Contains(vagueNames, file.Name.Name) || slices.Contains(vagueNames, folder) {
		b.pass.Reportf(file.Name.Pos(), "package name says nothing: name the package after what it provides, not %s", folder)
	}
}

func (b budget) checkFileLines(file *ast.File) {
	limit := maxFileLines
	if b.test {
		limit = maxTestFileLines
	}
	if n := b.pass.Fset.File(file.FileStart).LineCount(); n > limit {
		b.pass.Reportf(file.Name.Pos(), "file has %d lines, the limit is %d: split it by noun", n, limit)
	}
}

func (b budget) checkComments(file *ast.File) {
	for _, group := range file.Comments {
		for _, c := range group.List {
			if mark := unfinished.FindString(c.Text); mark != "" {
				b.pass.Reportf(c.Pos(), "%s in a comment: finish it or open an issue", mark)
			}
		}
	}
}

func (b budget) checkNode(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.FuncDecl:
		if n.Recv == nil && n.Name.Name == "init" {
			b.pass.Reportf(n.Pos(), "init function: call it where its effect is wanted")
		}
		b.checkFunc(n, n.Type)
	case *ast.FuncLit:
		b.checkFunc(n, n.Type)
	case *ast.InterfaceType:
		if count := n.Methods.NumFields(); count > maxMethods {
			b.pass.Reportf(n.Pos(), "interface has %d methods, the limit is %d: declare what the caller needs", count, maxMethods)
		}
	case *ast.StructType:
		if count := n.Fields.NumFields(); count > maxFields {
			b.pass.Reportf(n.Pos(), "struct has %d fields, the limit is %d: group them by purpose", count, maxFields)
		}
	case *ast.Ident:
		b.checkSleep(n)
	}
	return true
}

func (b budget) checkFunc(f ast.Node, typ *ast.FuncType) {
	if b.test {
		return
	}
	if n := b.lineOf(f.End()) - b.lineOf(f.Pos()) + 1; n > maxFuncLines {
		b.pass.Reportf(f.Pos(), "function has %d lines, the limit is %d: extract a step that has a name", n, maxFuncLines)
	}
	if n := b.countParams(typ); n > maxParams {
		b.pass.Reportf(f.Pos(), "function has %d parameters, the limit is %d besides a context: pass a struct", n, maxParams)
	}
}

func (b budget) countParams(typ *ast.FuncType) int {
	count := 0
	for _, field := range typ.Params.List {
		if !isContext(b.pass.TypesInfo.TypeOf(field.Type)) {
			count += max(1, len(field.Names))
		}
	}
	return count
}

// checkSleep reports every use of time.Sleep in tests and test packages: a test that sleeps is slow or flaky.
func (b budget) checkSleep(id *ast.Ident) {
	if !b.test && !isTestPackage(packagePath(b.pass)) {
		return
	}
	f, ok := b.pass.TypesInfo.Uses[id].(*types.Func)
	if ok && f.FullName() == "time.Sleep" {
		b.pass.Reportf(id.Pos(), "time.Sleep in a test: wait for the event, or use testing/synctest")
	}
}

func (b budget) lineOf(pos token.Pos) int { return b.pass.Fset.Position(pos).Line }

func isContext(t types.Type) bool {
	named, ok := types.Unalias(t).(*types.Named)
	if !ok || named.Obj().Pkg() == nil {
		return false
	}
	return named.Obj().Pkg().Path() == "context" && named.Obj().Name() == "Context"
}
