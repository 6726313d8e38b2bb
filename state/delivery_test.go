package state_test

import (
	"bytes"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state"
	"github.com/remora-network/remora/state/delivery"
	"github.com/remora-network/remora/state/statetest"
	"github.com/remora-network/remora/state/table"
)

// TestClaimLife follows coins from a client's account through a session, a claim, its challenge and its payout to the
// node, the treasury and back.
func TestClaimLife(t *testing.T) {
	w := newWorld(t)
	alice := w.balanceOf("alice")
	id := w.openSession("alice", 1, statetest.Allot("nora", 20_000), statetest.Allot("olaf", 7))
	prepaid := valueOf(20_000) + 1 + valueOf(7) + 1 // each rounded up
	if got := alice - w.balanceOf("alice"); got != prepaid+statetest.Fee {
		t.Fatalf("the session took %s, want %s and the fee", got, prepaid)
	}

	w.advanceTo(2)
	claim, nora, treasury := w.makeClaim("nora", 1, w.deliverFile(id, 12_345)), w.balanceOf("nora"), w.getTotals().Treasury
	commit, value := w.commitClaim("nora", claim), valueOf(12_345)
	w.requireOK(w.Run(commit))
	c := w.requireStage(remora.ClaimCommitted, "nora", 1)
	if c.ID != claim.Commit.ID(w.Genesis.Domain(), statetest.Address("nora")) || c.Value != value || c.Deposit != value || c.Locked() != 2*value {
		t.Errorf("claim %+v, want a value of %s", c, value)
	}
	if got, want := nora-w.balanceOf("nora"), value+feeOf(t, commit); got != want {
		t.Errorf("the claim took %s from the node, want its deposit and fee, %s", got, want)
	}
	if g, want := w.Grant(id, "nora"), (remora.Grant{Granted: 20_000, Left: 7_655, Held: valueOf(20_000) + 1 - value}); g != want {
		t.Errorf("grant %+v, want %+v", g, want)
	}

	w.FixSeed()
	w.FixSeed()
	open := w.answerClaim("nora", claim)
	w.requireOK(w.Run(open))
	c = w.requireStage(remora.ClaimSettled, "nora", 1)
	if c.Paid != value-treasuryPartOf(value) || c.Release != 4 || c.Released || c.Locked() != c.Paid+value {
		t.Errorf("claim %+v, want %s paid in epoch 4", c, value-treasuryPartOf(value))
	}
	fees := feeOf(t, commit) + feeOf(t, open)
	if got := w.getTotals().Treasury - treasury - fees; got != treasuryPartOf(value) {
		t.Errorf("the treasury's share is %s, want %s", got, treasuryPartOf(value))
	}

	w.advanceTo(4) // the last block of epoch 3 has been executed
	if got := nora - w.balanceOf("nora"); got != value+fees {
		t.Errorf("node is down by %s while the payout is locked, want %s", got, value+fees)
	}
	w.Idle(1, 1)
	if got, want := w.balanceOf("nora"), nora-fees+value-treasuryPartOf(value); got != want {
		t.Errorf("node holds %s after the release, want %s", got, want)
	}
	if c = w.requireStage(remora.ClaimSettled, "nora", 1); !c.Released || c.Locked() != 0 {
		t.Errorf("claim %+v, want it released", c)
	}

	w.advanceTo(6) // the last block of the last epoch in which receipts of epoch 1 count
	if !w.hasSession(id, "alice") {
		t.Fatal("refunded while claims can come")
	}
	w.Idle(1, 1)
	if w.hasSession(id, "alice") || w.Tables().Len(table.Grants) != 0 || w.Tables().Len(table.Deadlines) != 0 {
		t.Errorf("session %v, %d grants and %d deadlines are left", w.hasSession(id, "alice"), w.Tables().Len(table.Grants), w.Tables().Len(table.Deadlines))
	}
	if got, want := w.balanceOf("alice"), alice-statetest.Fee-value; got != want {
		t.Errorf("client holds %s after the refund, want %s", got, want)
	}
}

// TestNobodyKnowsTheSeed commits in blocks that fix a seed and in others: the challenge is the second seed from the
// newest before the block, hence never one that a contribution in the block can decide.
func TestNobodyKnowsTheSeed(t *testing.T) {
	for _, with := range []bool{false, true} {
		w := newWorld(t)
		id := w.openSession("alice", 9, statetest.Allot("nora", 20_000))
		w.FixSeed()
		w.advanceTo(2)
		step, claim := w.getSeed().Step, w.makeClaim("nora", 1, w.deliverFile(id, 9_000))
		raw := w.commitClaim("nora", claim)
		if with {
			w.requireOK(w.FixSeed(raw))
		} else {
			w.requireOK(w.Run(raw))
			w.requireCode(remora.CodeNotChallenged, w.Run(w.signNext("nora", remora.KindOpenClaim, claim.Answer(t, w.getSeed().Hash))))
			w.FixSeed()
		}
		if c := w.requireStage(remora.ClaimCommitted, "nora", 1); c.Step != step+2 || w.getSeed().Step != step+1 {
			t.Fatalf("claim waits for step %d after step %d, want %d", c.Step, w.getSeed().Step, step+2)
		}
		early := w.signNext("nora", remora.KindOpenClaim, claim.Answer(t, w.getSeed().Hash))
		w.requireCode(remora.CodeNotChallenged, w.FixSeed(early)) // the seed is fixed after the block's transactions
		w.requireStage(remora.ClaimChallenged, "nora", 1)
		if _, seed, _ := w.Claim("nora", 1); seed != w.getSeed().Hash || w.getSeed().Step != step+2 {
			t.Errorf("challenged by %s, want step %d, %s", seed, step+2, w.getSeed().Hash)
		}
		open := w.answerClaim("nora", claim)
		w.FixSeed() // later seeds do not matter
		w.requireOK(w.Run(open))
	}
}

// challenged returns a world with a challenged claim of nora, with olaf's grant in the same session.
func challenged(t *testing.T) (*world, *statetest.Claim, remora.SessionID) {
	w := newWorld(t)
	id := w.openSession("alice", 9, statetest.Allot("nora", 20_000), statetest.Allot("olaf", 500))
	w.advanceTo(2)
	claim := w.makeClaim("nora", 1, w.deliverFile(id, 9_000))
	w.requireOK(w.Run(w.commitClaim("nora", claim)))
	w.FixSeed()
	w.FixSeed()
	w.requireStage(remora.ClaimChallenged, "nora", 1)
	return w, claim, id
}

// TestSlash lets the time to open pass: both blocks and block time must, and nobody else pays.
func TestSlash(t *testing.T) {
	w, claim, id := challenged(t)
	fixed, seed := w.View.Tip, w.getSeed().Hash
	other, grant := w.Grant(id, "olaf"), remora.Grant{Granted: 20_000, Left: 20_000, Held: valueOf(20_000) + 1}
	nora, totals, value := w.balanceOf("nora"), w.getTotals(), valueOf(9_000)

	w.Idle(1, 10*statetest.EpochMillis) // a pause of the chain
	w.requireStage(remora.ClaimChallenged, "nora", 1)
	w.Idle(remora.OpenBlocks-1, 1)
	w.requireStage(remora.ClaimChallenged, "nora", 1)
	late := w.signNext("nora", remora.KindOpenClaim, claim.Answer(t, seed))
	w.requireCode(remora.CodeClaimClosed, w.Run(late))
	c := w.requireStage(remora.ClaimSlashed, "nora", 1)
	if w.View.Tip.Height != fixed.Height+remora.OpenBlocks+1 {
		t.Errorf("slashed in block %d, the seed was fixed in %d", w.View.Tip.Height, fixed.Height)
	}
	if c.Locked() != 0 || c.Paid != 0 || w.Grant(id, "nora") != grant || w.Grant(id, "olaf") != other {
		t.Errorf("claim %+v, grants %+v and %+v", c, w.Grant(id, "nora"), w.Grant(id, "olaf"))
	}
	if got := w.balanceOf("nora"); got != nora-feeOf(t, late) {
		t.Errorf("node holds %s, want nothing but a fee less than %s", got, nora)
	}
	if now := w.getTotals(); now.Supply != totals.Supply-value || now.Treasury != totals.Treasury+feeOf(t, late) {
		t.Errorf("totals %+v, want a deposit of %s burnt of %+v", now, value, totals)
	}
	if n := w.Tables().Len(table.Deadlines); n != 1 {
		t.Errorf("%d deadlines, want that of the session", n)
	}
	w.requireCode(remora.CodeClaimClosed, w.Run(w.signNext("nora", remora.KindOpenClaim, claim.Answer(t, seed))))
	w.requireCode(remora.CodeClaimExists, w.Run(w.commitClaim("nora", claim)))
}

// TestAnybodyCarriesAnOpening has others open nora's claim: who carries a wrong opening pays for it and the claim stays open;
// the right one settles it, and the payout is nora's.
func TestAnybodyCarriesAnOpening(t *testing.T) {
	w, claim, _ := challenged(t)
	_, seed, _ := w.Claim("nora", 1)
	nora, bob := w.balanceOf("nora"), w.balanceOf("bob")
	before := w.requireStage(remora.ClaimChallenged, "nora", 1)

	wrong := claim.Answer(t, seed)
	wrong.Signature[3] ^= 1
	bad := w.signNext("bob", remora.KindOpenClaim, wrong)
	w.requireCode(remora.CodeBadOpening, w.Run(bad))
	if now := w.requireStage(remora.ClaimChallenged, "nora", 1); now != before {
		t.Errorf("a wrong opening made the claim %+v of %+v", now, before)
	}
	good := w.signNext("bob", remora.KindOpenClaim, claim.Answer(t, seed))
	w.requireOK(w.Run(good))
	c := w.requireStage(remora.ClaimSettled, "nora", 1)
	w.advanceTo(c.Release)
	w.Idle(1, 1)
	if got, want := w.balanceOf("nora"), nora+c.Paid+c.Deposit; got != want {
		t.Errorf("the node holds %s, want %s: payout and deposit, and no fee", got, want)
	}
	if got, want := w.balanceOf("bob"), bob-feeOf(t, bad)-feeOf(t, good); got != want {
		t.Errorf("the carrier holds %s, want %s: both fees, and nothing more", got, want)
	}
}

// TestSlashNeedsTime passes many blocks in little time, up to the last block in which an opening counts.
func TestSlashNeedsTime(t *testing.T) {
	for _, over := range []remora.Millis{0, 1} {
		w, claim, _ := challenged(t)
		fixed := w.View.Tip.Time
		w.Idle(2*remora.OpenBlocks, 1)
		w.requireStage(remora.ClaimChallenged, "nora", 1)
		open := w.answerClaim("nora", claim)
		ref := w.Batch(0, open)
		out := w.Next(statetest.Draft{Time: fixed + remora.OpenEpochs*statetest.EpochMillis + over, Payload: payload{0: {ref}}})
		want, state := remora.CodeOK, remora.ClaimSettled
		if over > 0 {
			want, state = remora.CodeClaimClosed, remora.ClaimSlashed
		}
		w.requireCode(want, []remora.Code{remora.Code(out.Block.Results[0])})
		w.requireStage(state, "nora", 1)
	}
}

// TestReject lets no seed come: the node gets its deposit back and the session its bytes.
func TestReject(t *testing.T) {
	w := newWorld(t)
	id := w.openSession("alice", 9, statetest.Allot("nora", 20_000))
	w.advanceTo(2)
	nora, totals, grant := w.balanceOf("nora"), w.getTotals(), w.Grant(id, "nora")
	claim := w.makeClaim("nora", 1, w.deliverFile(id, 9_000))
	commit := w.commitClaim("nora", claim)
	w.requireOK(w.Run(commit))
	committed := w.View.Tip
	w.FixSeed() // one is not enough
	w.Idle(2, (remora.SeedEpochs*statetest.EpochMillis-10)/2)
	w.Idle(remora.OpenBlocks-3, 0)
	if late := w.View.Tip; late.Height != committed.Height+remora.OpenBlocks || late.Time-committed.Time <= remora.SeedEpochs*statetest.EpochMillis {
		t.Fatalf("%d blocks and %d ms later", late.Height-committed.Height, late.Time-committed.Time)
	}
	w.requireStage(remora.ClaimCommitted, "nora", 1)
	w.Idle(1, 0)
	c := w.requireStage(remora.ClaimRejected, "nora", 1)
	totals.Treasury += feeOf(t, commit)
	if c.Locked() != 0 || w.Grant(id, "nora") != grant || w.balanceOf("nora") != nora-feeOf(t, commit) || w.getTotals() != totals {
		t.Errorf("claim %+v, grant %+v, node holds %s, totals %+v", c, w.Grant(id, "nora"), w.balanceOf("nora"), w.getTotals())
	}
	w.FixSeed()
	w.requireCode(remora.CodeClaimClosed, w.Run(w.signNext("nora", remora.KindOpenClaim, claim.Answer(t, w.getSeed().Hash))))
}

// TestRejectNeedsTime passes many blocks in little time, up to the last moment for the seed.
func TestRejectNeedsTime(t *testing.T) {
	w := newWorld(t)
	id := w.openSession("alice", 9, statetest.Allot("nora", 20_000))
	w.advanceTo(2)
	w.requireOK(w.Run(w.commitClaim("nora", w.makeClaim("nora", 1, w.deliverFile(id, 9_000)))))
	committed := w.View.Tip.Time
	w.Idle(2*remora.OpenBlocks, 1)
	for _, half := range []remora.Millis{1, 2} {
		w.Next(statetest.Draft{Time: committed + half*remora.SeedEpochs*statetest.EpochMillis/2})
	}
	w.requireStage(remora.ClaimCommitted, "nora", 1)
	w.Idle(1, 1)
	w.requireStage(remora.ClaimRejected, "nora", 1)
}

// TestRejectEachInItsTime has two nodes wait for one step that does not come: the one that committed first is rejected
// first, whatever its address.
func TestRejectEachInItsTime(t *testing.T) {
	first, second := "nora", "olaf"
	if a, b := statetest.Address(first), statetest.Address(second); bytes.Compare(a[:], b[:]) < 0 {
		first, second = second, first
	}
	w := newWorld(t)
	id := w.openSession("alice", 9, statetest.Allot(first, 20_000), statetest.Allot(second, 20_000))
	w.advanceTo(2)
	w.requireOK(w.Run(w.commitClaim(first, w.makeClaim(first, 1, w.deliverFile(id, 9_000)))))
	w.Idle(1, 3*statetest.EpochMillis)
	w.requireOK(w.Run(w.commitClaim(second, w.makeClaim(second, 1, w.deliverFile(id, 9_000)))))
	w.Idle(remora.OpenBlocks, (remora.SeedEpochs-2)*statetest.EpochMillis/remora.OpenBlocks)
	w.requireStage(remora.ClaimRejected, first, 1)
	w.requireStage(remora.ClaimCommitted, second, 1)
}

// TestCloseSession: receipts of the present epoch still count, later ones do not, and the refund comes earlier.
func TestCloseSession(t *testing.T) {
	w := newWorld(t)
	id := w.openSession("alice", 100, statetest.Allot("nora", 20_000))
	w.advanceTo(3)
	alice := w.balanceOf("alice")
	w.requireOK(w.Run(w.signNext("alice", remora.KindCloseSession, remora.CloseSession{Session: id})))
	w.requireCode(remora.CodeInvalidSession, w.Run(w.signNext("alice", remora.KindCloseSession, remora.CloseSession{Session: id})))
	s, _, err := delivery.GetSession(w.Tables(), id)
	if err != nil || s.Expiry != 3 || s.Opened != 1 {
		t.Fatalf("session %+v (%v), want it to end with epoch 3", s, err)
	}
	w.advanceTo(5)
	w.requireOK(w.Run(w.commitClaim("nora", w.makeClaim("nora", 3, w.deliverFile(id, 9_000)))))
	w.requireCode(remora.CodeClaimEpoch, w.Run(w.commitClaim("nora", w.makeClaim("nora", 4, w.deliverFile(id, 9_000)))))
	w.FixSeed()
	w.FixSeed()
	w.requireOK(w.Run(w.answerClaim("nora", w.makeClaim("nora", 3, w.deliverFile(id, 9_000)))))
	w.advanceTo(8)
	if !w.hasSession(id, "alice") {
		t.Fatal("refunded while claims can come")
	}
	w.Idle(1, 1)
	if got, want := w.balanceOf("alice"), alice-2*statetest.Fee+valueOf(20_000)+1-valueOf(9_000); w.hasSession(id, "alice") || got != want {
		t.Errorf("client holds %s, want %s", got, want)
	}
	w.requireCode(remora.CodeUnknownSession, w.Run(w.signNext("alice", remora.KindCloseSession, remora.CloseSession{Session: id})))
}

// TestRefundWaits for the last claim that may still fail and give bytes back.
func TestRefundWaits(t *testing.T) {
	w := newWorld(t)
	alice := w.balanceOf("alice")
	id := w.openSession("alice", 1, statetest.Allot("nora", 20_000))
	w.advanceTo(5)
	claim := w.makeClaim("nora", 1, w.deliverFile(id, 9_000))
	w.requireOK(w.Run(w.commitClaim("nora", claim)))
	w.FixSeed()
	w.FixSeed() // the claim may now be opened for two epochs
	w.advanceTo(7)
	w.Idle(1, 1)
	w.requireStage(remora.ClaimChallenged, "nora", 1)
	if !w.hasSession(id, "alice") {
		t.Fatal("refunded although a claim is open")
	}
	w.Idle(remora.OpenBlocks, statetest.EpochMillis)
	w.requireStage(remora.ClaimSlashed, "nora", 1)
	if got := w.balanceOf("alice"); w.hasSession(id, "alice") || got != alice-statetest.Fee {
		t.Errorf("client holds %s of %s: all but the fee must come back", got, alice)
	}
}

// TestGrantsOfNodesAreApart claims to the last byte for one node, and then for the other.
func TestGrantsOfNodesAreApart(t *testing.T) {
	w := newWorld(t)
	id := w.openSession("alice", 9, statetest.Allot("nora", 9_000), statetest.Allot("olaf", 700))
	w.advanceTo(2)
	w.requireOK(w.Run(w.commitClaim("nora", w.makeClaim("nora", 1, w.deliverFile(id, 9_000)))))
	w.requireCode(remora.CodeOverAllotment, w.Run(w.commitClaim("olaf", w.makeClaim("olaf", 1, w.deliverFile(id, 701)))))
	w.requireOK(w.Run(w.commitClaim("olaf", w.makeClaim("olaf", 1, w.deliverFile(id, 700)))))
	w.advanceTo(3)
	for node, granted := range map[string]uint64{"nora": 9_000, "olaf": 700} {
		w.requireCode(remora.CodeOverAllotment, w.Run(w.commitClaim(node, w.makeClaim(node, 2, w.deliverFile(id, 1)))))
		want := remora.Grant{Granted: granted, Held: 1} // what the prepayment was rounded up by
		if g := w.Grant(id, node); g != want {
			t.Errorf("grant of %s %+v, want %+v", node, g, want)
		}
	}
}

// TestPriceIsFixedAtOpening changes the chain's price under an open session.
func TestPriceIsFixedAtOpening(t *testing.T) {
	g := statetest.Genesis(dev, 4, "alice", "bob", "nora", "olaf")
	g.Params.PricePerMiB = 1_000
	w := newWorldOf(t, g)
	id := w.openSession("alice", 99, statetest.Allot("nora", 1<<24+1))
	if held := w.Grant(id, "nora").Held; held != 16_001 {
		t.Fatalf("%s prepaid for a byte more than 16 MiB, want 16001", held)
	}
	dearer := *g
	dearer.Params.PricePerMiB = 7_000
	m, err := state.NewMachine(&dearer)
	if err != nil {
		t.Fatal(err)
	}
	w.Machine, w.Genesis = m, &dearer // what is signed names the genesis
	other := w.openSession("bob", 99, statetest.Allot("nora", 1<<20))
	w.advanceTo(2)
	w.requireOK(w.Run(w.signNext("nora", remora.KindCommitClaim, editCommit(w.makeClaim("nora", 1, w.deliverFile(id, 1)), withItems(claimItem(id, 3<<19), claimItem(other, 3<<18))))))
	if c := w.requireStage(remora.ClaimCommitted, "nora", 1); c.Value != 1_500+5_250 {
		t.Errorf("value %s, want 1.5 MiB at 1000 and 0.75 MiB at 7000", c.Value)
	}
	w.Idle(remora.OpenBlocks+1, statetest.EpochMillis)
	w.requireStage(remora.ClaimRejected, "nora", 1)
	if a, b := w.Grant(id, "nora"), w.Grant(other, "nora"); a.Held != 16_001 || b.Held != 7_000 {
		t.Errorf("grants hold %s and %s again, want 16001 and 7000", a.Held, b.Held)
	}
}

// TestClaimWorthNothing goes the same way as any other: less than a base unit is rounded down to none.
func TestClaimWorthNothing(t *testing.T) {
	g := statetest.Genesis(dev, 4, "alice", "nora", "olaf")
	g.Params.PricePerMiB = 1
	w := newWorldOf(t, g)
	id := w.openSession("alice", 1, statetest.Allot("nora", 9_000))
	w.advanceTo(2)
	claim := w.makeClaim("nora", 1, w.deliverFile(id, 9_000))
	w.requireOK(w.Run(w.commitClaim("nora", claim)))
	w.FixSeed()
	w.FixSeed()
	w.requireOK(w.Run(w.answerClaim("nora", claim)))
	if c := w.requireStage(remora.ClaimSettled, "nora", 1); c.Value != 0 || c.Paid != 0 || c.Locked() != 0 {
		t.Errorf("claim %+v, want it to be worth nothing", c)
	}
	w.advanceTo(7)
	w.Idle(1, 1)
	if got := w.balanceOf("alice"); got != statetest.Balance-statetest.Fee {
		t.Errorf("client holds %s, want all but the fee", got)
	}
}

// TestClaimWindows claims for each epoch of a session at its first and last moment.
func TestClaimWindows(t *testing.T) {
	w := newWorld(t)
	w.advanceTo(3)
	id := w.openSession("alice", 5, statetest.Allot("nora", 20_000))
	claim := func(epoch remora.Epoch) []byte {
		return w.commitClaim("nora", w.makeClaim("nora", epoch, w.deliverFile(id, 100)))
	}
	w.requireCode(remora.CodeClaimEpoch, w.Run(claim(3))) // its receipts may still grow
	w.advanceTo(4)
	w.requireCode(remora.CodeClaimEpoch, w.Run(claim(2))) // before the session
	w.advanceTo(7)
	w.requireOK(w.EndEpoch(claim(3))) // the last block of the fourth epoch after it
	w.requireCode(remora.CodeClaimEpoch, w.Run(claim(2)))
	w.advanceTo(9)
	w.requireCode(remora.CodeClaimEpoch, w.Run(claim(4), claim(6)))
	w.requireOK(w.EndEpoch(claim(5)))
	w.requireStage(remora.ClaimCommitted, "nora", 5)
}

// TestClaimsOfOneBlock claims again within one block: the second sees what the first did.
func TestClaimsOfOneBlock(t *testing.T) {
	w := newWorld(t)
	id := w.openSession("alice", 9, statetest.Allot("nora", 100), statetest.Allot("olaf", 100))
	w.advanceTo(3)
	got := w.Run(
		w.commitClaim("nora", w.makeClaim("nora", 1, w.deliverFile(id, 60))),
		w.commitClaim("nora", w.makeClaim("nora", 1, w.deliverFile(id, 1))),
		w.commitClaim("nora", w.makeClaim("nora", 2, w.deliverFile(id, 41))),
		w.commitClaim("nora", w.makeClaim("nora", 2, w.deliverFile(id, 40))),
		w.commitClaim("olaf", w.makeClaim("olaf", 2, w.deliverFile(id, 100))),
	)
	want := []remora.Code{remora.CodeOK, remora.CodeClaimExists, remora.CodeOverAllotment, remora.CodeOK, remora.CodeOK}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("codes %v, want %v", got, want)
		}
	}
	waiting, err := delivery.Waiting(w.Tables())
	if err != nil || !waiting {
		t.Errorf("claims wait: %v (%v)", waiting, err)
	}
}
