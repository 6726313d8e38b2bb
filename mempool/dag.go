package mempool

import (
	"fmt"
	"slices"

	"github.com/remora-network/remora"
)

// dag holds the certificates above the GC round, one slot per round and author. A certificate is suspended until all
// its parents are accepted; then it is accepted.
type dag struct {
	committee *remora.Committee
	threshold remora.Amount
	genesis   []remora.Parent
	layers    map[remora.Round]*layer
	gc        remora.Round // rounds up to here are dropped: parents there count as accepted
	quorum    remora.Round // highest round whose accepted certificates hold a quorum, or the GC round
	seen      remora.Round // highest round of any certificate held, accepted or suspended
	payload   int          // accepted, unordered certificates with batches
}

type layer struct {
	vertices []vertex      // by author
	stake    remora.Amount // of accepted certificates
}

type vertex struct {
	certificate *remora.Certificate // nil if the slot is empty
	missing     int                 // number of parents that are not accepted
	ordered     bool
}

func (v *vertex) isAccepted() bool { return v.certificate != nil && v.missing == 0 }

func newDAG(committee *remora.Committee, origin remora.Hash, gc remora.Round) dag {
	return dag{
		committee: committee,
		threshold: committee.Quorum(),
		genesis:   remora.GenesisParents(committee, origin),
		layers:    make(map[remora.Round]*layer),
		gc:        gc,
		quorum:    gc,
		seen:      gc,
	}
}

// vertexAt returns the slot of an author in a round, nil if nothing of the round is held.
func (d *dag) vertexAt(r remora.Round, a remora.Authority) *vertex {
	if l := d.layers[r]; l != nil && int(a) < len(l.vertices) {
		return &l.vertices[a]
	}
	return nil
}

// acceptedIn returns the accepted certificates of a round, sorted by author.
func (d *dag) acceptedIn(r remora.Round) []*remora.Certificate {
	l := d.layers[r]
	if l == nil {
		return nil
	}
	var certificates []*remora.Certificate
	for i := range l.vertices {
		if v := &l.vertices[i]; v.isAccepted() {
			certificates = append(certificates, v.certificate)
		}
	}
	return certificates
}

// parentsFrom returns the parents that a header of round r+1 may name.
func (d *dag) parentsFrom(r remora.Round) []remora.Parent {
	if r == 0 {
		return d.genesis
	}
	var parents []remora.Parent
	for _, c := range d.acceptedIn(r) {
		parents = append(parents, c.Header.ID())
	}
	return parents
}

// acceptedStake returns the stake of the authors with an accepted certificate in round r.
func (d *dag) acceptedStake(r remora.Round) remora.Amount {
	if l := d.layers[r]; l != nil {
		return l.stake
	}
	return 0
}

// hasQuorum reports whether a header may build on round r.
func (d *dag) hasQuorum(r remora.Round) bool { return r == 0 || d.acceptedStake(r) >= d.threshold }

// absentParents returns the parents of h that are not accepted. It fails with ErrParents if one can never be
// accepted: it is not genesis, or another certificate holds its slot.
func (d *dag) absentParents(h *remora.Header) ([]remora.Parent, error) {
	var absent []remora.Parent
	below := h.Round - 1
	for _, p := range h.Parents {
		if below == 0 && d.genesis[p.Author] != p {
			return nil, fmt.Errorf("%w: parent %d of round 1 is not this term's genesis", ErrParents, p.Author)
		}
		if below <= d.gc {
			continue
		}
		v := d.vertexAt(below, p.Author)
		if v == nil || v.certificate == nil {
			absent = append(absent, p)
			continue
		}
		if v.certificate.Digest() != p.Digest {
			return nil, fmt.Errorf("%w: header of author %d, round %d names another certificate of author %d than is known", ErrParents, h.Author, h.Round, p.Author)
		}
		if !v.isAccepted() {
			absent = append(absent, p)
		}
	}
	return absent, nil
}

// findConflict returns a held header that contradicts c, nil if there is none: another header in c's slot, another
// one in the slot of a parent of c, or a child that names another header in c's slot.
func (d *dag) findConflict(c *remora.Certificate) *remora.Header {
	if v := d.vertexAt(c.Round(), c.Author()); v != nil && v.certificate != nil && v.certificate.Digest() != c.Digest() {
		return &v.certificate.Header
	}
	for _, p := range c.Header.Parents {
		if v := d.vertexAt(c.Round()-1, p.Author); v != nil && v.certificate != nil && v.certificate.Digest() != p.Digest {
			return &v.certificate.Header
		}
	}
	for child := range d.verticesAbove(c.Round()) {
		if p, ok := findParent(&child.certificate.Header, c.Author()); ok && p.Digest != c.Digest() {
			return &child.certificate.Header
		}
	}
	return nil
}

// verticesAbove yields the vertices held in round r+1.
func (d *dag) verticesAbove(r remora.Round) func(yield func(*vertex) bool) {
	return func(yield func(*vertex) bool) {
		l := d.layers[r+1]
		if l == nil {
			return
		}
		for i := range l.vertices {
			if l.vertices[i].certificate != nil && !yield(&l.vertices[i]) {
				return
			}
		}
	}
}

// findParent returns the parent of an author that h names.
func findParent(h *remora.Header, a remora.Authority) (remora.Parent, bool) {
	i, ok := slices.BinarySearchFunc(h.Parents, a, func(p remora.Parent, a remora.Authority) int { return int(p.Author) - int(a) })
	if !ok {
		return remora.Parent{}, false
	}
	return h.Parents[i], true
}

// insertVertex puts a certificate into its slot; absent is the number of its parents that are not accepted. It returns
// the certificates that become accepted, parents first.
func (d *dag) insertVertex(c *remora.Certificate, absent int) []*remora.Certificate {
	l := d.layers[c.Round()]
	if l == nil {
		l = &layer{vertices: make([]vertex, d.committee.Size())}
		d.layers[c.Round()] = l
	}
	d.seen = max(d.seen, c.Round())
	l.vertices[c.Author()] = vertex{certificate: c, missing: absent}
	if absent > 0 {
		return nil
	}
	return d.acceptDescendants([]*remora.Certificate{c})
}

// acceptDescendants counts the accepted certificates and returns them with all suspended descendants that they complete.
// It is a loop, not a recursion: a chain of suspended certificates may be thousands of rounds long.
func (d *dag) acceptDescendants(accepted []*remora.Certificate) []*remora.Certificate {
	for i := 0; i < len(accepted); i++ {
		c := accepted[i]
		d.countAccepted(c)
		for child := range d.verticesAbove(c.Round()) {
			if _, ok := findParent(&child.certificate.Header, c.Author()); !ok || child.isAccepted() {
				continue
			}
			if child.missing--; child.missing == 0 {
				accepted = append(accepted, child.certificate)
			}
		}
	}
	return accepted
}

func (d *dag) countAccepted(c *remora.Certificate) {
	l := d.layers[c.Round()]
	l.stake += d.committee.Stake(c.Author())
	if l.stake >= d.threshold {
		d.quorum = max(d.quorum, c.Round())
	}
	if len(c.Header.Payload) > 0 {
		d.payload++
	}
}

func (d *dag) markOrdered(h *remora.Header) {
	v := d.vertexAt(h.Round, h.Author)
	if v == nil || !v.isAccepted() || v.ordered || v.certificate.Digest() != h.Digest() {
		return
	}
	v.ordered = true
	if len(h.Payload) > 0 {
		d.payload--
	}
}

// forgetRounds drops the rounds up to gc and returns the certificates that become accepted because their missing
// parents are dropped.
func (d *dag) forgetRounds(gc remora.Round) []*remora.Certificate {
	for ; d.gc < gc; d.gc++ {
		d.dropLayer(d.gc + 1)
	}
	d.quorum, d.seen = max(d.quorum, gc), max(d.seen, gc)
	var accepted []*remora.Certificate
	for v := range d.verticesAbove(gc) {
		if !v.isAccepted() {
			v.missing = 0
			accepted = append(accepted, v.certificate)
		}
	}
	return d.acceptDescendants(accepted)
}

func (d *dag) dropLayer(r remora.Round) {
	if l := d.layers[r]; l != nil {
		for i := range l.vertices {
			if v := &l.vertices[i]; v.isAccepted() && !v.ordered && len(v.certificate.Header.Payload) > 0 {
				d.payload--
			}
		}
	}
	delete(d.layers, r)
}
