package story

import (
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/bls"
	"github.com/remora-network/remora/proofs/delivery"
)

// TestInvention checks that only the signature of a forged opening is wrong: the chain must notice that.
func TestInvention(t *testing.T) {
	domain := remora.Domain{1}
	node := remora.Address{1}
	v, err := inventDelivery(domain, remora.Receipt{Session: 7, Node: node, Epoch: 3})
	if err != nil {
		t.Fatal(err)
	}
	commit := delivery.NewCommitClaim(domain, 3, []remora.Receipt{v.receipt.Receipt})
	if err := commit.Check(); err != nil {
		t.Fatal(err)
	}
	challenge := delivery.Challenge{Domain: domain, Items: commit.Items, Seed: remora.SumBLAKE3([]byte("seed")), Claim: remora.Claim{
		ID: commit.ID(domain, node), Node: node, Epoch: commit.Epoch, Bytes: commit.Total, Count: uint32(len(commit.Items)), Receipts: commit.Receipts,
	}}
	o, err := v.openClaim(challenge)
	if err != nil {
		t.Fatal(err)
	}
	receipts, err := challenge.Verify(o)
	if err != nil || len(receipts) != 1 || receipts[0] != v.receipt.Receipt {
		t.Fatalf("the opening holds %+v, %v, want the invented receipt", receipts, err)
	}
	carol, err := bls.DeriveKey(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	public, err := bls.ParsePublicKey(carol.Public())
	if err != nil {
		t.Fatal(err)
	}
	message := receipts[0].Message(domain, remora.SchemeBLS)
	if bls.Verify(public, message[:], o.Signature) == nil {
		t.Error("carol's key verifies a receipt that she never signed")
	}
}
