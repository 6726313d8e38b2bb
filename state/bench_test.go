package state_test

import (
	"slices"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state"
	"github.com/remora-network/remora/state/statetest"
)

// inputOf spreads transactions over batches of 500 kB by four members.
func inputOf(b *testing.B, c *statetest.Chain, txs [][]byte) state.Input {
	b.Helper()
	lists := make(payload)
	for author := remora.Authority(0); len(txs) > 0; author = (author + 1) % 4 {
		n := min(len(txs), 500_000/len(txs[0]))
		lists[author] = append(lists[author], c.Batch(author, txs[:n]...))
		txs = txs[n:]
	}
	return c.Input(c.SubDAG(statetest.Draft{Time: c.View.Tip.Time + 10, Payload: lists}))
}

func benchmarkApply(b *testing.B, c *statetest.Chain, in state.Input, txs int) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		out, err := c.Machine.Apply(c.View, in, new(yes))
		if err != nil {
			b.Fatal(err)
		}
		if len(out.Block.Results) != txs || out.Block.Results[txs-1] != 0 {
			b.Fatalf("%d results, the last is %d", len(out.Block.Results), out.Block.Results[txs-1])
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*txs), "ns/tx")
}

// BenchmarkApplyOpaque executes a block of opaque transactions of 512 bytes.
func BenchmarkApplyOpaque(b *testing.B) {
	for _, size := range []struct {
		name string
		txs  int
	}{{"10k", 10_000}, {"100k", 100_000}} {
		b.Run(size.name, func(b *testing.B) {
			c := statetest.NewChain(b, statetest.Genesis(dev, 4))
			txs := make([][]byte, size.txs)
			for i := range txs {
				txs[i] = remora.EncodeOpaque(make([]byte, 507))
			}
			benchmarkApply(b, c, inputOf(b, c, txs), size.txs)
		})
	}
}

// BenchmarkApplyTransfers executes a block of 1,000 transfers among 100 accounts, without the cost of signatures.
func BenchmarkApplyTransfers(b *testing.B) {
	var names []string
	for i := range 100 {
		names = append(names, string([]byte{'a' + byte(i/10), 'a' + byte(i%10)}))
	}
	c := statetest.NewChain(b, statetest.Genesis(dev, 4, names...))
	var txs [][]byte
	for i := range 1000 {
		txs = append(txs, statetest.Transfer(c.Genesis, names[i%100], names[(i*7+1)%100], uint64(i/100), 1))
	}
	benchmarkApply(b, c, inputOf(b, c, txs), len(txs))
}

// BenchmarkAdmit judges one transfer.
func BenchmarkAdmit(b *testing.B) {
	c := statetest.NewChain(b, statetest.Genesis(dev, 4, "alice"))
	raw := statetest.Transfer(c.Genesis, "alice", "bob", 0, 1)
	b.ReportAllocs()
	for b.Loop() {
		if err := c.Machine.Admit(c.View, raw, new(yes)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkClaim executes the transactions of a claim of 4,096 items, without the cost of signatures and pairings. The fees
// count on these figures and on those of the packages crypto/ed25519, crypto/bls and state/tree.
func BenchmarkClaim(b *testing.B) {
	g := statetest.Genesis(dev, 4, "alice", "nora", "olaf")
	for i := range g.Accounts {
		g.Accounts[i].Balance *= 1000
	}
	w := newWorldOf(b, g)
	var opened [][]byte
	var list []statetest.Delivered
	for i := range remora.SessionID(remora.MaxClaimItems) {
		w.keys[i+1] = "alice's key"
		list = append(list, w.deliverFile(i+1, 2))
		opened = append(opened, w.signNext("alice", remora.KindOpenSession,
			statetest.Session(w.keys[i+1], uint64(i), 9, statetest.Allot("nora", 1<<10))))
	}
	for part := range slices.Chunk(opened, 1024) {
		w.requireOK(w.Run(part...))
	}
	w.EndEpoch()
	claim := w.makeClaim("nora", 1, list...)
	commit := w.commitClaim("nora", claim)
	b.Run("commit", func(b *testing.B) { benchmarkApply(b, w.Chain, inputOf(b, w.Chain, [][]byte{commit}), 1) })
	w.requireOK(w.Run(commit))
	w.FixSeed()
	w.FixSeed()
	open := w.answerClaim("nora", claim)
	b.Run("open", func(b *testing.B) { benchmarkApply(b, w.Chain, inputOf(b, w.Chain, [][]byte{open}), 1) })
}

// BenchmarkDecode decodes the densest list that a transaction may hold, whose every byte is a value.
func BenchmarkDecode(b *testing.B) {
	c := statetest.NewChain(b, statetest.Genesis(dev, 4, "alice"))
	raw := statetest.Signed(c.Genesis, statetest.Tx(c.Genesis, "alice", 0, remora.KindRegisterNode, remora.Node{Addrs: make([]string, 60_000)}))
	for b.Loop() {
		tx, err := c.Machine.OpenTx(raw)
		if err != nil {
			b.Fatal(err)
		}
		if err := tx.DecodeBody(new(remora.Node)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*remora.MeasureTx(raw).Values), "ns/value")
}
