package delivery

import (
	"fmt"

	"github.com/remora-network/remora"
)

// ReceiptsRoot returns the root of the tree over a claim's receipts, in the order of its items: what the claim commits
// to. It is the zero hash for no receipts.
func ReceiptsRoot(chainID string, receipts []remora.Receipt) remora.Hash {
	if len(receipts) == 0 {
		return remora.Hash{}
	}
	root, _ := prove(receiptLeaves(chainID, receipts), 0, joinHashes)
	return root
}

// ProveReceipt returns what stands beside the way from one of a claim's receipts to their root, its own neighbour first.
// It is empty where there is no receipt with that index.
func ProveReceipt(chainID string, receipts []remora.Receipt, index uint32) []remora.Hash {
	if uint64(index) >= uint64(len(receipts)) {
		return nil
	}
	_, path := prove(receiptLeaves(chainID, receipts), uint64(index), joinHashes)
	return path
}

func receiptLeaves(chainID string, receipts []remora.Receipt) []remora.Hash {
	leaves := make([]remora.Hash, len(receipts))
	for i := range receipts {
		leaves[i] = receipts[i].Leaf(chainID)
	}
	return leaves
}

// VerifyReceipt checks that the receipt with a given leaf (remora.Receipt.Leaf) has the given index in the tree with the
// given root over count receipts. The path must have exactly the length that the index has in such a tree.
func VerifyReceipt(root, leaf remora.Hash, path []remora.Hash, index, count uint32) error {
	if index >= count {
		return fmt.Errorf("%w: receipt %d of %d", remora.ErrInvalid, index, count)
	}
	length, lefts := way(uint64(index), uint64(count))
	if len(path) != length {
		return fmt.Errorf("%w: path of %d hashes, receipt %d of %d needs %d", remora.ErrInvalid, len(path), index, count, length)
	}
	node := leaf
	for i, sibling := range path {
		if lefts>>i&1 == 1 {
			node = joinHashes(sibling, node)
		} else {
			node = joinHashes(node, sibling)
		}
	}
	if node != root {
		return fmt.Errorf("%w: path of receipt %d to root %s, the claim has %s", remora.ErrInvalid, index, node, root)
	}
	return nil
}
