package validator

import (
	"fmt"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/bls"
	"github.com/remora-network/remora/node/trust"
)

// notary is a certifier of a committee of four with everybody's secrets, by authority.
type notary struct {
	*certifier
	t       *testing.T
	secrets []*bls.SecretKey
}

func newNotary(t *testing.T) *notary {
	t.Helper()
	secrets := map[remora.BLSPublicKey]*bls.SecretKey{}
	var members []remora.Member
	for i := range byte(4) {
		seed := remora.SumBLAKE3([]byte{'n', i})
		secret, err := bls.DeriveKey(seed[:])
		if err != nil {
			t.Fatal(err)
		}
		secrets[secret.Public()] = secret
		members = append(members, remora.Member{
			Name: fmt.Sprint("v", i), Stake: 10, Consensus: secret.Public(), Beacon: remora.BLSPublicKey{i + 1},
			Header: remora.Address{i + 1}, PeerID: fmt.Sprint("peer", i),
		})
	}
	committee, err := remora.NewCommittee(remora.Domain{1}, 1, members)
	if err != nil {
		t.Fatal(err)
	}
	trusted, err := trust.New(committee)
	if err != nil {
		t.Fatal(err)
	}
	n := &notary{certifier: newCertifier(trusted), t: t}
	for _, m := range committee.Members {
		n.secrets = append(n.secrets, secrets[m.Consensus])
	}
	return n
}

func (n *notary) header(height remora.Height) *remora.BlockHeader {
	return &remora.BlockHeader{Version: 1, Domain: n.committee.Domain, Height: height, Term: 1}
}

func (n *notary) share(a remora.Authority, height remora.Height, hash remora.Hash) remora.Share {
	message := remora.BlockMessage(n.committee.Domain, height, hash)
	return remora.Share{Height: height, Hash: hash, Signature: n.secrets[a].Sign(message[:])}
}

// verify checks a certificate as anybody would, and who is in it.
func (n *notary) verify(cert *remora.BlockCertificate, height remora.Height, by ...remora.Authority) {
	n.t.Helper()
	if cert == nil {
		n.t.Fatal("no certificate")
	}
	if err := n.committee.CheckBlockCertificate(n.header(height), cert); err != nil {
		n.t.Error(err)
	}
	if want := remora.NewBitmap(4, by...); string(cert.Signers) != string(want) {
		n.t.Errorf("signers %b, want %b", cert.Signers, want)
	}
	if _, open := n.own[height]; open || len(n.shares[height]) != 0 {
		n.t.Error("a certified height is remembered")
	}
}

func TestQuorumForms(t *testing.T) {
	for name, order := range map[string][]remora.Authority{"in order": {0, 1, 2}, "not in order": {3, 0, 2}} {
		t.Run(name, func(t *testing.T) {
			n := newNotary(t)
			hash := n.header(5).Hash()
			if cert := n.enterBlock(5, hash); cert != nil {
				t.Fatal("certificate without shares")
			}
			for _, a := range []remora.Authority{order[0], order[1], order[1]} {
				if cert := n.addShare(a, n.share(a, 5, hash)); cert != nil {
					t.Fatal("certificate without quorum")
				}
			}
			n.verify(n.addShare(order[2], n.share(order[2], 5, hash)), 5, order...)
			if cert := n.addShare(1, n.share(1, 5, hash)); cert != nil || len(n.shares) != 0 {
				t.Error("a share for a certified block is kept")
			}
		})
	}
}

// TestSharesBeforeTheBlock has the others execute first.
func TestSharesBeforeTheBlock(t *testing.T) {
	n := newNotary(t)
	hash := n.header(5).Hash()
	for _, a := range []remora.Authority{1, 2, 3} {
		if cert := n.addShare(a, n.share(a, 5, hash)); cert != nil {
			t.Fatal("certificate for a block that was not executed here")
		}
	}
	n.verify(n.enterBlock(5, hash), 5, 1, 2, 3)
}

func TestBadShareIsDropped(t *testing.T) {
	n := newNotary(t)
	hash := n.header(5).Hash()
	n.enterBlock(5, hash)
	forged := n.share(0, 5, hash)
	forged.Signature = n.share(0, 6, hash).Signature
	n.addShare(0, forged)
	n.addShare(1, n.share(1, 5, hash))
	if cert := n.addShare(2, n.share(2, 5, hash)); cert != nil {
		t.Fatal("certificate with a bad share")
	}
	if _, kept := n.shares[5][0]; kept || len(n.shares[5]) != 2 {
		t.Errorf("shares kept: %d, the culprit's: %t", len(n.shares[5]), kept)
	}
	n.verify(n.addShare(3, n.share(3, 5, hash)), 5, 1, 2, 3)
}

// TestCulpritMaySendAGoodShare counts an authority again after its bad share.
func TestCulpritMaySendAGoodShare(t *testing.T) {
	n := newNotary(t)
	hash := n.header(5).Hash()
	n.enterBlock(5, hash)
	n.addShare(1, n.share(1, 5, hash))
	n.addShare(2, n.share(2, 5, hash))
	n.addShare(0, remora.Share{Height: 5, Hash: hash})
	n.verify(n.addShare(0, n.share(0, 5, hash)), 5, 0, 1, 2)
}

func TestDisputedByAQuorum(t *testing.T) {
	n := newNotary(t)
	hash, other := n.header(5).Hash(), n.header(6).Hash()
	n.enterBlock(5, hash)
	n.addShare(0, n.share(0, 5, hash))
	for _, a := range []remora.Authority{1, 2, 3} {
		if _, disputed := n.findDispute(5); disputed {
			t.Fatalf("disputed before authority %d spoke", a)
		}
		if cert := n.addShare(a, n.share(a, 5, other)); cert != nil {
			t.Fatal("certificate for another block than was executed here")
		}
	}
	share, disputed := n.findDispute(5)
	if !disputed || share.Hash != other {
		t.Errorf("disputed %t by %s, want by %s", disputed, share.Hash, other)
	}
	if _, disputed := n.findDispute(6); disputed {
		t.Error("a block that was not executed here is disputed")
	}
}

// TestCertifierIsBounded has everybody sign everything, far and near, while blocks go by without certificate.
func TestCertifierIsBounded(t *testing.T) {
	n := newNotary(t)
	for newest := remora.Height(1); newest <= 3*certifierWindow; newest++ {
		n.enterBlock(newest, remora.Hash{1})
		for a := range remora.Authority(4) {
			for _, h := range []remora.Height{0, 1, newest - 1, newest + 1, newest + certifierWindow, newest + certifierWindow + 1, 1 << 63, ^remora.Height(0)} {
				n.addShare(a, remora.Share{Height: h, Hash: remora.Hash{byte(a + 2)}})
			}
		}
		if len(n.own) > certifierWindow+1+oldestKept || len(n.shares) > 2*certifierWindow+1+oldestKept {
			t.Fatalf("block %d: %d own heights, shares for %d heights", newest, len(n.own), len(n.shares))
		}
	}
	for h, byAuthor := range n.shares {
		if h > 4*certifierWindow || h < 2*certifierWindow && h >= oldestKept || len(byAuthor) > 4 {
			t.Errorf("%d shares for block %d are kept at block %d", len(byAuthor), h, n.newest)
		}
	}
	waiting := n.openHeights()
	if waiting[0] != 1 || waiting[oldestKept-1] != 2*certifierWindow || waiting[len(waiting)-1] != 3*certifierWindow {
		t.Errorf("waiting from %d over %d to %d", waiting[0], waiting[oldestKept-1], waiting[len(waiting)-1])
	}
}
