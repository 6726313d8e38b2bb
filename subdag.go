package remora

// SubDAG holds the headers that one committed leader orders: its causal history that no earlier leader ordered. It becomes
// one block.
type SubDAG struct {
	Headers []*Header // rounds ascending, within a round by a hash seeded with Previous; the leader last
	// Previous is the digest of the sub-DAG before this one, the term's origin for the first.
	Previous Hash
}

// Leader returns the committed leader's header.
func (s *SubDAG) Leader() *Header { return s.Headers[len(s.Headers)-1] }

// Digest names the sub-DAG and chains it to the one before. It does not depend on the signers of the certificates.
func (s *SubDAG) Digest(d Domain) Hash {
	p := newPreimage("remora/sub-dag/1", d).addHash(s.Previous).addUint(uint64(len(s.Headers)))
	for _, h := range s.Headers {
		p.addHash(h.digest)
	}
	return p.sumDigest()
}

// OrderKey is the sort key of a header within its round of a sub-DAG. It favours no position in the committee.
func OrderKey(previous, digest Hash) Hash {
	return SumBLAKE3(append(previous[:], digest[:]...))
}
