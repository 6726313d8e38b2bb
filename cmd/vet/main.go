// Command vet checks the rules of this module: pure cores, ZIP-215 verification, size budgets, reserved words and method
// names. The go tool runs its analyzers package by package; method names are counted over the whole module:
//
//	go vet -vettool=.bin/remora-vet ./...
//	.bin/remora-vet methods .
package main

import (
	"fmt"
	"os"

	"golang.org/x/tools/go/analysis/unitchecker"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == "methods" {
		os.Exit(printCrowdedMethods(os.Args[2]))
	}
	unitchecker.Main(purecore, zip215, budgets, words)
}

func printCrowdedMethods(folder string) (exitCode int) {
	found, err := crowdedMethods(os.DirFS(folder))
	if err != nil {
		found = append(found, err.Error())
	}
	for _, sentence := range found {
		fmt.Fprintln(os.Stderr, sentence)
		exitCode = 1
	}
	return exitCode
}
