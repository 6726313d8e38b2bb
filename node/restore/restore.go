// Package restore rebuilds a validator's cores from its disk. Nodes and simulations use it after a crash and after block
// sync.
//
// Build returns a mempool core and a commit rule in step with each other, and the sub-DAGs that the executor still owes. Load
// and Start are its halves: a recording keeps the Snapshot between them. Worker returns the worker core.
package restore

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/consensus"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/mempool/worker"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/state/payload"
)

// Config describes a validator, apart from what its disk holds.
type Config struct {
	Genesis   *remora.Genesis
	Committee *remora.Committee
	Self      remora.Authority
	Signer    mempool.Signer
	Pace      mempool.Pace // the default when zero
	Doubt     mempool.Doubt
	Quiet     int // see mempool.Snapshot
}

// Cores are a validator's mempool core and commit rule, in step with one another.
type Cores struct {
	Mempool *mempool.Core
	Order   *consensus.Bullshark
	// Committed holds the sub-DAGs that the stored certificates commit and no block has executed, oldest first. The caller
	// executes them; the mempool core has them already.
	Committed []remora.SubDAG
}

// Snapshot is where a validator's cores start.
type Snapshot struct {
	Order   consensus.Snapshot
	Mempool mempool.Snapshot
}

// Build returns the cores as the store describes them.
func Build(st *store.Store, c Config) (*Cores, error) {
	s, err := Load(st, c)
	if err != nil {
		return nil, err
	}
	return Start(s, c)
}

// Load takes the snapshot from the store.
func Load(st *store.Store, c Config) (Snapshot, error) {
	depth := c.Genesis.Params.GCDepth
	ordered, err := loadOrdered(st, depth)
	if err != nil {
		return Snapshot{}, err
	}
	dag, err := st.LoadDAG(c.Genesis.Domain(), ordered.Leader-min(ordered.Leader, depth))
	if err != nil {
		return Snapshot{}, err
	}
	return Snapshot{Order: ordered, Mempool: mempool.Snapshot{
		Committed: ordered.Leader, Certificates: dag.Certificates, Proposed: dag.Proposed, Votes: dag.Votes,
		Floor: dag.Floor, Doubt: c.Doubt, Quiet: c.Quiet,
	}}, nil
}

// Start returns the cores as a snapshot describes them, whose certificates are in ascending rounds.
func Start(s Snapshot, c Config) (*Cores, error) {
	depth := c.Genesis.Params.GCDepth
	core, err := mempool.New(mempool.Config{
		Committee: c.Committee, Self: c.Self, Origin: c.Genesis.Hash(), GCDepth: depth,
		Leader: func(round remora.Round) (remora.Authority, bool) { return consensus.Leader(c.Committee, round) },
		Pace:   c.Pace, Signer: c.Signer,
	}, s.Mempool)
	if err != nil {
		return nil, err
	}
	order := consensus.NewBullshark(consensus.Config{Committee: c.Committee, GCDepth: depth, Origin: c.Genesis.Hash()}, s.Order)
	committed, err := replayCertificates(order, s.Mempool.Certificates)
	if err != nil {
		return nil, err
	}
	if len(committed) > 0 {
		if err := core.Step(mempool.Ordered{SubDAGs: committed}); err != nil {
			return nil, err
		}
	}
	return &Cores{Mempool: core, Order: order, Committed: committed}, nil
}

// loadOrdered returns the state of the commit rule after the stored blocks: the last leader, and all that was ordered within
// reach of the next one.
func loadOrdered(st *store.Store, depth remora.Round) (consensus.Snapshot, error) {
	var s consensus.Snapshot
	for h := st.Height(); h > 0; h-- {
		block, err := st.Block(h)
		if err != nil {
			return s, err
		}
		leader := block.DAG[len(block.DAG)-1].Round
		if s.Leader == 0 {
			s.Leader, s.Previous = leader, block.Header.SubDAG
		}
		if leader+depth <= s.Leader {
			break
		}
		for _, v := range block.DAG {
			if v.Round+depth > s.Leader {
				s.Committed = append(s.Committed, consensus.Vertex{Round: v.Round, Author: v.Author, Digest: v.Digest()})
			}
		}
	}
	return s, nil
}

// replayCertificates inserts stored certificates, rounds ascending. One without its parents is left out: the mempool core
// suspends it too, and delivers it when they have come.
func replayCertificates(order *consensus.Bullshark, certificates []*remora.Certificate) ([]remora.SubDAG, error) {
	var committed []remora.SubDAG
	for _, c := range certificates {
		more, err := order.Insert(c)
		if errors.Is(err, consensus.ErrMissingParent) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("stored certificate of round %d by authority %d: %w", c.Round(), c.Author(), err)
		}
		committed = append(committed, more...)
	}
	return committed, nil
}

// Worker returns a worker core with this validator's batches that were acknowledged to clients and that no block has
// executed, and these batches. It goes on numbering where the store ends, at c.FirstSeq where the store has no own batch: a
// batch whose number is far below that of an accepted one is not accepted any more.
func Worker(st *store.Store, c worker.Config) (*worker.Core, []remora.Batch, error) {
	owed, next, err := st.Unexecuted(c.Self)
	if err != nil {
		return nil, nil, err
	}
	accepted, err := payload.NextSeq(st.Tables(), c.Committee.Members[c.Self].Account, c.ID)
	if err != nil {
		return nil, nil, err
	}
	c.FirstSeq = cmp.Or(max(next, accepted), c.FirstSeq)
	core, err := worker.New(c)
	if err != nil {
		return nil, nil, err
	}
	waiting, err := payload.Waiting(st.Tables())
	if err != nil {
		return nil, nil, err
	}
	for _, b := range owed {
		if err := core.Step(worker.Restored{Batch: b, Accepted: slices.Contains(waiting, b.Ref())}); err != nil {
			return nil, nil, fmt.Errorf("own batch %s: %w", b.Digest, err)
		}
	}
	return core, owed, nil
}
