package state

import (
	"fmt"
	"slices"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/beacon"
	"github.com/remora-network/remora/state/delivery"
	"github.com/remora-network/remora/state/ledger"
	"github.com/remora-network/remora/state/payload"
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
	clock, err := registry.GetClock(view.Tables)
	if err != nil {
		return Outcome{}, err
	}
	clock = clock.After(blockMedian(m.committee, &in.SubDAG))
	block, err := m.describeBlock(view, clock.Active)
	if err != nil {
		return Outcome{}, err
	}
	schedule, fate, run, err := m.schedulePayload(view, &in.SubDAG, epoch.Number)
	if err != nil {
		return Outcome{}, err
	}
	if err := checkBatches(run, in.Batches); err != nil {
		return Outcome{}, err
	}

	o := table.NewOverlay(view.Tables)
	header := remora.BlockHeader{
		Version: remora.ProtocolVersion,
		Domain:  m.committee.Domain,
		Height:  view.Tip.Height + 1,
		Epoch:   epoch.Number,
		Term:    m.committee.Term,
		Time:    clock.Time,
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
	schedule.Save(o)
	registry.PutClock(o, clock)
	if next := epoch.After(clock.Active, header.Height, &m.genesis.Params); next != epoch {
		registry.PutEpoch(o, next)
	}
	out := Outcome{
		Block: remora.Block{Header: header, DAG: in.SubDAG.Headers, Batches: batchDigests(run), Results: results},
		Fate:  fate,
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

// Pending returns the batches that the block after view executes, in order. References alone decide: the bytes of other
// batches are never needed.
func (m *Machine) Pending(view View, sub *remora.SubDAG) ([]remora.BatchRef, error) {
	if err := m.checkSubDAG(view, sub); err != nil {
		return nil, err
	}
	epoch, err := registry.GetEpoch(view.Tables)
	if err != nil {
		return nil, err
	}
	_, _, run, err := m.schedulePayload(view, sub, epoch.Number)
	return run, err
}

// schedulePayload accepts the payload of a sub-DAG and cuts the block after view out of what waits.
func (m *Machine) schedulePayload(view View, sub *remora.SubDAG, epoch remora.Epoch) (
	*payload.Schedule, payload.Fate, []remora.BatchRef, error,
) {
	s, err := payload.Load(view.Tables, &m.genesis.Params)
	if err != nil {
		return nil, payload.Fate{}, nil, err
	}
	fate, err := s.AcceptSubDAG(m.committee, epoch, sub)
	if err != nil {
		return nil, payload.Fate{}, nil, err
	}
	run, err := s.CutBlock(m.committee)
	return s, fate, run, err
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
		case h.Term != m.committee.Term || !m.committee.Has(h.Author) || !hasAuthors(m.committee, h.Payload):
			return fmt.Errorf("%w: header %d of the sub-DAG is by author %d of term %d, this is term %d with a committee of %d",
				ErrInput, i, h.Author, h.Term, m.committee.Term, m.committee.Size())
		}
	}
	return nil
}

// hasAuthors reports whether all batches are of members.
func hasAuthors(c *remora.Committee, refs []remora.BatchRef) bool {
	return !slices.ContainsFunc(refs, func(r remora.BatchRef) bool { return !c.Has(r.Author) })
}

func checkBatches(refs []remora.BatchRef, batches []remora.Batch) error {
	if len(refs) != len(batches) {
		return fmt.Errorf("%w: got %d batches, the block executes %d", ErrInput, len(batches), len(refs))
	}
	for i := range refs {
		if b := &batches[i]; len(b.Raw) < remora.BatchHeaderSize || b.Ref() != refs[i] {
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
