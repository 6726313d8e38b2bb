package main

import (
	"go/ast"
	"go/token"
	"maps"
	"slices"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// directives are the comments of one kind in a file, such as "//remora:unordered <reason>". Each excuses the line below it
// and needs a reason. A directive that excuses nothing is stale.
type directives struct {
	pass   *analysis.Pass
	prefix string
	byLine map[int]*directive
}

type directive struct {
	pos    token.Pos
	reason string
	used   bool
}

func newDirectives(pass *analysis.Pass, file *ast.File, prefix string) *directives {
	d := &directives{pass: pass, prefix: prefix, byLine: make(map[int]*directive)}
	for _, group := range file.Comments {
		for _, c := range group.List {
			rest, found := strings.CutPrefix(c.Text, prefix)
			if found && (rest == "" || rest[0] == ' ') {
				d.byLine[d.lineOf(c.Pos())] = &directive{pos: c.Pos(), reason: strings.TrimSpace(rest)}
			}
		}
	}
	return d
}

// excusesLine reports whether the line above pos carries the directive.
func (d *directives) excusesLine(pos token.Pos) bool {
	found := d.byLine[d.lineOf(pos)-1]
	if found != nil {
		found.used = true
	}
	return found != nil
}

// flagUnused reports the directives that lack a reason or excused nothing.
func (d *directives) flagUnused() {
	for _, line := range slices.Sorted(maps.Keys(d.byLine)) {
		switch found := d.byLine[line]; {
		case !found.used:
			d.pass.Reportf(found.pos, "%s excuses nothing on the next line: remove it", d.prefix)
		case found.reason == "":
			d.pass.Reportf(found.pos, "%s needs a reason after it", d.prefix)
		}
	}
}

func (d *directives) lineOf(pos token.Pos) int { return d.pass.Fset.Position(pos).Line }
