package ed25519

import (
	"github.com/hdevalence/ed25519consensus"

	"github.com/remora-network/remora"
)

// Verify reports whether sig is a valid signature of msg under pub.
func Verify(pub remora.Address, msg []byte, sig remora.Signature) bool {
	return ed25519consensus.Verify(pub[:], msg, sig[:])
}
