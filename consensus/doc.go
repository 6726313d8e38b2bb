// Package consensus orders the certificates of the DAG into a sequence of sub-DAGs that is the same at every node. The
// commit rule is the partially synchronous Bullshark (Spiegelman et al., CCS 2022, §5).
//
// # Usage
//
// Build a Bullshark from a Config, which all nodes of a term share, and the Snapshot of the last committed leader; a fresh
// term starts from the zero Snapshot. Insert verified certificates, parents first, as package mempool delivers them. Each
// SubDAG that Insert returns becomes one block:
//
//	subDAGs, err := rule.Insert(certificate)
//	if errors.Is(err, consensus.ErrEquivocation) {
//		return err // halt: a third of the stake or more is faulty
//	}
//
// After a restart, insert the uncommitted certificates above GCRound again.
//
// # Guarantees
//
// The sequence depends on the set of certificates and their parents alone, not on the order of insertion: the sequences
// of any two honest nodes are equal, or one is a prefix of the other. Each certificate is ordered at most once and after
// its parents, unless they are GCDepth rounds below the leader that orders it; then they are ordered earlier or never.
// The rule sends nothing, waits for nothing and uses no clock. It is used by one goroutine.
//
// The tests hold it against a naive model, on DAGs drawn as text or at random, and must tell it from broken rules.
package consensus
