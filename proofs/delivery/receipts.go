package delivery

import (
	"fmt"

	"github.com/remora-network/remora"
)

// ReceiptsRoot returns the root of the tree over a claim's receipts, in the order of its items, to which the claim commits. It
// is the zero hash if there are none.
func ReceiptsRoot(d remora.Domain, receipts []remora.Receipt) remora.Hash {
	if len(receipts) == 0 {
		return remora.Hash{}
	}
	leaves := make([]remora.Hash, len(receipts))
	for i := range receipts {
		leaves[i] = receipts[i].Leaf(d)
	}
	root, _ := proveLeaf(leaves, 0, hashReceiptNode)
	return root
}

// NewCommitClaim returns the claim of a node for its receipts of an epoch, which are in ascending order of their sessions.
func NewCommitClaim(d remora.Domain, epoch remora.Epoch, receipts []remora.Receipt) remora.CommitClaim {
	c := remora.CommitClaim{Epoch: epoch, Receipts: ReceiptsRoot(d, receipts)}
	for i := range receipts {
		c.Items = append(c.Items, remora.ClaimItem{Session: receipts[i].Session, Bytes: receipts[i].Bytes})
		c.Total += receipts[i].Bytes
	}
	return c
}

// VerifyReceipt checks that the receipt with a given leaf (remora.Receipt.Leaf) has the given index in the tree with the
// given root over count receipts. The path must have exactly the length that the index has in such a tree.
func VerifyReceipt(root, leaf remora.Hash, path []remora.Hash, index, count uint32) error {
	if index >= count {
		return fmt.Errorf("%w: there is no receipt %d among %d", remora.ErrInvalid, index, count)
	}
	length, lefts := shapeOfPath(uint64(index), uint64(count))
	if len(path) != length {
		return fmt.Errorf("%w: path of %d hashes, receipt %d of %d needs %d", remora.ErrInvalid, len(path), index, count, length)
	}
	node := leaf
	for i, sibling := range path {
		if lefts>>i&1 == 1 {
			node = hashReceiptNode(sibling, node)
		} else {
			node = hashReceiptNode(node, sibling)
		}
	}
	if node != root {
		return fmt.Errorf("%w: the path of receipt %d leads to root %s, the claim has %s", remora.ErrInvalid, index, node, root)
	}
	return nil
}
