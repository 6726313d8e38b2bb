package state_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/statetest"
)

// eachTampering calls try with a body changed in one byte, each in one way or two.
func eachTampering(body []byte, ways int, try func(name string, changed []byte)) {
	for i := range body {
		for _, by := range []byte{1 << (i % 8), 0xff}[:ways] {
			changed := slices.Clone(body)
			changed[i] ^= by
			try(fmt.Sprintf("byte %d xor %#x", i, by), changed)
		}
	}
}

// TestTamperedCommitClaim changes every byte of a claim that the node then signs. What is not refused is another claim,
// which cannot be opened by what opens the true one.
func TestTamperedCommitClaim(t *testing.T) {
	w := newWorld(t)
	one := w.openSession("alice", 9, statetest.Allot("nora", 20_000))
	two := w.openSession("bob", 9, statetest.Allot("nora", 20_000))
	w.openSession("alice", 9, statetest.Allot("nora", 20_000)) // that a changed number may meet
	w.advanceTo(4)
	claim := w.makeClaim("nora", 2, w.deliverFile(one, 5_555), w.deliverFile(two, 5_555)) // either is drawn but for one in 2^32
	tx := statetest.Tx(w.Genesis, "nora", w.nonces["nora"], remora.KindCommitClaim, claim.Commit)
	refused, others := 0, 0
	eachTampering(tx.Body, 2, func(name string, changed []byte) {
		tx.Body = changed
		raw := statetest.Signed(w.Genesis, tx)
		if codeOf(t, w.Machine.Admit(w.View, raw, w.Verifier)) != remora.CodeOK {
			refused++
			return
		}
		others++
		c := w.Fork(t)
		c.Run(raw)
		var in remora.CommitClaim
		if err := tx.DecodeBody(&in); err != nil {
			t.Fatal(err)
		}
		c.FixSeed()
		c.FixSeed()
		made, seed, exists := c.Claim("nora", in.Epoch)
		if !exists || made.State != remora.ClaimChallenged || made.ID == claim.Commit.ID(w.Genesis.Domain(), made.Node) {
			t.Fatalf("%s: claim %+v (exists %v)", name, made, exists)
		}
		opened := claim.Answer(t, seed)
		opened.Epoch = in.Epoch
		open := statetest.Signed(w.Genesis, statetest.Tx(w.Genesis, "nora", tx.Nonce+1, remora.KindOpenClaim, opened))
		if got := c.Run(open); got[0] != remora.CodeBadOpening {
			t.Errorf("%s: claim %+v opened: %s", name, in, got[0])
		}
	})
	if refused < 30 || others < 60 { // the root alone makes 64
		t.Errorf("%d changes refused, %d are other claims", refused, others)
	}
}

// TestTamperedOpenClaim changes every byte of an opening that the node then signs: none is accepted.
func TestTamperedOpenClaim(t *testing.T) {
	w := newOpenWorld(t)
	_, seed, _ := w.Claim("nora", 2)
	tx := statetest.Tx(w.Genesis, "nora", w.nonces["nora"], remora.KindOpenClaim, w.claims[2].Answer(t, seed))
	if got := codeOf(t, w.Machine.Admit(w.View, statetest.Signed(w.Genesis, tx), w.Verifier)); got != remora.CodeOK {
		t.Fatalf("the opening itself is %s", got)
	}
	codes := make(map[remora.Code]int)
	eachTampering(tx.Body, 1, func(name string, changed []byte) {
		tx.Body = changed
		got := codeOf(t, w.Machine.Admit(w.View, statetest.Signed(w.Genesis, tx), w.Verifier))
		if codes[got]++; got == remora.CodeOK {
			t.Errorf("accepted with %s", name)
		}
	})
	if codes[remora.CodeBadOpening] < len(tx.Body)/2 || codes[remora.CodeMalformedBody] == 0 || codes[remora.CodeUnknownClaim] == 0 {
		t.Errorf("%d bytes were answered with %v", len(tx.Body), codes)
	}
}
