package node

import (
	"errors"
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/consensus"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/node/store"
)

// restorer builds the cores from what is on disk. It is the one way back: after a crash and after block sync alike.
type restorer struct {
	store     *store.Store
	genesis   *remora.Genesis
	authority *authority
	pace      mempool.Pace
}

// build returns the cores, and the sub-DAGs that the stored certificates commit but no block has executed.
func (r *restorer) build() (*mempool.Core, *consensus.Bullshark, []remora.SubDAG, error) {
	ordered, err := r.ordered()
	if err != nil {
		return nil, nil, nil, err
	}
	depth := r.genesis.Params.GCDepth
	dag, err := r.store.LoadDAG(r.genesis.ChainID, ordered.Leader-min(ordered.Leader, depth))
	if err != nil {
		return nil, nil, nil, err
	}
	committee := r.authority.committee.Committee
	core, err := mempool.New(mempool.Config{
		Committee: committee, Self: r.authority.self, Origin: r.genesis.Hash(), GCDepth: depth,
		Leader: func(round remora.Round) (remora.Authority, bool) { return consensus.Leader(committee, round) },
		Pace:   r.pace, Signer: r.authority,
	}, mempool.Snapshot{
		Committed: ordered.Leader, Certificates: dag.Certificates, Proposed: dag.Proposed, Votes: dag.Votes,
	})
	if err != nil {
		return nil, nil, nil, err
	}
	order := consensus.NewBullshark(consensus.Config{Committee: committee, GCDepth: depth, Origin: r.genesis.Hash()}, ordered)
	var subs []remora.SubDAG
	for _, c := range dag.Certificates {
		more, err := order.Insert(c)
		if errors.Is(err, consensus.ErrMissingParent) {
			continue // the core suspends it too, and delivers it when the parents have come
		}
		if err != nil {
			return nil, nil, nil, fmt.Errorf("stored certificate of round %d by authority %d: %w", c.Round(), c.Author(), err)
		}
		subs = append(subs, more...)
	}
	return core, order, subs, nil
}

// ordered returns what the stored blocks say about the commit rule: the last leader and all that was ordered within
// reach of the next one.
func (r *restorer) ordered() (consensus.Snapshot, error) {
	var s consensus.Snapshot
	for h := r.store.Height(); h > 0; h-- {
		block, err := r.store.Block(h)
		if err != nil {
			return s, err
		}
		leader := block.DAG[len(block.DAG)-1].Round
		if s.Leader == 0 {
			s.Leader, s.Previous = leader, block.Header.SubDAG
		}
		if leader+r.genesis.Params.GCDepth <= s.Leader {
			break
		}
		for _, v := range block.DAG {
			if v.Round+r.genesis.Params.GCDepth > s.Leader {
				s.Committed = append(s.Committed, consensus.Vertex{Round: v.Round, Author: v.Author, Digest: v.Digest()})
			}
		}
	}
	return s, nil
}
