package store_test

import (
	"fmt"
	"testing"

	"go.uber.org/goleak"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/mempool/mempooltest"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/node/store/crashfs"
	"github.com/remora-network/remora/state/statetest"
	"github.com/remora-network/remora/state/table"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	home    = "home"
	chainID = "dev-store"
)

func open(fs *crashfs.FS) (*store.Store, error) {
	return store.Open(home, store.Options{FS: fs, Cache: 1 << 20})
}

// history is a chain in memory with which a store is compared.
type history struct {
	genesis remora.Hash
	initial []table.Change
	rows    []string // the state tables by height, from 0
	commits []store.Commit
	batches [][]remora.Batch // by height, from 1
	dag     *mempooltest.Builder
}

// newHistory returns a chain of blocks with a transfer and an opaque transaction each.
func newHistory(t *testing.T, blocks int) *history {
	t.Helper()
	g := statetest.Genesis(chainID, 4, "alice")
	c := statetest.NewChain(t, g)
	out, err := c.Machine.Genesis(c.Verifier)
	if err != nil {
		t.Fatal(err)
	}
	h := &history{genesis: g.Hash(), initial: out.Changes, rows: []string{dump(t, c.Tables())}, dag: mempooltest.NewBuilder(mempooltest.NewCommittee(4))}
	for i := range blocks {
		signed := statetest.Transfer(g, "alice", "bob", uint64(i), 5)
		ref := c.Batch(0, signed, remora.EncodeOpaque(fmt.Appendf(nil, "opaque %d", i)))
		out := c.Next(statetest.Draft{
			Time: c.View.Tip.Time + 10, Payload: map[remora.Authority][]remora.BatchRef{0: {ref}}, Beacon: []remora.Authority{0, 1, 2},
		})
		h.commits = append(h.commits, store.Commit{
			Block: &out.Block, Changes: out.Changes, Signed: map[remora.Hash]uint32{remora.TxHash(signed): 0},
		})
		h.batches = append(h.batches, []remora.Batch{c.Stored(ref.Digest)})
		h.rows = append(h.rows, dump(t, c.Tables()))
		h.dag.Grow()
	}
	return h
}

// dump returns all rows of a state as text.
func dump(t *testing.T, v table.View) string {
	t.Helper()
	var rows []byte
	for _, id := range table.All() {
		err := v.Ascend(id, nil, func(key, value []byte) bool {
			rows = fmt.Appendf(rows, "%d %x %x\n", id, key, value)
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return string(rows)
}

// header is the own header of a round.
func (h *history) header(r remora.Round) *remora.Header { return &h.dag.Certificate(r, 0).Header }

func (h *history) vote(r remora.Round) *remora.Vote {
	v := mempooltest.NewVote(h.dag.Committee, 0, &h.dag.Certificate(r, 1).Header)
	return &v
}

// certificates returns the records of a round's accepted certificates.
func (h *history) certificates(r remora.Round) []mempool.Record {
	var records []mempool.Record
	for _, c := range h.dag.Layer(r) {
		records = append(records, mempool.Record{Certificate: c})
	}
	return records
}

func (h *history) blockCertificate(height remora.Height) *remora.BlockCertificate {
	return &remora.BlockCertificate{
		Height: height, Hash: h.commits[height-1].Block.Header.Hash(), Signers: remora.NewBitmap(4, 0, 1, 2),
	}
}
