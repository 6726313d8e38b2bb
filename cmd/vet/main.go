// Command vet checks what is particular to this module: pure cores, ZIP-215 verification and size budgets.
// The go tool runs it: go vet -vettool=.bin/remora-vet ./...
package main

import "golang.org/x/tools/go/analysis/unitchecker"

func main() {
	unitchecker.Main(purecore, zip215, budgets)
}
