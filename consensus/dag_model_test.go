package consensus_test

import (
	"iter"
	"math/rand"
	"slices"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/consensus"
)

// DAG is a growing set of certificates.
type DAG struct {
	Committee    *remora.Committee
	GCDepth      remora.Round
	Leader       func(remora.Round) (remora.Authority, bool) // nil: round robin
	Certificates []*remora.Certificate                       // as they were added: parents before children
	places       map[place]*remora.Certificate
	byDigest     map[remora.Hash]*remora.Certificate
}

type place struct {
	round  remora.Round
	author remora.Authority
}

// NewDAG returns a DAG without certificates.
func NewDAG(c *remora.Committee, gcDepth remora.Round) *DAG {
	return &DAG{
		Committee: c, GCDepth: gcDepth,
		places: make(map[place]*remora.Certificate), byDigest: make(map[remora.Hash]*remora.Certificate),
	}
}

// Config returns the configuration of a rule that orders this DAG.
func (d *DAG) Config() consensus.Config {
	return consensus.Config{Committee: d.Committee, GCDepth: d.GCDepth, Origin: Origin(), Leader: d.Leader}
}

// LeaderOf returns the leader of a round and whether there is one.
func (d *DAG) LeaderOf(r remora.Round) (remora.Authority, bool) {
	if d.Leader != nil {
		return d.Leader(r)
	}
	return consensus.Leader(d.Committee, r)
}

// leaderAmong returns the leader of a round, nil if it is not among the headers.
func (d *DAG) leaderAmong(headers iter.Seq[*remora.Header], r remora.Round) *remora.Header {
	author, ok := d.LeaderOf(r)
	for h := range headers {
		if ok && h.Round == r && h.Author == author {
			return h
		}
	}
	return nil
}

// supportAmong returns the stake of the headers that have a leader as parent.
func (d *DAG) supportAmong(headers iter.Seq[*remora.Header], leader *remora.Header) remora.Amount {
	var stake remora.Amount
	for h := range headers {
		if slices.Contains(h.Parents, leader.ID()) {
			stake += d.Committee.Stake(h.Author)
		}
	}
	return stake
}

// Pin makes one authority the leader of every even round.
func Pin(a remora.Authority) func(remora.Round) (remora.Authority, bool) {
	return func(r remora.Round) (remora.Authority, bool) { return a, r > 0 && r%2 == 0 }
}

// Add adds an authority's certificate for a round whose parents are those of the given authors in the round before.
// It panics when one of them is missing.
func (d *DAG) Add(r remora.Round, a remora.Authority, parents []remora.Authority) *remora.Certificate {
	c := d.Make(r, a, 0, parents)
	d.Certificates = append(d.Certificates, c)
	d.places[place{r, a}] = c
	d.byDigest[c.Digest()] = c
	return c
}

// Make returns the certificate that Add would add, without adding it. Each variant has another digest.
func (d *DAG) Make(r remora.Round, a remora.Authority, variant uint64, parents []remora.Authority) *remora.Certificate {
	c := &remora.Certificate{
		Header:  remora.Header{Term: 1, Author: a, Round: r, CreatedAt: remora.Millis(10*uint64(r) + variant)},
		Signers: remora.NewBitmap(d.Committee.Size()),
	}
	for i := range remora.Authority(d.Committee.Size()) {
		c.Signers.Add(i)
	}
	var genesis []remora.Parent
	if r == 1 {
		genesis = remora.GenesisParents(d.Committee, Origin())
	}
	for _, p := range slices.Sorted(slices.Values(parents)) {
		if r == 1 {
			c.Header.Parents = append(c.Header.Parents, genesis[p])
			continue
		}
		c.Header.Parents = append(c.Header.Parents, d.places[place{r - 1, p}].Header.ID())
	}
	c.Header.Seal(Domain)
	return c
}

// At returns the certificate of an authority in a round, nil when there is none.
func (d *DAG) At(r remora.Round, a remora.Authority) *remora.Certificate {
	return d.places[place{r, a}]
}

// Find returns the certificate with a digest, nil when there is none.
func (d *DAG) Find(digest remora.Hash) *remora.Certificate { return d.byDigest[digest] }

// Authors returns the authors of the certificates in a round, all authorities for round 0.
func (d *DAG) Authors(r remora.Round) []remora.Authority {
	var authors []remora.Authority
	for a := range remora.Authority(d.Committee.Size()) {
		if r == 0 || d.At(r, a) != nil {
			authors = append(authors, a)
		}
	}
	return authors
}

// Shuffled returns the certificates in a random order with parents before children.
func (d *DAG) Shuffled(rng *rand.Rand) []*remora.Certificate { return d.Orders().Draw(rng, nil) }

// Below returns the certificates of one authority and all their ancestors, which that authority must have seen.
func (d *DAG) Below(a remora.Authority) []*remora.Certificate {
	seen := make(map[remora.Hash]bool)
	for i := len(d.Certificates) - 1; i >= 0; i-- {
		c := d.Certificates[i]
		if c.Author() != a && !seen[c.Digest()] {
			continue
		}
		seen[c.Digest()] = true
		for _, p := range c.Header.Parents {
			seen[p.Digest] = true
		}
	}
	var part []*remora.Certificate
	for _, c := range d.Certificates {
		if seen[c.Digest()] {
			part = append(part, c)
		}
	}
	return part
}
