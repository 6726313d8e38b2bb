package consensus

import (
	"fmt"

	"github.com/remora-network/remora"
)

// Vertex names a certificate by its place in the DAG.
type Vertex struct {
	Round  remora.Round
	Author remora.Authority
	Digest remora.Hash
}

// slot is the place of one authority in one round.
type slot struct {
	digest  remora.Hash    // zero while no certificate is known
	header  *remora.Header // nil once ordered: an ordered vertex is needed as a parent only
	support remora.Amount  // stake of its children; counted for leaders only
}

// row is one round, by author.
type row []slot

// holdsParent reports whether the certificate that p names is in the row. The zero digest marks an empty slot and names
// no certificate.
func (r row) holdsParent(p remora.Parent) bool {
	return int(p.Author) < len(r) && r[p.Author].digest == p.Digest && !p.Digest.IsZero()
}

// dag holds genesis and the certificates of the rounds above a floor, one per round and author. A vertex is only added
// after its parents above the floor, so a link to a parent's author is a link to the one certificate in its slot.
type dag struct {
	size   int          // of the committee
	floor  remora.Round // rounds from 1 up to here are dropped
	rounds map[remora.Round]row
}

func newDAG(genesis []remora.Parent, floor remora.Round) *dag {
	d := &dag{size: len(genesis), floor: floor, rounds: make(map[remora.Round]row)}
	for _, p := range genesis {
		d.putVertex(Vertex{Author: p.Author, Digest: p.Digest}, nil)
	}
	return d
}

// slotAt returns the slot of an author in a round, nil if nothing of the round is held.
func (d *dag) slotAt(r remora.Round, a remora.Authority) *slot {
	if slots := d.rounds[r]; int(a) < len(slots) {
		return &slots[a]
	}
	return nil
}

// putVertex fills a slot of a round above the floor.
func (d *dag) putVertex(v Vertex, h *remora.Header) {
	if d.rounds[v.Round] == nil {
		d.rounds[v.Round] = make(row, d.size)
	}
	d.rounds[v.Round][v.Author] = slot{digest: v.Digest, header: h}
}

// isKnown reports whether the slot of v is filled, and fails if another certificate fills it.
func (d *dag) isKnown(v Vertex) (bool, error) {
	s := d.slotAt(v.Round, v.Author)
	if s == nil || s.digest.IsZero() {
		return false, nil
	}
	if s.digest != v.Digest {
		return true, fmt.Errorf("%w: authority %d, round %d, certificates %s and %s: halt and report both",
			ErrEquivocation, v.Author, v.Round, s.digest, v.Digest)
	}
	return true, nil
}

// checkParents fails unless every parent of h above the floor is in its slot.
func (d *dag) checkParents(h *remora.Header) error {
	before := h.Round - 1
	dropped := before > 0 && before <= d.floor
	slots := d.rounds[before]
	for _, p := range h.Parents {
		if slots.holdsParent(p) || dropped && int(p.Author) < d.size {
			continue
		}
		return fmt.Errorf("%w: round %d of authority %d refers to %s of authority %d: deliver that first",
			ErrMissingParent, h.Round, h.Author, p.Digest, p.Author)
	}
	return nil
}

// headersBy returns the headers of the given authors in a round. All of them must be held and unordered.
func (d *dag) headersBy(r remora.Round, authors remora.Bitmap) []*remora.Header {
	var layer []*remora.Header
	slots := d.rounds[r]
	for a := range authors.Members() {
		layer = append(layer, slots[a].header)
	}
	return layer
}

// parentAuthors returns the authors of the parents of a layer's headers.
func (d *dag) parentAuthors(layer []*remora.Header) remora.Bitmap {
	authors := remora.NewBitmap(d.size)
	for _, h := range layer {
		for _, p := range h.Parents {
			authors.Add(p.Author)
		}
	}
	return authors
}

// dropRounds drops the rounds up to floor.
func (d *dag) dropRounds(floor remora.Round) {
	for ; d.floor < floor; d.floor++ {
		delete(d.rounds, d.floor+1)
	}
}
