package main

import (
	"go/ast"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/tools/go/analysis"
)

var words = &analysis.Analyzer{
	Name: "words",
	Doc:  "keep the words of the protocol for one thing each: only some folders may have them in their identifiers",
	Run:  runWords,
}

// reservedWord is a word with one meaning in the protocol.
type reservedWord struct {
	forms   *regexp.Regexp
	meaning string
	folders []string // the packages in which the meaning occurs
}

var reservedWords = []reservedWord{
	{
		regexp.MustCompile(`^settl(e|es|ed|ing|ement|ements)$`), "settle is the last step of a claim",
		[]string{".", "proofs/delivery", "state", "state/delivery", "state/statetest", "app/delivery", "cmd/remora"},
	},
	{
		regexp.MustCompile(`^report(s|ed|er|ing)?$`), "a report is what the receiver of a bandwidth probe commits to",
		[]string{"proofs/bandwidth", "state/bandwidth", "app/bandwidth"},
	},
	{
		regexp.MustCompile(`^terms?$`), "a term is the span of one committee",
		[]string{".", "mempool", "consensus", "state", "state/registry", "state/statetest", "node/client", "node/sim", "node/validator"},
	},
	{
		regexp.MustCompile(`^chunks?$`), "a chunk is a leaf of 1 KiB of content",
		[]string{".", "proofs/content", "proofs/delivery", "state/registry", "state/statetest", "app/delivery", "app/publish", "app/store"},
	},
	{
		regexp.MustCompile(`^shares?$`), "a share is a member's part of a quorum's BLS signature",
		[]string{".", "mempool", "node/flight", "node/sim", "node/validator"},
	},
	{
		regexp.MustCompile(`^receipts?$`), "a receipt is what a client signs for delivered bytes; a transaction has a result",
		[]string{
			".", "proofs/delivery", "state/delivery", "state/statetest", "app/delivery", "app/fetch", "app/session", "app/transfer",
			"node/client", "node/story",
		},
	},
}

// wordsOf matches the words of an identifier in camel case.
var wordsOf = regexp.MustCompile(`[A-Z]?[a-z]+`)

func runWords(pass *analysis.Pass) (any, error) {
	folder := "."
	if name, below := strings.CutPrefix(packagePath(pass), module+"/"); below {
		folder = name
	}
	for _, file := range writtenFiles(pass) {
		if isTestFile(pass, file) {
			continue
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok && pass.TypesInfo.Defs[id] != nil {
				checkWords(pass, folder, id)
			}
			return true
		})
	}
	return nil, nil
}

func checkWords(pass *analysis.Pass, folder string, id *ast.Ident) {
	for _, word := range wordsOf.FindAllString(id.Name, -1) {
		for _, r := range reservedWords {
			if r.forms.MatchString(strings.ToLower(word)) && !slices.Contains(r.folders, folder) {
				pass.Reportf(id.Pos(), "%s: %s: use another word in %s", id.Name, r.meaning, folder)
			}
		}
	}
}
