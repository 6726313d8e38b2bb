package trust

import (
	"testing"

	"github.com/remora-network/remora"
)

// TestVerifiedSetIsBounded adds more than the set remembers: the newest stay, the memory does not grow.
func TestVerifiedSetIsBounded(t *testing.T) {
	v := newVerifiedSet()
	cert := func(i int) *remora.Certificate {
		c := &remora.Certificate{Header: remora.Header{Round: remora.Round(i)}}
		c.Header.Seal(remora.Domain{1})
		return c
	}
	const n = 3 * verifiedLimit
	for i := range n {
		v.addCertificate(cert(i))
		if held := v.known.Len(); held > verifiedLimit {
			t.Fatalf("%d entries after %d", held, i+1)
		}
	}
	if v.hasCertificate(cert(0)) || !v.hasCertificate(cert(n-1)) || !v.hasCertificate(cert(n-verifiedLimit)) {
		t.Error("the newest are not the ones that are remembered")
	}
	other := cert(n - 1)
	other.Signers = remora.NewBitmap(4, 1)
	if v.hasCertificate(other) {
		t.Error("a certificate with other signers is taken for a known one")
	}
}
