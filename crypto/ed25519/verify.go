package ed25519

import (
	"github.com/hdevalence/ed25519consensus"

	"github.com/remora-network/remora"
)

// Verify reports whether sig is pub's signature of msg.
func Verify(pub remora.Address, msg []byte, sig remora.Signature) bool {
	return ed25519consensus.Verify(pub[:], msg, sig[:])
}
