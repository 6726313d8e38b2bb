package sim
import ("testing";"time";"fmt"; "github.com/remora-network/remora"; "github.com/remora-network/remora/mempool")
func TestZX(t *testing.T) {
	sc := zwild(5000).withDefaults()
	sc.Duration = 12*time.Second; sc.TxPerSecond = 200
	n := 0
	sc.sabotage = func(a remora.Authority, rs []mempool.Record) []mempool.Record {
		for _, r := range rs { if r.Header != nil {
			seen := map[remora.Hash]bool{}
			for _, p := range r.Header.Payload { if seen[p.Digest] && n < 5 { n++; fmt.Println("DUP", a, r.Header.Round, len(r.Header.Payload), p.Digest) }; seen[p.Digest]=true }
		} }
		return rs
	}
	_, err := Run(sc)
	fmt.Println(err)
}
