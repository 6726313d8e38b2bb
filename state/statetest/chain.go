package statetest

import (
	"encoding/binary"
	"maps"
	"slices"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state"
	"github.com/remora-network/remora/state/beacon"
	"github.com/remora-network/remora/state/ledger"
	"github.com/remora-network/remora/state/registry"
	"github.com/remora-network/remora/state/table"
)

// Chain applies sub-DAGs to a state in memory and checks after every block that coins add up and that the tree is the one of
// the tables.
type Chain struct {
	Genesis  *remora.Genesis
	Machine  *state.Machine
	View     state.View
	Verifier *Verifier
	Inputs   []state.Input // of the blocks that Next made

	tb      testing.TB
	tables  *table.Memory
	batches map[remora.Hash]remora.Batch
	round   remora.Round
	seq     uint64
}

// Draft describes one sub-DAG: a round with one header of each member, and a leader above.
type Draft struct {
	Time    remora.Millis                          // CreatedAt of all headers
	Times   map[remora.Authority]remora.Millis     // in place of Time
	Payload map[remora.Authority][]remora.BatchRef // of each member's header
	Beacon  []remora.Authority                     // who contributes to the next step of the beacon
}

// NewChain returns a chain at height 0.
func NewChain(tb testing.TB, g *remora.Genesis) *Chain {
	tb.Helper()
	m, err := state.NewMachine(g)
	if err != nil {
		tb.Fatal(err)
	}
	c := &Chain{
		Genesis: g, Machine: m, Verifier: new(Verifier),
		tb: tb, tables: new(table.Memory), batches: make(map[remora.Hash]remora.Batch),
	}
	out, err := m.Genesis(c.Verifier)
	if err != nil {
		tb.Fatal(err)
	}
	c.Commit(out)
	return c
}

// With returns the chain for another test, such as one input of a fuzz test, which must not move it.
func (c *Chain) With(tb testing.TB) *Chain {
	other := *c
	other.tb = tb
	return &other
}

// Fork returns an independent copy of the chain.
func (c *Chain) Fork(tb testing.TB) *Chain {
	other := *c
	other.tb, other.tables, other.batches = tb, c.tables.Clone(), maps.Clone(c.batches)
	other.View.Tables = other.tables
	other.Inputs = slices.Clone(c.Inputs)
	return &other
}

// Batch seals transactions into a batch of the present epoch that Input finds again.
func (c *Chain) Batch(author remora.Authority, txs ...[]byte) remora.BatchRef {
	c.tb.Helper()
	return c.BatchOf(c.Epoch().Number, author, txs...)
}

// BatchOf is Batch for any epoch.
func (c *Chain) BatchOf(epoch remora.Epoch, author remora.Authority, txs ...[]byte) remora.BatchRef {
	var b remora.BatchBuilder
	for _, tx := range txs {
		b.Add(tx)
	}
	c.seq++
	sealed := b.Seal(c.Machine.Committee().Term, epoch, author, 0, c.seq)
	c.batches[sealed.Digest] = sealed
	return sealed.Ref()
}

// UnderweighedBatch seals transactions into a batch whose author declares another weight than theirs.
func (c *Chain) UnderweighedBatch(author remora.Authority, declared remora.Weight, txs ...[]byte) remora.BatchRef {
	c.tb.Helper()
	raw := c.Stored(c.Batch(author, txs...).Digest).Raw
	binary.BigEndian.PutUint64(raw[remora.BatchWeightOffset:], uint64(declared))
	forged, err := remora.ParseBatch(raw)
	c.failOn(err)
	c.batches[forged.Digest] = forged
	return forged.Ref()
}

// Stored returns a batch that was sealed before.
func (c *Chain) Stored(digest remora.Hash) remora.Batch { return c.batches[digest] }

// SubDAG returns the headers that a draft describes as the sub-DAG after the present block.
func (c *Chain) SubDAG(d Draft) remora.SubDAG {
	c.tb.Helper()
	committee := c.Machine.Committee()
	sub := remora.SubDAG{Previous: c.View.Tip.SubDAG}
	leader := remora.Header{Term: committee.Term, Round: c.round + 2, CreatedAt: d.Time}
	for i := range remora.Authority(committee.Size()) {
		h := &remora.Header{Term: committee.Term, Author: i, Round: c.round + 1, CreatedAt: d.Time, Payload: d.Payload[i]}
		if t, ok := d.Times[i]; ok {
			h.CreatedAt = t
		}
		if slices.Contains(d.Beacon, i) {
			h.Contributions = []remora.Contribution{c.Contribution(i)}
		}
		h.Seal(c.Machine.Committee().Domain)
		sub.Headers = append(sub.Headers, h)
		leader.Parents = append(leader.Parents, h.ID())
	}
	leader.Seal(c.Machine.Committee().Domain)
	sub.Headers = append(sub.Headers, &leader)
	return sub
}

// Contribution returns a member's valid contribution to the next step of the beacon.
func (c *Chain) Contribution(a remora.Authority) remora.Contribution {
	c.tb.Helper()
	seed, err := beacon.GetSeed(c.tables)
	c.failOn(err)
	m := remora.BeaconMessage(c.Machine.Committee().Domain, seed.Step+1, seed.Hash)
	key := c.Machine.Committee().Members[a].Beacon
	return remora.Contribution{Step: seed.Step + 1, Signature: SignBLS(key, m[:])}
}

// Input returns a sub-DAG with the batches that the next block executes.
func (c *Chain) Input(sub remora.SubDAG) state.Input {
	c.tb.Helper()
	refs, err := c.Machine.Pending(c.View, &sub)
	c.failOn(err)
	in := state.Input{SubDAG: sub}
	for _, ref := range refs {
		in.Batches = append(in.Batches, c.batches[ref.Digest])
	}
	return in
}

// Next applies a draft and moves the chain to the new block.
func (c *Chain) Next(d Draft) state.Outcome {
	c.tb.Helper()
	in := c.Input(c.SubDAG(d))
	out, err := c.Machine.Apply(c.View, in, c.Verifier)
	c.failOn(err)
	c.round += 2
	c.Inputs = append(c.Inputs, in)
	c.Commit(out)
	return out
}

// Run executes transactions in one batch and one block, 10 ms after the last, and returns their codes.
func (c *Chain) Run(txs ...[]byte) []remora.Code {
	c.tb.Helper()
	return c.runDraft(Draft{Time: c.View.Tip.Time + 10}, txs)
}

// runDraft applies a draft with transactions in one batch, if there are any.
func (c *Chain) runDraft(d Draft, txs [][]byte) []remora.Code {
	c.tb.Helper()
	if len(txs) > 0 {
		d.Payload = map[remora.Authority][]remora.BatchRef{0: {c.Batch(0, txs...)}}
	}
	out := c.Next(d)
	codes := make([]remora.Code, len(out.Block.Results))
	for i, r := range out.Block.Results {
		codes[i] = remora.Code(r)
	}
	return codes
}

// Commit makes an outcome the chain's state, after checking it.
func (c *Chain) Commit(out state.Outcome) {
	c.tb.Helper()
	c.tables.Apply(out.Changes)
	c.View = out.View(c.tables)
	c.failOn(ledger.CheckSupply(c.tables))
	rebuilt, err := state.BuildTree(c.tables)
	c.failOn(err)
	if got, want := out.Tree.Root(), rebuilt.Root(); got != want {
		c.tb.Fatalf("root %s after block %d, the tables give %s", got, c.View.Tip.Height, want)
	}
}

// failOn ends the test on an error.
func (c *Chain) failOn(err error) {
	c.tb.Helper()
	if err != nil {
		c.tb.Fatal(err)
	}
}

// Tables returns the rows of the present state. They change with the next block: Clone them to keep them.
func (c *Chain) Tables() *table.Memory { return c.tables }

// Account returns the record of a named account, the zero one when there is none.
func (c *Chain) Account(name string) ledger.Account {
	c.tb.Helper()
	a, _, err := ledger.Get(c.tables, Address(name))
	c.failOn(err)
	return a
}

// Epoch returns the epoch of the next block.
func (c *Chain) Epoch() registry.Epoch {
	c.tb.Helper()
	e, err := registry.GetEpoch(c.tables)
	c.failOn(err)
	return e
}
