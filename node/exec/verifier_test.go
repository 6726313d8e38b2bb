package exec_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/bls"
	"github.com/remora-network/remora/crypto/ed25519"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/state/verdict"
)

// TestPrimingChangesNoVerdict asks about right and wrong statements of each kind, with and without priming, in a block of
// several groups of signatures.
func TestPrimingChangesNoVerdict(t *testing.T) {
	statements, want := slices.Concat(signedStatements(t), blsStatements(t), otherStatements(t)), map[remora.Hash]bool{}
	var list []verdict.Statement
	for _, s := range statements {
		list, want[s.Key()] = append(list, s.Statement), s.holds
	}
	if len(want) != len(list) {
		t.Fatalf("%d keys of %d statements", len(want), len(list))
	}
	cold, primed := exec.NewVerifier(), exec.NewVerifier()
	primed.Prime([][]verdict.Statement{list, list[:3]})
	primed.Prime(nil)
	for round, v := range []*exec.Verifier{cold, primed, primed} {
		for i, s := range list {
			if got := v.Holds(s); got != want[s.Key()] {
				t.Errorf("round %d, statement %d, a %T: verdict %t", round, i, s, got)
			}
		}
		primed.Forget()
	}
}

// TestPrimingStopsAtFalseSteps has lists of nothing but wrong signatures, one whose first is wrong, and a good one: of the bad
// ones a step is verified, of the good one all.
func TestPrimingStopsAtFalseSteps(t *testing.T) {
	key, err := ed25519.NewKeyFromSeed(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	number := uint64(0)
	list := func(n int, good bool) (made []verdict.Statement) {
		for range n {
			number++
			s := verdict.Signed{Public: key.Public(), Message: remora.SumBLAKE3(binary.BigEndian.AppendUint64(nil, number))}
			if good {
				s.Signature = key.Sign(s.Message[:])
			}
			made = append(made, s)
		}
		return made
	}
	v := exec.NewVerifier()
	v.Prime([][]verdict.Statement{list(2000, false), append(list(1, false), list(2000, true)...), list(1000, true)})
	if got, want := v.Primed(), 2*exec.FirstStep+1000; got != want {
		t.Errorf("%d signatures are verified, want %d", got, want)
	}
}

// TestVerifierKnowsAllKinds holds the statements above against the types of the package verdict: tests of the state machine
// have a verifier of their own, so only a true statement here tells that this one lacks a case. Keys begin with a letter of
// their kind.
func TestVerifierKnowsAllKinds(t *testing.T) {
	source, err := os.ReadFile("../../state/verdict/verdict.go")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, s := range slices.Concat(signedStatements(t), blsStatements(t), otherStatements(t)) {
		if s.holds {
			shown[fmt.Sprintf("%T", s.Statement)] = true
		}
	}
	kinds := regexp.MustCompile(`func \(\w+ (\w+)\) Key\(\)`).FindAllStringSubmatch(string(source), -1)
	for _, kind := range kinds {
		if !shown["verdict."+kind[1]] {
			t.Errorf("verdict.%s: no true statement of this kind is tested", kind[1])
		}
	}
	letters := map[string]bool{}
	for _, letter := range regexp.MustCompile(`\[\]byte\{('\w')\}`).FindAllString(string(source), -1) {
		letters[letter] = true
	}
	if len(kinds) < 4 || len(letters) != len(kinds) {
		t.Errorf("%d kinds of statements, %d letters that begin their keys", len(kinds), len(letters))
	}
}

// judged is a statement with the right verdict.
type judged struct {
	verdict.Statement
	holds bool
}

func signedStatements(t *testing.T) []judged {
	t.Helper()
	seed := remora.SumBLAKE3([]byte("verifier test"))
	key, err := ed25519.NewKeyFromSeed(seed[:])
	if err != nil {
		t.Fatal(err)
	}
	var list []judged
	for i := range 200 {
		s := verdict.Signed{Public: key.Public(), Message: remora.SumBLAKE3([]byte{byte(i)})}
		s.Signature = key.Sign(s.Message[:])
		wrong := i%37 == 5
		if wrong {
			s.Message[0] ^= 1
		}
		list = append(list, judged{s, !wrong})
	}
	return list
}

func newKey(t *testing.T, id byte) *bls.SecretKey {
	t.Helper()
	seed := remora.SumBLAKE3([]byte{id})
	key, err := bls.DeriveKey(seed[:])
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// blsStatements has four keys sign one message after the other.
func blsStatements(t *testing.T) []judged {
	t.Helper()
	var list []judged
	for i := range 60 {
		key := newKey(t, byte(i%4))
		s := verdict.BLSSigned{Public: key.Public(), Message: remora.SumBLAKE3([]byte{1, byte(i / 4)})}
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
		list = append(list, judged{s, i%11 != 0 || i == 0 || i == 55})
	}
	return list
}

// otherStatements are statements that priming leaves alone.
func otherStatements(t *testing.T) []judged {
	t.Helper()
	key, other, msg := newKey(t, 1), newKey(t, 2), remora.Hash{1}
	sum, err := bls.Aggregate([]remora.BLSSignature{key.Sign(msg[:]), other.Sign(make([]byte, remora.HashSize))})
	if err != nil {
		t.Fatal(err)
	}
	parts := []verdict.Part{{Public: key.Public(), Message: msg}, {Public: other.Public()}}
	foreign := []verdict.Part{parts[0], {Public: remora.BLSPublicKey{1}}}
	return []judged{
		{verdict.Possession{Public: key.Public(), Proof: key.ProvePossession()}, true},
		{verdict.Possession{Public: key.Public(), Proof: key.Sign(msg[:])}, false},
		{verdict.Possession{Public: remora.BLSPublicKey{1}, Proof: key.ProvePossession()}, false},
		{verdict.Aggregate{Parts: parts, Signature: sum}, true},
		{verdict.Aggregate{Parts: parts[:1], Signature: sum}, false},
		{verdict.Aggregate{Parts: foreign, Signature: sum}, false},
		{verdict.Aggregate{Signature: sum}, false},
		{unknown{}, false},
	}
}

// unknown is of a kind that no verifier knows.
type unknown struct{}

func (unknown) Key() remora.Hash { return remora.Hash{} }
