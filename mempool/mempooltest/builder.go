package mempooltest

import (
	"slices"

	"github.com/remora-network/remora"
)

// NewHeader returns a sealed and signed header. Its parents are sorted by author.
func NewHeader(c *remora.Committee, author remora.Authority, round remora.Round, parents []remora.Parent, payload ...remora.BatchRef) *remora.Header {
	sorted := slices.Clone(parents)
	slices.SortFunc(sorted, func(a, b remora.Parent) int { return int(a.Author) - int(b.Author) })
	h := &remora.Header{Term: c.Term, Author: author, Round: round, CreatedAt: remora.Millis(round), Parents: sorted, Payload: payload}
	for i := range payload {
		if payload[i].Author != author {
			h.Proofs = append(h.Proofs, SignBatch(c, &payload[i]))
		}
	}
	Sign(c, h)
	return h
}

// SignBatch returns the signature of a batch's author over its reference.
func SignBatch(c *remora.Committee, ref *remora.BatchRef) remora.Signature {
	return Signer{Self: ref.Author}.SignHeader(remora.BatchMessage(c.Domain, c.Term, ref))
}

// Sign seals and signs a header after a change.
func Sign(c *remora.Committee, h *remora.Header) {
	h.Signature = Signer{Self: h.Author}.SignHeader(h.Seal(c.Domain))
}

// NewVote returns an authority's vote for a header.
func NewVote(c *remora.Committee, voter remora.Authority, h *remora.Header) remora.Vote {
	return remora.Vote{
		Term: h.Term, Round: h.Round, Author: h.Author, Digest: h.Digest(), Voter: voter,
		Signature: SignVote(voter, remora.VoteMessage(c.Domain, h)),
	}
}

// Certify returns a header's certificate by the given signers, by default the first authorities that form a quorum.
func Certify(c *remora.Committee, h *remora.Header, signers ...remora.Authority) *remora.Certificate {
	if len(signers) == 0 {
		var stake remora.Amount
		for a := remora.Authority(0); stake < c.Quorum(); a++ {
			signers = append(signers, a)
			stake += c.Stake(a)
		}
	}
	cert := &remora.Certificate{Header: *h, Signers: remora.NewBitmap(c.Size(), signers...)}
	message := remora.VoteMessage(c.Domain, h)
	for _, a := range signers {
		combineSignatures(&cert.Signature, SignVote(a, message))
	}
	return cert
}

// Builder grows a DAG of certificates, layer by layer.
type Builder struct {
	Committee *remora.Committee
	layers    [][]*remora.Certificate // by round, from 1; each layer by author, nil for none
}

// NewBuilder returns a DAG without certificates whose genesis is built on Origin.
func NewBuilder(c *remora.Committee) *Builder { return &Builder{Committee: c} }

// Round returns the highest round that has a certificate.
func (b *Builder) Round() remora.Round { return remora.Round(len(b.layers)) }

// Certificate returns the certificate of a round and author, nil if there is none.
func (b *Builder) Certificate(r remora.Round, a remora.Authority) *remora.Certificate {
	if r == 0 || r > b.Round() {
		return nil
	}
	return b.layers[r-1][a]
}

// Layer returns the certificates of a round by author.
func (b *Builder) Layer(r remora.Round) []*remora.Certificate {
	if r == 0 || r > b.Round() {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(b.layers[r-1]), func(c *remora.Certificate) bool { return c == nil })
}

// All returns the certificates of all rounds, parents first.
func (b *Builder) All() []*remora.Certificate {
	var all []*remora.Certificate
	for r := range b.layers {
		all = append(all, b.Layer(remora.Round(r+1))...)
	}
	return all
}

// Parents returns the parents of a child in round r+1: the certificates of round r by the given authors, by default all.
func (b *Builder) Parents(r remora.Round, authors ...remora.Authority) []remora.Parent {
	var parents []remora.Parent
	if r == 0 {
		parents = remora.GenesisParents(b.Committee, Origin)
	}
	for _, c := range b.Layer(r) {
		parents = append(parents, c.Header.ID())
	}
	if len(authors) == 0 {
		return parents
	}
	return slices.DeleteFunc(parents, func(p remora.Parent) bool { return !slices.Contains(authors, p.Author) })
}

// Header returns a header of an author. Its parents are the certificates of the round below by the given authors, by
// default all.
func (b *Builder) Header(r remora.Round, author remora.Authority, parents ...remora.Authority) *remora.Header {
	return NewHeader(b.Committee, author, r, b.Parents(r-1, parents...))
}

// Put adds the certificate of a header to the DAG.
func (b *Builder) Put(h *remora.Header) *remora.Certificate {
	for b.Round() < h.Round {
		b.layers = append(b.layers, make([]*remora.Certificate, b.Committee.Size()))
	}
	c := Certify(b.Committee, h)
	b.layers[h.Round-1][h.Author] = c
	return c
}

// Add adds a certificate of a round and author. Its parents are those of the round below by the given authors, by default
// all.
func (b *Builder) Add(r remora.Round, author remora.Authority, parents ...remora.Authority) *remora.Certificate {
	return b.Put(b.Header(r, author, parents...))
}

// Grow adds a round in which the given authors, by default all, build on the whole round below, and returns it.
func (b *Builder) Grow(authors ...remora.Authority) []*remora.Certificate {
	r := b.Round() + 1
	for a := range remora.Authority(b.Committee.Size()) {
		if len(authors) == 0 || slices.Contains(authors, a) {
			b.Add(r, a)
		}
	}
	return b.Layer(r)
}
