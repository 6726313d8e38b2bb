package trust

import (
	"sync"

	"github.com/remora-network/remora"
)

// verifiedLimit bounds verifiedSet: about a hundred rounds of a committee of dozens.
const verifiedLimit = 8192

// verifiedSet remembers valid certificates by all that the verdict depends on, so that one that arrives twice, from its
// author and with an answer, costs one pairing. It is safe for concurrent use.
type verifiedSet struct {
	mu    sync.Mutex
	known remora.Recent[remora.Hash, struct{}]
}

func newVerifiedSet() *verifiedSet {
	return &verifiedSet{known: remora.NewRecent[remora.Hash, struct{}](verifiedLimit)}
}

func verifiedKey(c *remora.Certificate) remora.Hash {
	digest := c.Digest()
	b := make([]byte, 0, len(digest)+len(c.Header.Signature)+len(c.Signature)+len(c.Signers))
	b = append(append(append(append(b, digest[:]...), c.Header.Signature[:]...), c.Signature[:]...), c.Signers...)
	return remora.SumBLAKE3(b)
}

// hasCertificate reports whether a certificate was found valid before.
func (v *verifiedSet) hasCertificate(c *remora.Certificate) bool {
	key := verifiedKey(c)
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.known.Has(key)
}

func (v *verifiedSet) addCertificate(c *remora.Certificate) {
	key := verifiedKey(c)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.known.Add(key, struct{}{})
}
