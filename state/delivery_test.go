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
	alice := w.balance("alice")
	id := w.session("alice", 1, statetest.Allot("nora", 20_000), statetest.Allot("olaf", 7))
	prepaid := worth(20_000) + 1 + worth(7) + 1 // each rounded up
	if got := alice - w.balance("alice"); got != prepaid+statetest.Fee {
		t.Fatalf("the session took %s, want %s and the fee", got, prepaid)
	}

	w.to(2)
	claim, nora, treasury := w.claim("nora", 1, w.delivered(id, 12_345)), w.balance("nora"), w.totals().Treasury
	commit, value := w.commit("nora", claim), worth(12_345)
	w.ok(w.Run(commit))
	c := w.stage(remora.ClaimCommitted, "nora", 1)
	if c.ID != claim.Commit.ID(dev, statetest.Address("nora")) || c.Value != value || c.Deposit != value || c.Locked() != 2*value {
		t.Errorf("claim %+v, want a value of %s", c, value)
	}
	if got, want := nora-w.balance("nora"), value+fee(t, commit); got != want {
		t.Errorf("the claim took %s from the node, want its deposit and fee, %s", got, want)
	}
	if g, want := w.Grant(id, "nora"), (remora.Grant{Granted: 20_000, Left: 7_655, Held: worth(20_000) + 1 - value}); g != want {
		t.Errorf("grant %+v, want %+v", g, want)
	}

	w.FixSeed()
	w.FixSeed()
	open := w.open("nora", claim)
	w.ok(w.Run(open))
	c = w.stage(remora.ClaimSettled, "nora", 1)
	if c.Paid != value-share(value) || c.Release != 4 || c.Released || c.Locked() != c.Paid+value {
		t.Errorf("claim %+v, want %s paid in epoch 4", c, value-share(value))
	}
	fees := fee(t, commit) + fee(t, open)
	if got := w.totals().Treasury - treasury - fees; got != share(value) {
		t.Errorf("the treasury's share is %s, want %s", got, share(value))
	}

	w.to(4) // the last block of epoch 3 has been executed
	if got := nora - w.balance("nora"); got != value+fees {
		t.Errorf("node is down by %s while the payout is locked, want %s", got, value+fees)
	}
	w.Idle(1, 1)
	if got, want := w.balance("nora"), nora-fees+value-share(value); got != want {
		t.Errorf("node holds %s after the release, want %s", got, want)
	}
	if c = w.stage(remora.ClaimSettled, "nora", 1); !c.Released || c.Locked() != 0 {
		t.Errorf("claim %+v, want it released", c)
	}

	w.to(6) // the last block of the last epoch in which receipts of epoch 1 count
	if !w.hasSession(id, "alice") {
		t.Fatal("refunded while claims can come")
	}
	w.Idle(1, 1)
	if w.hasSession(id, "alice") || w.Tables().Len(table.Grants) != 0 || w.Tables().Len(table.Deadlines) != 0 {
		t.Errorf("session %v, %d grants and %d deadlines are left", w.hasSession(id, "alice"), w.Tables().Len(table.Grants), w.Tables().Len(table.Deadlines))
	}
	if got, want := w.balance("alice"), alice-statetest.Fee-value; got != want {
		t.Errorf("client holds %s after the refund, want %s", got, want)
	}
}

// TestNobodyKnowsTheSeed commits in blocks that fix a seed and in others: the challenge is the second seed from the
// newest before the block, hence never one that a contribution in the block can decide.
func TestNobodyKnowsTheSeed(t *testing.T) {
	for _, with := range []bool{false, true} {
		w := newWorld(t)
		id := w.session("alice", 9, statetest.Allot("nora", 20_000))
		w.FixSeed()
		w.to(2)
		step, claim := w.seed().Step, w.claim("nora", 1, w.delivered(id, 9_000))
		raw := w.commit("nora", claim)
		if with {
			w.ok(w.FixSeed(raw))
		} else {
			w.ok(w.Run(raw))
			w.want(remora.CodeNotChallenged, w.Run(w.tx("nora", remora.KindOpenClaim, claim.Answer(t, w.seed().Hash))))
			w.FixSeed()
		}
		if c := w.stage(remora.ClaimCommitted, "nora", 1); c.Step != step+2 || w.seed().Step != step+1 {
			t.Fatalf("claim waits for step %d after step %d, want %d", c.Step, w.seed().Step, step+2)
		}
		early := w.tx("nora", remora.KindOpenClaim, claim.Answer(t, w.seed().Hash))
		w.want(remora.CodeNotChallenged, w.FixSeed(early)) // the seed is fixed after the block's transactions
		w.stage(remora.ClaimChallenged, "nora", 1)
		if _, seed, _ := w.Claim("nora", 1); seed != w.seed().Hash || w.seed().Step != step+2 {
			t.Errorf("challenged by %s, want step %d, %s", seed, step+2, w.seed().Hash)
		}
		open := w.open("nora", claim)
		w.FixSeed() // later seeds do not matter
		w.ok(w.Run(open))
	}
}

// challenged returns a world with a challenged claim of nora, with olaf's grant in the same session.
func challenged(t *testing.T) (*world, *statetest.Claim, remora.SessionID) {
	w := newWorld(t)
	id := w.session("alice", 9, statetest.Allot("nora", 20_000), statetest.Allot("olaf", 500))
	w.to(2)
	claim := w.claim("nora", 1, w.delivered(id, 9_000))
	w.ok(w.Run(w.commit("nora", claim)))
	w.FixSeed()
	w.FixSeed()
	w.stage(remora.ClaimChallenged, "nora", 1)
	return w, claim, id
}

// TestSlash lets the time to open pass: both blocks and block time must, and nobody else pays.
func TestSlash(t *testing.T) {
	w, claim, id := challenged(t)
	fixed, seed := w.View.Tip, w.seed().Hash
	other, grant := w.Grant(id, "olaf"), remora.Grant{Granted: 20_000, Left: 20_000, Held: worth(20_000) + 1}
	nora, totals, value := w.balance("nora"), w.totals(), worth(9_000)

	w.Idle(1, 10*statetest.EpochMillis) // a pause of the chain
	w.stage(remora.ClaimChallenged, "nora", 1)
	w.Idle(remora.OpenBlocks-1, 1)
	w.stage(remora.ClaimChallenged, "nora", 1)
	late := w.tx("nora", remora.KindOpenClaim, claim.Answer(t, seed))
	w.want(remora.CodeClaimClosed, w.Run(late))
	c := w.stage(remora.ClaimSlashed, "nora", 1)
	if w.View.Tip.Height != fixed.Height+remora.OpenBlocks+1 {
		t.Errorf("slashed in block %d, the seed was fixed in %d", w.View.Tip.Height, fixed.Height)
	}
	if c.Locked() != 0 || c.Paid != 0 || w.Grant(id, "nora") != grant || w.Grant(id, "olaf") != other {
		t.Errorf("claim %+v, grants %+v and %+v", c, w.Grant(id, "nora"), w.Grant(id, "olaf"))
	}
	if got := w.balance("nora"); got != nora-fee(t, late) {
		t.Errorf("node holds %s, want nothing but a fee less than %s", got, nora)
	}
	if now := w.totals(); now.Supply != totals.Supply-value || now.Treasury != totals.Treasury+fee(t, late) {
		t.Errorf("totals %+v, want a deposit of %s burnt of %+v", now, value, totals)
	}
	if n := w.Tables().Len(table.Deadlines); n != 1 {
		t.Errorf("%d deadlines, want that of the session", n)
	}
	w.want(remora.CodeClaimClosed, w.Run(w.tx("nora", remora.KindOpenClaim, claim.Answer(t, seed))))
	w.want(remora.CodeClaimExists, w.Run(w.commit("nora", claim)))
}

// TestSlashNeedsTime passes many blocks in little time, up to the last block in which an opening counts.
func TestSlashNeedsTime(t *testing.T) {
	for _, over := range []remora.Millis{0, 1} {
		w, claim, _ := challenged(t)
		fixed := w.View.Tip.Time
		w.Idle(2*remora.OpenBlocks, 1)
		w.stage(remora.ClaimChallenged, "nora", 1)
		open := w.open("nora", claim)
		ref := w.Batch(0, open)
		out := w.Next(statetest.Draft{Time: fixed + remora.OpenEpochs*statetest.EpochMillis + over, Payload: payload{0: {ref}}})
		want, state := remora.CodeOK, remora.ClaimSettled
		if over > 0 {
			want, state = remora.CodeClaimClosed, remora.ClaimSlashed
		}
		w.want(want, []remora.Code{remora.Code(out.Block.Results[0])})
		w.stage(state, "nora", 1)
	}
}

// TestReject lets no seed come: the node gets its deposit back and the session its bytes.
func TestReject(t *testing.T) {
	w := newWorld(t)
	id := w.session("alice", 9, statetest.Allot("nora", 20_000))
	w.to(2)
	nora, totals, grant := w.balance("nora"), w.totals(), w.Grant(id, "nora")
	claim := w.claim("nora", 1, w.delivered(id, 9_000))
	commit := w.commit("nora", claim)
	w.ok(w.Run(commit))
	committed := w.View.Tip
	w.FixSeed() // one is not enough
	w.Idle(1, remora.SeedEpochs*statetest.EpochMillis-10)
	w.Idle(remora.OpenBlocks-2, 0)
	if late := w.View.Tip; late.Height != committed.Height+remora.OpenBlocks || late.Time-committed.Time <= remora.SeedEpochs*statetest.EpochMillis {
		t.Fatalf("%d blocks and %d ms later", late.Height-committed.Height, late.Time-committed.Time)
	}
	w.stage(remora.ClaimCommitted, "nora", 1)
	w.Idle(1, 0)
	c := w.stage(remora.ClaimRejected, "nora", 1)
	totals.Treasury += fee(t, commit)
	if c.Locked() != 0 || w.Grant(id, "nora") != grant || w.balance("nora") != nora-fee(t, commit) || w.totals() != totals {
		t.Errorf("claim %+v, grant %+v, node holds %s, totals %+v", c, w.Grant(id, "nora"), w.balance("nora"), w.totals())
	}
	w.FixSeed()
	w.want(remora.CodeClaimClosed, w.Run(w.tx("nora", remora.KindOpenClaim, claim.Answer(t, w.seed().Hash))))
}

// TestRejectNeedsTime passes many blocks in little time, up to the last moment for the seed.
func TestRejectNeedsTime(t *testing.T) {
	w := newWorld(t)
	id := w.session("alice", 9, statetest.Allot("nora", 20_000))
	w.to(2)
	w.ok(w.Run(w.commit("nora", w.claim("nora", 1, w.delivered(id, 9_000)))))
	committed := w.View.Tip.Time
	w.Idle(2*remora.OpenBlocks, 1)
	w.Next(statetest.Draft{Time: committed + remora.SeedEpochs*statetest.EpochMillis})
	w.stage(remora.ClaimCommitted, "nora", 1)
	w.Idle(1, 1)
	w.stage(remora.ClaimRejected, "nora", 1)
}

// TestRejectEachInItsTime has two nodes wait for one step that does not come: the one that committed first is rejected
// first, whatever its address.
func TestRejectEachInItsTime(t *testing.T) {
	first, second := "nora", "olaf"
	if a, b := statetest.Address(first), statetest.Address(second); bytes.Compare(a[:], b[:]) < 0 {
		first, second = second, first
	}
	w := newWorld(t)
	id := w.session("alice", 9, statetest.Allot(first, 20_000), statetest.Allot(second, 20_000))
	w.to(2)
	w.ok(w.Run(w.commit(first, w.claim(first, 1, w.delivered(id, 9_000)))))
	w.Idle(1, 3*statetest.EpochMillis)
	w.ok(w.Run(w.commit(second, w.claim(second, 1, w.delivered(id, 9_000)))))
	w.Idle(remora.OpenBlocks, (remora.SeedEpochs-2)*statetest.EpochMillis/remora.OpenBlocks)
	w.stage(remora.ClaimRejected, first, 1)
	w.stage(remora.ClaimCommitted, second, 1)
}

// TestCloseSession: receipts of the present epoch still count, later ones do not, and the refund comes earlier.
func TestCloseSession(t *testing.T) {
	w := newWorld(t)
	id := w.session("alice", 100, statetest.Allot("nora", 20_000))
	w.to(3)
	alice := w.balance("alice")
	w.ok(w.Run(w.tx("alice", remora.KindCloseSession, remora.CloseSession{Session: id})))
	w.want(remora.CodeInvalidSession, w.Run(w.tx("alice", remora.KindCloseSession, remora.CloseSession{Session: id})))
	s, _, err := delivery.GetSession(w.Tables(), id)
	if err != nil || s.Expiry != 3 || s.Opened != 1 {
		t.Fatalf("session %+v (%v), want it to end with epoch 3", s, err)
	}
	w.to(5)
	w.ok(w.Run(w.commit("nora", w.claim("nora", 3, w.delivered(id, 9_000)))))
	w.want(remora.CodeClaimEpoch, w.Run(w.commit("nora", w.claim("nora", 4, w.delivered(id, 9_000)))))
	w.FixSeed()
	w.FixSeed()
	w.ok(w.Run(w.open("nora", w.claim("nora", 3, w.delivered(id, 9_000)))))
	w.to(8)
	if !w.hasSession(id, "alice") {
		t.Fatal("refunded while claims can come")
	}
	w.Idle(1, 1)
	if got, want := w.balance("alice"), alice-2*statetest.Fee+worth(20_000)+1-worth(9_000); w.hasSession(id, "alice") || got != want {
		t.Errorf("client holds %s, want %s", got, want)
	}
	w.want(remora.CodeUnknownSession, w.Run(w.tx("alice", remora.KindCloseSession, remora.CloseSession{Session: id})))
}

// TestRefundWaits for the last claim that may still fail and give bytes back.
func TestRefundWaits(t *testing.T) {
	w := newWorld(t)
	alice := w.balance("alice")
	id := w.session("alice", 1, statetest.Allot("nora", 20_000))
	w.to(5)
	claim := w.claim("nora", 1, w.delivered(id, 9_000))
	w.ok(w.Run(w.commit("nora", claim)))
	w.FixSeed()
	w.FixSeed() // the claim may now be opened for two epochs
	w.to(7)
	w.Idle(1, 1)
	w.stage(remora.ClaimChallenged, "nora", 1)
	if !w.hasSession(id, "alice") {
		t.Fatal("refunded although a claim is open")
	}
	w.Idle(remora.OpenBlocks, statetest.EpochMillis)
	w.stage(remora.ClaimSlashed, "nora", 1)
	if got := w.balance("alice"); w.hasSession(id, "alice") || got != alice-statetest.Fee {
		t.Errorf("client holds %s of %s: all but the fee must come back", got, alice)
	}
}

// TestGrantsOfNodesAreApart claims to the last byte for one node, and then for the other.
func TestGrantsOfNodesAreApart(t *testing.T) {
	w := newWorld(t)
	id := w.session("alice", 9, statetest.Allot("nora", 9_000), statetest.Allot("olaf", 700))
	w.to(2)
	w.ok(w.Run(w.commit("nora", w.claim("nora", 1, w.delivered(id, 9_000)))))
	w.want(remora.CodeOverAllotment, w.Run(w.commit("olaf", w.claim("olaf", 1, w.delivered(id, 701)))))
	w.ok(w.Run(w.commit("olaf", w.claim("olaf", 1, w.delivered(id, 700)))))
	w.to(3)
	for node, granted := range map[string]uint64{"nora": 9_000, "olaf": 700} {
		w.want(remora.CodeOverAllotment, w.Run(w.commit(node, w.claim(node, 2, w.delivered(id, 1)))))
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
	id := w.session("alice", 99, statetest.Allot("nora", 1<<24+1))
	if held := w.Grant(id, "nora").Held; held != 16_001 {
		t.Fatalf("%s prepaid for a byte more than 16 MiB, want 16001", held)
	}
	dearer := *g
	dearer.Params.PricePerMiB = 7_000
	m, err := state.NewMachine(&dearer)
	if err != nil {
		t.Fatal(err)
	}
	w.Machine = m
	other := w.session("bob", 99, statetest.Allot("nora", 1<<20))
	w.to(2)
	w.ok(w.Run(w.tx("nora", remora.KindCommitClaim, twist(w.claim("nora", 1, w.delivered(id, 1)), items(item(id, 3<<19), item(other, 3<<18))))))
	if c := w.stage(remora.ClaimCommitted, "nora", 1); c.Value != 1_500+5_250 {
		t.Errorf("value %s, want 1.5 MiB at 1000 and 0.75 MiB at 7000", c.Value)
	}
	w.Idle(remora.OpenBlocks+1, statetest.EpochMillis)
	w.stage(remora.ClaimRejected, "nora", 1)
	if a, b := w.Grant(id, "nora"), w.Grant(other, "nora"); a.Held != 16_001 || b.Held != 7_000 {
		t.Errorf("grants hold %s and %s again, want 16001 and 7000", a.Held, b.Held)
	}
}

// TestClaimWorthNothing goes the same way as any other: less than a base unit is rounded down to none.
func TestClaimWorthNothing(t *testing.T) {
	g := statetest.Genesis(dev, 4, "alice", "nora", "olaf")
	g.Params.PricePerMiB = 1
	w := newWorldOf(t, g)
	id := w.session("alice", 1, statetest.Allot("nora", 9_000))
	w.to(2)
	claim := w.claim("nora", 1, w.delivered(id, 9_000))
	w.ok(w.Run(w.commit("nora", claim)))
	w.FixSeed()
	w.FixSeed()
	w.ok(w.Run(w.open("nora", claim)))
	if c := w.stage(remora.ClaimSettled, "nora", 1); c.Value != 0 || c.Paid != 0 || c.Locked() != 0 {
		t.Errorf("claim %+v, want it to be worth nothing", c)
	}
	w.to(7)
	w.Idle(1, 1)
	if got := w.balance("alice"); got != statetest.Balance-statetest.Fee {
		t.Errorf("client holds %s, want all but the fee", got)
	}
}

// TestClaimWindows claims for each epoch of a session at its first and last moment.
func TestClaimWindows(t *testing.T) {
	w := newWorld(t)
	w.to(3)
	id := w.session("alice", 5, statetest.Allot("nora", 20_000))
	claim := func(epoch remora.Epoch) []byte { return w.commit("nora", w.claim("nora", epoch, w.delivered(id, 100))) }
	w.want(remora.CodeClaimEpoch, w.Run(claim(3))) // its receipts may still grow
	w.to(4)
	w.want(remora.CodeClaimEpoch, w.Run(claim(2))) // before the session
	w.to(7)
	w.ok(w.EndEpoch(claim(3))) // the last block of the fourth epoch after it
	w.want(remora.CodeClaimEpoch, w.Run(claim(2)))
	w.to(9)
	w.want(remora.CodeClaimEpoch, w.Run(claim(4), claim(6)))
	w.ok(w.EndEpoch(claim(5)))
	w.stage(remora.ClaimCommitted, "nora", 5)
}

// TestClaimsOfOneBlock claims again within one block: the second sees what the first did.
func TestClaimsOfOneBlock(t *testing.T) {
	w := newWorld(t)
	id := w.session("alice", 9, statetest.Allot("nora", 100), statetest.Allot("olaf", 100))
	w.to(3)
	got := w.Run(
		w.commit("nora", w.claim("nora", 1, w.delivered(id, 60))),
		w.commit("nora", w.claim("nora", 1, w.delivered(id, 1))),
		w.commit("nora", w.claim("nora", 2, w.delivered(id, 41))),
		w.commit("nora", w.claim("nora", 2, w.delivered(id, 40))),
		w.commit("olaf", w.claim("olaf", 2, w.delivered(id, 100))),
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
