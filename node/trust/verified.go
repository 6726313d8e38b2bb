package trust

import (
	"sync"

	"github.com/remora-network/remora"
)

// verifiedLimit bounds verifiedSet: some hundred rounds of a committee of dozens.
const verifiedLimit = 8192

// verifiedSet remembers which certificates were found right, by everything that the verdict depends on, so that one that
// comes twice, from its author and with an answer, costs one pairing. It is safe for use by several goroutines.
type verifiedSet struct {
	mu    sync.Mutex
	known map[remora.Hash]bool
	older map[remora.Hash]bool // the generation before; both together are the memory
}

// newVerifiedSet returns an empty memory.
func newVerifiedSet() *verifiedSet { return &verifiedSet{known: map[remora.Hash]bool{}} }

func verifiedKey(c *remora.Certificate) remora.Hash {
	digest := c.Digest()
	b := make([]byte, 0, len(digest)+len(c.Header.Signature)+len(c.Signature)+len(c.Signers))
	b = append(append(append(append(b, digest[:]...), c.Header.Signature[:]...), c.Signature[:]...), c.Signers...)
	return remora.SumBLAKE3(b)
}

// has reports whether a certificate was found right before.
func (v *verifiedSet) has(c *remora.Certificate) bool {
	key := verifiedKey(c)
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.known[key] || v.older[key]
}

func (v *verifiedSet) add(c *remora.Certificate) {
	key := verifiedKey(c)
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.known) >= verifiedLimit/2 {
		v.known, v.older = map[remora.Hash]bool{}, v.known
	}
	v.known[key] = true
}
