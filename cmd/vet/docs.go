package main

import (
	"go/ast"
	"go/token"
	"regexp"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// checkDocs reports exported identifiers without a comment, and comments that do not begin with the identifier.
// Constants and variables of a group may share the group's comment.
func checkDocs(pass *analysis.Pass, file *ast.File) {
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			// The documentation shows functions, and methods of exported types.
			if d.Name.IsExported() && (d.Recv == nil || ast.IsExported(receiverName(d.Recv.List[0].Type))) {
				checkDoc(pass, d.Name, d.Doc)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				checkSpec(pass, d, spec)
			}
		}
	}
}

func checkSpec(pass *analysis.Pass, decl *ast.GenDecl, spec ast.Spec) {
	switch s := spec.(type) {
	case *ast.TypeSpec:
		doc := s.Doc
		if doc == nil && len(decl.Specs) == 1 {
			doc = decl.Doc
		}
		if s.Name.IsExported() {
			checkDoc(pass, s.Name, doc)
		}
	case *ast.ValueSpec:
		alone := decl.Lparen == token.NoPos
		for _, name := range s.Names {
			switch {
			case !name.IsExported():
			case alone && len(s.Names) == 1:
				checkDoc(pass, name, decl.Doc)
			case decl.Doc == nil && s.Doc == nil && s.Comment == nil:
				pass.Reportf(name.Pos(), "exported %s has no comment", name.Name)
			}
		}
	}
}

// firstWord matches an identifier at the beginning of a text.
var firstWord = regexp.MustCompile(`^\w+`)

func checkDoc(pass *analysis.Pass, name *ast.Ident, doc *ast.CommentGroup) {
	text := strings.TrimSpace(doc.Text())
	if text == "" {
		pass.Reportf(name.Pos(), "exported %s has no comment", name.Name)
		return
	}
	for _, article := range []string{"A ", "An ", "The "} {
		text = strings.TrimPrefix(text, article)
	}
	if firstWord.FindString(text) != name.Name {
		pass.Reportf(name.Pos(), "comment of exported %s does not begin with its name", name.Name)
	}
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
