package remora

// SubDAG is what one committed leader orders: its causal history that no earlier leader ordered. It becomes one block.
type SubDAG struct {
	Headers []*Header // rounds ascending, within a round by a hash seeded with Previous; the leader last
	// Previous is the digest of the sub-DAG before this one, the term's origin for the first.
	Previous Hash
}

// Leader returns the committed leader's header.
func (s *SubDAG) Leader() *Header { return s.Headers[len(s.Headers)-1] }

// Digest chains the sub-DAG to the one before it. Nothing in it depends on who signed.
func (s *SubDAG) Digest(chainID string) Hash {
	p := newPreimage("remora/sub-dag/1", chainID).addHash(s.Previous).addUint(uint64(len(s.Headers)))
	for _, h := range s.Headers {
		p.addHash(h.digest)
	}
	return p.sumDigest()
}

// OrderKey places a header within its round of a sub-DAG, so that no position in the committee comes first by rule.
func OrderKey(previous, digest Hash) Hash {
	return SumBLAKE3(append(previous[:], digest[:]...))
}
