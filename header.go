package remora

import (
	"bytes"
	"fmt"
	"iter"
	"slices"
)

// Limits of a header. A committee checks the count of parents.
const (
	MaxHeaderBatches = 256
	MaxHeaderAdopted = 16
	MaxHeaderShares  = 16
	MaxHeaderBytes   = 64 << 10
)

// LargestHeader returns an upper bound of the encoding of a header that passes Check in a committee of n.
func LargestHeader(n int) int {
	const (
		word  = 9 // a number and its prefix
		hash  = 2 + HashSize
		ref   = 1 + hash + 6*word + 5
		share = 1 + word + hash + 2 + BLSSignatureSize
		fixed = 8*word + 3*SignatureSize
	)
	return fixed + MaxHeaderBatches*ref + MaxHeaderAdopted*(2+SignatureSize) + MaxHeaderShares*share + share + n*(1+3+hash)
}

// BatchRef names a batch of the header's term. Voters check all of it against the batch's bytes, so that ordering and
// execution may rely on the reference alone.
type BatchRef struct {
	_      struct{} `cbor:",toarray"`
	Digest Hash
	Author Authority // of the batch
	Worker Worker
	Epoch  Epoch
	Seq    uint64
	Bytes  uint32
	Count  uint32 // transactions
	Weight Weight
}

// Charge returns the bytes that a batch counts against the share of whoever is responsible for it.
func (r *BatchRef) Charge() int { return max(int(r.Bytes), int(r.Count)*txFloor, batchFloor) }

// Parent names a certificate of the round before.
type Parent struct {
	_      struct{} `cbor:",toarray"`
	Author Authority
	Digest Hash
}

// Share is a validator's signature over an executed block header (see BlockMessage).
type Share struct {
	_         struct{} `cbor:",toarray"`
	Height    Height
	Hash      Hash
	Signature BLSSignature
}

// Contribution is a validator's unique signature for one step of the beacon (see BeaconMessage).
type Contribution struct {
	_         struct{} `cbor:",toarray"`
	Step      uint64
	Signature BLSSignature
}

// Header is an authority's proposal for a round. Its payload lists batches of its author and batches that it adopts from
// others, each of which carries its author's signature: nobody can name a batch in another's name. Its shares and contributions are neither payload nor checked for its
// validity.
type Header struct {
	_             struct{} `cbor:",toarray"`
	Term          Term
	Author        Authority
	Round         Round
	CreatedAt     Millis
	Payload       []BatchRef
	Proofs        []Signature // over BatchMessage, by the authors of the adopted batches of Payload, in order
	Parents       []Parent    // strictly increasing by author, all of Round-1
	Shares        []Share
	Contributions []Contribution // at most one
	Signature     Signature      // Ed25519 over the digest

	digest Hash
}

// Seal computes and stores the digest. A header that is filled by hand must be sealed before use and after every change.
func (h *Header) Seal(d Domain) Hash {
	p := newPreimage("remora/header/2", d)
	p.addUint(uint64(h.Term)).addUint(uint64(h.Author)).addUint(uint64(h.Round)).addUint(uint64(h.CreatedAt))
	p.addUint(uint64(len(h.Payload)))
	for i := range h.Payload {
		p.addRef(&h.Payload[i])
	}
	p.addUint(uint64(len(h.Proofs)))
	for _, s := range h.Proofs {
		p.addBytes(s[:])
	}
	p.addUint(uint64(len(h.Parents)))
	for _, c := range h.Parents {
		p.addUint(uint64(c.Author)).addHash(c.Digest)
	}
	p.addUint(uint64(len(h.Shares)))
	for _, s := range h.Shares {
		p.addUint(uint64(s.Height)).addHash(s.Hash).addBytes(s.Signature[:])
	}
	p.addUint(uint64(len(h.Contributions)))
	for _, c := range h.Contributions {
		p.addUint(c.Step).addBytes(c.Signature[:])
	}
	h.digest = p.sumDigest()
	return h.digest
}

func (p *preimage) addRef(r *BatchRef) *preimage {
	p.addHash(r.Digest).addUint(uint64(r.Author)).addUint(uint64(r.Worker)).addUint(uint64(r.Epoch)).addUint(r.Seq)
	return p.addUint(uint64(r.Bytes)).addUint(uint64(r.Count)).addUint(uint64(r.Weight))
}

// Adopted yields the batches of other authors in the payload, each with its author's signature. The header has passed Check.
func (h *Header) Adopted() iter.Seq2[*BatchRef, Signature] {
	return func(yield func(*BatchRef, Signature) bool) {
		next := 0
		for i := range h.Payload {
			if h.Payload[i].Author == h.Author {
				continue
			}
			if !yield(&h.Payload[i], h.Proofs[next]) {
				return
			}
			next++
		}
	}
}

// Digest returns the digest that Seal computed. It names the header and its vertex, independent of the certificate's
// signers.
func (h *Header) Digest() Hash { return h.digest }

// ID returns the parent entry by which a child refers to this header's certificate.
func (h *Header) ID() Parent { return Parent{Author: h.Author, Digest: h.digest} }

// Check refuses a header with a wrong term or author, fields over their limits, a batch listed twice, or parents that are
// unordered, repeated or less than a quorum. It needs no state and no other header.
func (h *Header) Check(c *Committee) error {
	switch {
	case h.Term != c.Term:
		return fmt.Errorf("%w: header of term %d, this is term %d", ErrInvalid, h.Term, c.Term)
	case !c.Has(h.Author):
		return fmt.Errorf("%w: header author %d is not in the committee of %d", ErrInvalid, h.Author, c.Size())
	case h.Round == 0:
		return fmt.Errorf("%w: header of round 0, which is genesis", ErrInvalid)
	case len(h.Payload) > MaxHeaderBatches:
		return fmt.Errorf("%w: header with %d batches, at most %d", ErrInvalid, len(h.Payload), MaxHeaderBatches)
	case len(h.Shares) > MaxHeaderShares:
		return fmt.Errorf("%w: header with %d block shares, at most %d", ErrInvalid, len(h.Shares), MaxHeaderShares)
	case len(h.Contributions) > 1:
		return fmt.Errorf("%w: header with %d beacon contributions, at most 1", ErrInvalid, len(h.Contributions))
	}
	if err := h.checkPayload(c); err != nil {
		return err
	}
	return h.checkParents(c)
}

func (h *Header) checkPayload(c *Committee) error {
	adopted := 0
	for i := range h.Payload {
		switch a := h.Payload[i].Author; {
		case !c.Has(a):
			return fmt.Errorf("%w: header lists a batch of author %d, who is not in the committee", ErrInvalid, a)
		case a != h.Author:
			adopted++
		}
	}
	if adopted > MaxHeaderAdopted || adopted != len(h.Proofs) {
		return fmt.Errorf("%w: header adopts %d batches with %d signatures, at most %d", ErrInvalid, adopted, len(h.Proofs), MaxHeaderAdopted)
	}
	refs := slices.Clone(h.Payload)
	slices.SortFunc(refs, func(a, b BatchRef) int { return bytes.Compare(a.Digest[:], b.Digest[:]) })
	for i := 1; i < len(refs); i++ {
		if refs[i].Digest == refs[i-1].Digest {
			return fmt.Errorf("%w: header lists batch %s twice", ErrInvalid, refs[i].Digest)
		}
	}
	return nil
}

func (h *Header) checkParents(c *Committee) error {
	var stake Amount
	for i, p := range h.Parents {
		if !c.Has(p.Author) {
			return fmt.Errorf("%w: parent author %d is not in the committee", ErrInvalid, p.Author)
		}
		if p.Digest.IsZero() {
			return fmt.Errorf("%w: parent by authority %d has the zero digest, which no header has", ErrInvalid, p.Author)
		}
		if i > 0 && h.Parents[i-1].Author >= p.Author {
			return fmt.Errorf("%w: parent authors are not strictly increasing", ErrInvalid)
		}
		stake += c.Stake(p.Author)
	}
	if stake < c.Quorum() {
		return fmt.Errorf("%w: parents hold stake %s, a quorum is %s", ErrInvalid, stake, c.Quorum())
	}
	return nil
}

// DecodeHeader decodes and seals a header. The caller calls Check and verifies the signature.
func DecodeHeader(d Domain, b []byte) (*Header, error) {
	h := new(Header)
	if err := Decode(b, MaxHeaderBytes, h); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	h.Seal(d)
	return h, nil
}

// GenesisParents returns the parents of round 1, one per member. Their digests are derived from the origin of the term:
// the genesis hash, or the hash of the block that changed the committee.
func GenesisParents(c *Committee, origin Hash) []Parent {
	parents := make([]Parent, c.Size())
	for i := range parents {
		p := newPreimage("remora/origin/1", c.Domain).addUint(uint64(c.Term)).addHash(origin).addUint(uint64(i))
		parents[i] = Parent{Author: Authority(i), Digest: p.sumDigest()}
	}
	return parents
}

// BatchMessage returns the message by which the author of a batch vouches for its reference.
func BatchMessage(d Domain, term Term, r *BatchRef) Hash {
	return newPreimage("remora/batch/1", d).addUint(uint64(term)).addRef(r).sumDigest()
}

// VoteMessage returns the message that votes for a header sign and its certificate aggregates.
func VoteMessage(d Domain, h *Header) Hash {
	p := newPreimage("remora/vote/1", d).addUint(uint64(h.Term)).addUint(uint64(h.Round)).addUint(uint64(h.Author))
	return p.addHash(h.digest).sumDigest()
}

// BlockMessage returns the message that shares on a block sign and its certificate aggregates.
func BlockMessage(d Domain, height Height, hash Hash) Hash {
	return newPreimage("remora/block-share/1", d).addUint(uint64(height)).addHash(hash).sumDigest()
}

// BeaconMessage returns the message that contributions to a step sign. The previous seed makes the signatures
// unpredictable.
func BeaconMessage(d Domain, step uint64, previous Hash) Hash {
	return newPreimage("remora/beacon/1", d).addUint(step).addHash(previous).sumDigest()
}
