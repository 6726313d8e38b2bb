package consensus_test

import (
	"fmt"
	"testing"

	"github.com/remora-network/remora"
)

// BenchmarkInsert inserts full rounds: an operation is one certificate, a round is n of them.
func BenchmarkInsert(b *testing.B) {
	for _, n := range []int{4, 20, 100} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			dag := NewDAG(Committee(Equal(n)...), 50)
			all := dag.Authors(0)
			for r := range remora.Round(200) {
				for _, a := range all {
					dag.Add(r+1, a, all)
				}
			}
			b.ReportAllocs()
			rule, next := newRule(dag), 0
			for b.Loop() {
				if next == len(dag.Certificates) {
					rule, next = newRule(dag), 0
				}
				if _, err := rule.Insert(dag.Certificates[next]); err != nil {
					b.Fatal(err)
				}
				next++
			}
		})
	}
}
