// Command vet checks the rules of this module package by package: pure cores, ZIP-215 verification, size budgets and
// reserved words. The go tool runs it:
//
//	go vet -vettool=.bin/remora-vet ./...
package main

import "golang.org/x/tools/go/analysis/unitchecker"

func main() { unitchecker.Main(purecore, zip215, budgets, words) }
