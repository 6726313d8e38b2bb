package delivery

import (
	"sync"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/session"
	"github.com/remora-network/remora/crypto/bls"
)

// verified remembers the newest keys that were parsed and passes whose proof was checked: both cost far more than a
// lookup.
type verified struct {
	mu     sync.Mutex
	keys   remora.Recent[remora.BLSPublicKey, *bls.PublicKey]
	passes remora.Recent[remora.Hash, struct{}] // by the message that proves them
}

func newVerified() verified {
	return verified{
		keys: remora.NewRecent[remora.BLSPublicKey, *bls.PublicKey](maxKeys), passes: remora.NewRecent[remora.Hash, struct{}](maxPasses),
	}
}

// checkPass checks the proof of a pass once.
func (v *verified) checkPass(r *session.Request) error {
	message := r.Deal.PassMessage(r.Pass)
	v.mu.Lock()
	proven := v.passes.Has(message)
	v.mu.Unlock()
	if proven {
		return nil
	}
	err := r.CheckPass()
	if err == nil {
		v.mu.Lock()
		v.passes.Add(message, struct{}{})
		v.mu.Unlock()
	}
	return err
}

// checkSignature checks a signature of a session's key.
func (v *verified) checkSignature(of remora.BLSPublicKey, message remora.Hash, signature remora.BLSSignature) error {
	v.mu.Lock()
	key, found := v.keys.Get(of)
	v.mu.Unlock()
	if !found {
		var err error
		if key, err = bls.ParsePublicKey(of); err != nil {
			return err
		}
		v.mu.Lock()
		v.keys.Add(of, key)
		v.mu.Unlock()
	}
	return bls.Verify(key, message[:], signature)
}
