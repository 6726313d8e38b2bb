// Package beacon makes the chain's randomness from unique signatures of the committee's members.
//
// Contribution k is a member's BLS signature over (chain, k, seed k-1): each member has exactly one valid contribution, and
// cannot make it before seed k-1 is known. Seed k is fixed at the end of the first block by which valid contributions of a
// quorum of stake are ordered. It hashes them in that order. Advance takes one step per block; GetSeed reads the newest seed.
package beacon

import (
	"encoding/binary"
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/table"
	"github.com/remora-network/remora/state/verdict"
)

var (
	seedKey    = []byte("seed")
	pendingKey = []byte("pending")
)

// maxRecord bounds the encoded list of pending contributions, at most one of each member.
const maxRecord = 64 * remora.MaxCommittee

// Contribution is a valid signature of a member for the step after the newest seed.
type Contribution struct {
	_         struct{} `cbor:",toarray"`
	Authority remora.Authority
	Signature remora.BLSSignature
}

// Start writes step 0, whose seed is the genesis hash.
func Start(o *table.Overlay, genesis remora.Hash) { putSeed(o, remora.Seed{Hash: genesis}) }

// GetSeed returns the newest fixed step.
func GetSeed(v table.View) (s remora.Seed, err error) {
	exists, err := table.Load(v, table.Beacon, seedKey, maxRecord, &s)
	if err == nil && !exists {
		err = fmt.Errorf("%w: the state has no beacon seed: start from genesis", remora.ErrCorrupt)
	}
	return s, err
}

// GetPending returns the contributions to the next step, in the order in which they were committed.
func GetPending(v table.View) (pending []Contribution, err error) {
	_, err = table.Load(v, table.Beacon, pendingKey, maxRecord, &pending)
	return pending, err
}

// Advance counts the contributions in a block's headers, in their order, and returns the newest seed after the block. It
// skips contributions to another step, repeated and invalid ones: the header stays valid.
func Advance(o *table.Overlay, c *remora.Committee, headers []*remora.Header, v verdict.Verifier) (remora.Seed, error) {
	seed, err := GetSeed(o)
	if err != nil {
		return seed, err
	}
	pending, err := GetPending(o)
	if err != nil {
		return seed, err
	}
	b := ballot{committee: c, seed: seed, pending: pending, voted: remora.NewBitmap(c.Size())}
	for _, p := range pending {
		if !c.Has(p.Authority) {
			return seed, fmt.Errorf("%w: beacon contribution of %d, not in the committee", remora.ErrCorrupt, p.Authority)
		}
		b.voted.Add(p.Authority)
	}
	for _, h := range headers {
		b.countContribution(h, v)
	}
	if c.StakeOf(b.voted) >= c.Quorum() {
		seed = nextSeed(c.Domain, seed, b.pending)
		putSeed(o, seed)
		b.pending = nil
	}
	switch {
	case len(b.pending) == 0 && len(pending) > 0:
		o.Delete(table.Beacon, pendingKey)
	case len(b.pending) != len(pending):
		o.Put(table.Beacon, pendingKey, remora.Encode(b.pending))
	}
	return seed, nil
}

// ballot collects the contributions to the step after seed.
type ballot struct {
	committee *remora.Committee
	seed      remora.Seed
	pending   []Contribution
	voted     remora.Bitmap
}

// countContribution adds the header's contribution if it is valid. The signature costs most and is checked last.
func (b *ballot) countContribution(h *remora.Header, v verdict.Verifier) {
	s, offered := Offered(b.committee, h, b.seed)
	if !offered || b.voted.Has(h.Author) || !v.Holds(s) {
		return
	}
	b.voted.Add(h.Author)
	b.pending = append(b.pending, Contribution{Authority: h.Author, Signature: s.Signature})
}

// Offered returns the signature of a header's contribution, and whether there is one by a member to the step after seed. The
// contribution counts if the statement holds.
func Offered(c *remora.Committee, h *remora.Header, seed remora.Seed) (s verdict.BLSSigned, offered bool) {
	if len(h.Contributions) == 0 || h.Contributions[0].Step != seed.Step+1 || !c.Has(h.Author) {
		return s, false
	}
	return verdict.BLSSigned{
		Public:    c.Members[h.Author].Beacon,
		Message:   remora.BeaconMessage(c.Domain, seed.Step+1, seed.Hash),
		Signature: h.Contributions[0].Signature,
	}, true
}

// nextSeed hashes tag, domain, step, previous seed and contributions. The tag and the list are preceded by their lengths;
// integers have 8 bytes, big-endian.
func nextSeed(d remora.Domain, seed remora.Seed, contributions []Contribution) remora.Seed {
	const tag = "remora/seed/1"
	buf := binary.BigEndian.AppendUint64(nil, uint64(len(tag)))
	buf = append(buf, tag...)
	buf = append(buf, d[:]...)
	buf = binary.BigEndian.AppendUint64(buf, seed.Step+1)
	buf = append(buf, seed.Hash[:]...)
	buf = binary.BigEndian.AppendUint64(buf, uint64(len(contributions)))
	for i := range contributions {
		buf = binary.BigEndian.AppendUint64(buf, uint64(contributions[i].Authority))
		buf = append(buf, contributions[i].Signature[:]...)
	}
	return remora.Seed{Step: seed.Step + 1, Hash: remora.SumBLAKE3(buf)}
}

func putSeed(o *table.Overlay, s remora.Seed) { o.Put(table.Beacon, seedKey, remora.Encode(s)) }
