package ed25519

import (
	"github.com/hdevalence/ed25519consensus"

	"github.com/remora-network/remora"
)

// GroupSize is the number of signatures that VerifyAll checks in one equation. Larger groups are no cheaper per
// signature, and a bad signature causes its whole group to be checked again one by one.
const GroupSize = 64

// Item is one signature to verify.
type Item struct {
	Public    remora.Address
	Message   []byte
	Signature remora.Signature
}

// VerifyAll verifies items in groups. The result has one verdict per item, equal to that of Verify.
func VerifyAll(items []Item) []bool {
	verdicts := make([]bool, len(items))
	for start := 0; start < len(items); start += GroupSize {
		end := min(start+GroupSize, len(items))
		verifyGroup(items[start:end], verdicts[start:end])
	}
	return verdicts
}

func verifyGroup(items []Item, verdicts []bool) {
	if len(items) > 1 && verifyTogether(items) {
		for i := range verdicts {
			verdicts[i] = true
		}
		return
	}
	for i, it := range items {
		verdicts[i] = Verify(it.Public, it.Message, it.Signature)
	}
}

// verifyTogether reports whether all items are valid, in one equation at half the cost of one by one, false for none. The
// weights are random: bad items pass with probability 2^-128.
func verifyTogether(items []Item) bool {
	b := ed25519consensus.NewPreallocatedBatchVerifier(len(items))
	for _, it := range items {
		b.Add(it.Public[:], it.Message, it.Signature[:])
	}
	return b.Verify()
}
