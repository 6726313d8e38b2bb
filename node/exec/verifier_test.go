package exec_test

import (
	"fmt"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/bls"
	"github.com/remora-network/remora/crypto/ed25519"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/state"
)

// TestPrimingChangesNoVerdict asks about right and wrong signatures, with and without priming, in a block of several
// chunks.
func TestPrimingChangesNoVerdict(t *testing.T) {
	seed := remora.SumBLAKE3([]byte("verifier test"))
	key, err := ed25519.NewKeyFromSeed(seed[:])
	if err != nil {
		t.Fatal(err)
	}
	var statements []state.Statement
	for i := range 200 {
		msg := fmt.Appendf(nil, "message %d", i)
		s := state.Statement{Public: key.Public(), Message: msg, Signature: key.Sign(msg)}
		if i%37 == 5 {
			s.Message = append(msg, '!')
		}
		statements = append(statements, s)
	}
	cold, primed := exec.NewVerifier(), exec.NewVerifier()
	primed.Prime(statements)
	for round, v := range []*exec.Verifier{cold, primed, primed} {
		for i, s := range statements {
			if got := v.Signature(s.Public, s.Message, s.Signature); got != (i%37 != 5) {
				t.Errorf("round %d, statement %d: verdict %t", round, i, got)
			}
		}
		primed.Forget()
	}
}

func TestPrimingChangesNoBLSVerdict(t *testing.T) {
	var statements []state.BLSStatement
	for i := range 60 {
		seed := remora.SumBLAKE3([]byte{byte(i % 4)})
		key, err := bls.DeriveKey(seed[:])
		if err != nil {
			t.Fatal(err)
		}
		s := state.BLSStatement{Public: key.Public(), Message: remora.SumBLAKE3([]byte{1, byte(i / 4)})}
		s.Signature = key.Sign(s.Message[:])
		switch i {
		case 11:
			s.Message[0] ^= 1
		case 22:
			s.Signature = remora.BLSSignature{} // no point
		case 33:
			s.Signature = remora.BLSSignature{0xc0} // the point at infinity
		case 44:
			s.Public = remora.BLSPublicKey{1}
		}
		statements = append(statements, s)
	}
	cold, primed := exec.NewVerifier(), exec.NewVerifier()
	primed.PrimeBLS(statements)
	primed.PrimeBLS(nil)
	for round, v := range []*exec.Verifier{cold, primed, primed} {
		for i, s := range statements {
			if got := v.BLS(s.Public, s.Message[:], s.Signature); got != (i%11 != 0 || i == 0 || i == 55) {
				t.Errorf("round %d, statement %d: verdict %t", round, i, got)
			}
		}
		primed.Forget()
	}
}

func TestBLSVerdicts(t *testing.T) {
	seed := remora.SumBLAKE3([]byte("verifier test"))
	key, err := bls.DeriveKey(seed[:])
	if err != nil {
		t.Fatal(err)
	}
	v, msg := exec.NewVerifier(), []byte("message")
	for round := range 2 { // the second time the key is cached
		if !v.BLS(key.Public(), msg, key.Sign(msg)) || v.BLS(key.Public(), []byte("other"), key.Sign(msg)) {
			t.Errorf("round %d: wrong verdict", round)
		}
	}
	if !v.Possession(key.Public(), key.ProvePossession()) || v.Possession(key.Public(), key.Sign(msg)) {
		t.Error("wrong verdict on possession")
	}
	if v.BLS(remora.BLSPublicKey{1}, msg, key.Sign(msg)) || v.Possession(remora.BLSPublicKey{1}, key.ProvePossession()) {
		t.Error("a key that is no point verifies")
	}
}
