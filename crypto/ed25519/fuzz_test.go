package ed25519_test

import (
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/ed25519"
)

// Any bytes have the same verdict alone and in a batch with a valid signature.
func FuzzVerify(f *testing.F) {
	good := item(f, 1)
	f.Add(good.Public[:], good.Message, good.Signature[:])
	small := smallOrder(f)
	for i, a := range small {
		var sig remora.Signature
		copy(sig[:], small[len(small)-1-i][:])
		f.Add(a[:], []byte("Zcash"), sig[:])
	}
	f.Fuzz(func(t *testing.T, pub, msg, sig []byte) {
		it := ed25519.Item{Message: msg}
		copy(it.Public[:], pub)
		copy(it.Signature[:], sig)
		alone := ed25519.Verify(it.Public, it.Message, it.Signature)
		if together := ed25519.VerifyTogether([]ed25519.Item{good, it}); together != alone {
			t.Fatalf("alone %v, in a batch %v", alone, together)
		}
	})
}
