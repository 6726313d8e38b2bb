package sim

import (
	"testing"
	"time"
)

// BenchmarkSeeds runs four validators for at least 50 rounds, with a crash and a lossy network.
func BenchmarkSeeds(b *testing.B) {
	rounds := 0
	for i := range b.N {
		s := Scenario{Seed: uint64(i), Duration: 4 * time.Second, GST: 2 * time.Second, TxPerSecond: 20, Grace: time.Second}
		s.Network.Drop, s.Network.Duplicate = 0.01, 0.01
		s.Faults = []Fault{{Kind: Crash, Node: 1, At: 500 * ms, Until: 1000 * ms}}
		r, err := Run(s)
		if err != nil || r.Verdict != Pass {
			b.Fatal(r, err)
		}
		rounds += int(r.Rounds)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "seeds/s")
	b.ReportMetric(float64(rounds)/float64(b.N), "rounds")
}

// BenchmarkHundred runs a hundred validators.
func BenchmarkHundred(b *testing.B) {
	rounds := 0
	for i := range b.N {
		r, err := Run(Scenario{Validators: 100, Seed: uint64(i), Duration: 2 * time.Second, TxPerSecond: 20, Grace: 1900 * ms})
		if err != nil || r.Verdict != Pass {
			b.Fatal(r, err)
		}
		rounds += int(r.Rounds)
	}
	b.ReportMetric(b.Elapsed().Seconds()*1000/float64(rounds), "ms/round")
}
