package main

import (
	"go/ast"
	"go/types"

	"golang.org/x/tools/go/analysis"
)

var zip215 = &analysis.Analyzer{
	Name: "zip215",
	Doc: `verify Ed25519 signatures by ZIP-215 only

Verifiers that differ on edge cases split the chain, and the standard library's rejects what batch verification accepts.
Where a foreign format prescribes the standard library's rules, a line above says so: //remora:allow stdlib-ed25519 <reason>`,
	Run: runZip215,
}

// strictVerifiers are the functions that verify by RFC 8032 rather than ZIP-215, by their full name in go/types. Public
// keys of libp2p delegate to the standard library.
var strictVerifiers = map[string]bool{
	"crypto/ed25519.Verify":                                              true,
	"crypto/ed25519.VerifyWithOptions":                                   true,
	"golang.org/x/crypto/ed25519.Verify":                                 true,
	"(github.com/libp2p/go-libp2p/core/crypto.PubKey).Verify":            true,
	"(*github.com/libp2p/go-libp2p/core/crypto.Ed25519PublicKey).Verify": true,
}

func runZip215(pass *analysis.Pass) (any, error) {
	for _, file := range writtenFiles(pass) {
		excused := newDirectives(pass, file, "//remora:allow stdlib-ed25519")
		ast.Inspect(file, func(n ast.Node) bool {
			id, ok := n.(*ast.Ident)
			if !ok {
				return true
			}
			f, ok := pass.TypesInfo.Uses[id].(*types.Func)
			if ok && strictVerifiers[f.FullName()] && !excused.excusesLine(id.Pos()) {
				pass.Reportf(id.Pos(), "%s does not follow ZIP-215: use crypto/ed25519 of this module, or say above why not: //remora:allow stdlib-ed25519 <reason>", f.FullName())
			}
			return true
		})
		excused.flagUnused()
	}
	return nil, nil
}
