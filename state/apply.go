package state

import (
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/beacon"
	"github.com/remora-network/remora/state/delivery"
	"github.com/remora-network/remora/state/ledger"
	"github.com/remora-network/remora/state/registry"
	"github.com/remora-network/remora/state/table"
	"github.com/remora-network/remora/state/verdict"
)

// Input is a committed sub-DAG with the batches that Pending names for it, in that order and parsed.
type Input struct {
	SubDAG  remora.SubDAG
	Batches []remora.Batch
}

// Apply executes a sub-DAG as the block after view. It writes nothing: the outcome holds all changes.
func (m *Machine) Apply(view View, in Input, v verdict.Verifier) (Outcome, error) {
	if err := m.checkSubDAG(view, &in.SubDAG); err != nil {
		return Outcome{}, err
	}
	epoch, err := registry.GetEpoch(view.Tables)
	if err != nil {
		return Outcome{}, err
	}
	block, err := m.describeBlock(view, blockTime(m.committee, view.Tip.Time, &in.SubDAG))
	if err != nil {
		return Outcome{}, err
	}
	batches, err := sortPayload(view.Tables, &in.SubDAG, epoch.Number)
	if err != nil {
		return Outcome{}, err
	}
	if err := checkBatches(batches.execute, in.Batches); err != nil {
		return Outcome{}, err
	}

	o := table.NewOverlay(view.Tables)
	header := remora.BlockHeader{
		Version: remora.ProtocolVersion,
		Domain:  m.committee.Domain,
		Height:  view.Tip.Height + 1,
		Epoch:   epoch.Number,
		Term:    m.committee.Term,
		Time:    block.Time,
		Parent:  view.Tip.Hash,
		SubDAG:  in.SubDAG.Digest(m.committee.Domain),
	}
	results, err := m.newExecution(o, block, v).runBatches(in.Batches)
	if err != nil {
		return Outcome{}, err
	}
	if header.Beacon, err = beacon.Advance(o, m.committee, in.SubDAG.Headers, v); err != nil {
		return Outcome{}, err
	}
	if err := delivery.Advance(o, block, header.Beacon); err != nil {
		return Outcome{}, err
	}
	markExecuted(o, batches.execute, header.Height)
	if err := pruneExecuted(o, view.Tables, epoch.Number, len(batches.execute)); err != nil {
		return Outcome{}, err
	}
	if next := epoch.After(header.Time, header.Height, &m.genesis.Params); next != epoch {
		registry.PutEpoch(o, next)
	}
	out := Outcome{
		Block:   remora.Block{Header: header, DAG: in.SubDAG.Headers, Batches: batchDigests(batches.execute), Results: results},
		Expired: batches.expired,
	}
	return out, out.finishBlock(view, o)
}

// finishBlock takes the changes from the overlay and fills in the header's roots.
func (o *Outcome) finishBlock(view View, overlay *table.Overlay) error {
	if err := ledger.CheckChanges(overlay); err != nil {
		return err
	}
	o.Changes = overlay.Changes()
	var err error
	if o.Tree, err = updateTree(view.Tree, o.Changes); err != nil {
		return err
	}
	h := &o.Block.Header
	h.TxRoot = remora.TxRoot(h.Domain, o.Block.Batches)
	h.ResultsRoot = remora.ResultsRoot(h.Domain, o.Block.Results)
	h.StateRoot = o.Tree.Root()
	o.tip = Tip{Height: h.Height, Hash: h.Hash(), Time: h.Time, SubDAG: h.SubDAG}
	return nil
}

// checkSubDAG refuses a sub-DAG that does not follow the view, or whose headers are missing or not of this committee.
func (m *Machine) checkSubDAG(view View, sub *remora.SubDAG) error {
	if sub.Previous != view.Tip.SubDAG {
		return fmt.Errorf("%w: the sub-DAG follows %s, block %d executed %s", ErrInput, sub.Previous, view.Tip.Height, view.Tip.SubDAG)
	}
	if len(sub.Headers) == 0 {
		return fmt.Errorf("%w: the sub-DAG after block %d is empty", ErrInput, view.Tip.Height)
	}
	for i, h := range sub.Headers {
		switch {
		case h == nil || h.Digest().IsZero():
			return fmt.Errorf("%w: header %d of the sub-DAG is missing or unsealed", ErrInput, i)
		case h.Term != m.committee.Term || !m.committee.Has(h.Author):
			return fmt.Errorf("%w: header %d of the sub-DAG is by author %d of term %d, this is term %d with a committee of %d",
				ErrInput, i, h.Author, h.Term, m.committee.Term, m.committee.Size())
		}
	}
	return nil
}

func checkBatches(refs []remora.BatchRef, batches []remora.Batch) error {
	if len(refs) != len(batches) {
		return fmt.Errorf("%w: got %d batches, the block executes %d", ErrInput, len(batches), len(refs))
	}
	for i := range refs {
		if b := &batches[i]; b.Digest != refs[i].Digest || len(b.Raw) < remora.BatchHeaderSize {
			return fmt.Errorf("%w: batch %d is %s, want %s", ErrInput, i, b.Digest, refs[i].Digest)
		}
	}
	return nil
}

func batchDigests(refs []remora.BatchRef) []remora.Hash {
	hashes := make([]remora.Hash, len(refs))
	for i := range refs {
		hashes[i] = refs[i].Digest
	}
	return hashes
}
