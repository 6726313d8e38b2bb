package fetch

import (
	"bytes"
	"fmt"
	"math/bits"
	"slices"

	"github.com/remora-network/remora"
)

const (
	// leastAllotment is the number of bytes that a session allots to a cache by default.
	leastAllotment = 1 << 30
	// sessionEpochs is the length of a session in epochs.
	sessionEpochs = 240
)

// allotBytes allots equally many bytes to the first caches of order, at least need to each and as many caches as limit pays
// for. It returns the total cost.
func allotBytes(order []remora.Address, need uint64, price, limit remora.Amount) ([]remora.Allotment, remora.Amount, error) {
	least, fits := remora.Cost(need, price)
	if !fits || least > limit {
		return nil, 0, fmt.Errorf("%w: %d bytes at %s per MiB need %s, at most %s may be prepaid (half the balance, and no more than the maximum): raise the maximum or fund the account",
			ErrSpend, need, price, least, limit)
	}
	n := uint64(min(len(order), remora.MaxAllotments))
	if least > 0 {
		n = min(n, uint64(limit/least))
	}
	each := min(max(leastAllotment, 2*need), remora.MaxContentBytes, affordableBytes(limit/remora.Amount(n), price))
	cost, _ := remora.Cost(each, price) // at most limit/n
	list := make([]remora.Allotment, n)
	for i := range list {
		list[i] = remora.Allotment{Node: order[i], Bytes: each}
	}
	slices.SortFunc(list, func(a, b remora.Allotment) int { return bytes.Compare(a.Node[:], b.Node[:]) })
	return list, cost * remora.Amount(n), nil
}

// affordableBytes returns the most bytes that a limit pays for.
func affordableBytes(limit, price remora.Amount) uint64 {
	hi, lo := bits.Mul64(uint64(limit), 1<<20)
	if hi >= uint64(price) {
		return 1<<64 - 1
	}
	quotient, _ := bits.Div64(hi, lo, uint64(price))
	return quotient
}
