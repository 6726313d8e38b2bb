package bls

import (
	"errors"
	"fmt"

	blst "github.com/supranational/blst/bindings/go"

	"github.com/remora-network/remora"
)

// ErrMessages refuses messages that are not one per key or not distinct.
var ErrMessages = errors.New("bls: want one message per key, each message once")

// VerifyDistinct checks an aggregate in which keys[i] signed messages[i]. A key may occur several times, a message may
// not: over distinct messages an aggregate is sound even if no possession was proven, and no signature counts twice. For
// 32 messages it takes about a quarter of the time of 32 calls of Verify.
func VerifyDistinct(keys []*PublicKey, messages [][]byte, sig remora.BLSSignature) error {
	if len(keys) == 0 {
		return ErrNoSigners
	}
	if len(keys) != len(messages) {
		return fmt.Errorf("%w: %d keys and %d messages", ErrMessages, len(keys), len(messages))
	}
	seen := make(map[string]struct{}, len(messages))
	for i, msg := range messages {
		if _, twice := seen[string(msg)]; twice {
			return fmt.Errorf("%w: message %d occurred before", ErrMessages, i)
		}
		seen[string(msg)] = struct{}{}
	}
	point, err := parseSignature(sig)
	if err != nil {
		return err
	}
	ctx := blst.PairingCtx(true, []byte(signatureTag))
	for i, key := range keys {
		if blst.PairingAggregatePkInG2(ctx, &key.point, false, point, false, messages[i]) != success {
			return ErrSignature
		}
		point = nil // the aggregate enters the equation once
	}
	blst.PairingCommit(ctx)
	if !blst.PairingFinalVerify(ctx) {
		return ErrSignature
	}
	return nil
}
