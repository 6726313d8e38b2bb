package main

import (
	"go/ast"
	"go/types"
	"slices"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/types/typeutil"
)

// consumers are the functions whose result does not depend on the order of the iterator they take.
// maps.Values is not among the iterators of SortedFunc: values that compare equal may differ.
var consumers = map[string][]string{
	"maps.Keys":   {"slices.Sorted", "slices.SortedFunc"},
	"maps.Values": {"slices.Sorted"},
	"maps.All":    {"maps.Collect", "maps.Insert"},
}

// unordered are further iterators over maps, which no function sorts.
var unordered = []string{
	"(reflect.Value).MapKeys", "(reflect.Value).MapRange", "(reflect.Value).Seq", "(reflect.Value).Seq2",
	"golang.org/x/exp/maps.Keys", "golang.org/x/exp/maps.Values",
}

type mapOrder struct {
	pass    *analysis.Pass
	excused *directives
	ordered map[ast.Expr]bool // iterators that are passed to one of their consumers
}

func checkMapOrder(pass *analysis.Pass, file *ast.File) {
	m := mapOrder{pass, newDirectives(pass, file, "//remora:unordered"), make(map[ast.Expr]bool)}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.RangeStmt:
			m.checkRange(n)
		case *ast.CallExpr:
			m.noteConsumer(n)
		case *ast.SelectorExpr:
			m.checkUse(n)
		}
		return true
	})
	m.excused.flagUnused()
}

func (m mapOrder) checkRange(loop *ast.RangeStmt) {
	named := loop.Key != nil || loop.Value != nil
	if named && isMap(m.pass.TypesInfo.TypeOf(loop.X)) && !m.excused.excusesLine(loop.Pos()) {
		m.pass.Reportf(loop.Pos(), "range over a map in a pure package: take slices.Sorted(maps.Keys(m)), or say above the loop why its order is lost: //remora:unordered <reason>")
	}
}

// noteConsumer runs before the arguments of the call are visited.
func (m mapOrder) noteConsumer(call *ast.CallExpr) {
	consumer := m.calleeName(call)
	for _, arg := range call.Args {
		inner, ok := ast.Unparen(arg).(*ast.CallExpr)
		if ok && slices.Contains(consumers[m.calleeName(inner)], consumer) {
			m.ordered[ast.Unparen(inner.Fun)] = true
		}
	}
}

// checkUse checks every use of an iterator over a map, also as a value.
func (m mapOrder) checkUse(sel *ast.SelectorExpr) {
	f, ok := m.pass.TypesInfo.Uses[sel.Sel].(*types.Func)
	if !ok {
		return
	}
	name := f.Origin().FullName()
	if consumers[name] == nil && !slices.Contains(unordered, name) {
		return
	}
	if !m.ordered[sel] && !m.excused.excusesLine(sel.Pos()) {
		m.pass.Reportf(sel.Pos(), "%s gives map order in a pure package: sort it where it is taken, slices.Sorted(maps.Keys(m)), or say above why the order is lost: //remora:unordered <reason>", name)
	}
}

func (m mapOrder) calleeName(call *ast.CallExpr) string {
	if f := typeutil.StaticCallee(m.pass.TypesInfo, call); f != nil {
		return f.Origin().FullName()
	}
	return ""
}

// isMap reports whether a type is a map, or a type parameter that can be one.
func isMap(t types.Type) bool {
	if t == nil {
		return false
	}
	switch u := t.Underlying().(type) {
	case *types.Map:
		return true
	case *types.Interface:
		for i := range u.NumEmbeddeds() {
			if isMap(u.EmbeddedType(i)) {
				return true
			}
		}
	case *types.Union:
		for i := range u.Len() {
			if isMap(u.Term(i).Type()) {
				return true
			}
		}
	}
	return false
}
