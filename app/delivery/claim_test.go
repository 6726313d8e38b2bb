package delivery

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/session"
	"github.com/remora-network/remora/app/transfer"
	proof "github.com/remora-network/remora/proofs/delivery"
	"github.com/remora-network/remora/state/statetest"
)

// sellTwoEpochs has three clients buy in this epoch and one of them in the next, and returns the bytes sold.
func (w *world) sellTwoEpochs() (total uint64) {
	w.tb.Helper()
	a, b := w.addFile(1, 300_000, true), w.addFile(2, 5_000, true)
	clients := []*client{w.openSession(mib), w.openSession(mib), w.openSession(mib)}
	for i, c := range clients {
		c.buyContent(a)
		if i > 0 {
			c.buyContent(b)
		}
		total += c.tally.Bytes()
	}
	w.chain.Pass(epochTime)
	clients[1].turnEpoch()
	clients[1].buyContent(b)
	return total + b.Length
}

func (w *world) claimedBytes() (total uint64) {
	for _, c := range w.chain.Claims() {
		total += c.Bytes
	}
	return total
}

func TestClaimsArePaid(t *testing.T) {
	w := newWorld(t)
	total := w.sellTwoEpochs()
	if err := w.runUntil(w.settledClaims(2)); err != nil {
		t.Fatal(err)
	}
	if w.claimedBytes() != total || w.chain.countClaims(remora.ClaimSlashed) != 0 || w.Stats().Opened != 2 || w.Stats().Epochs != 0 {
		t.Errorf("claimed %d of %d bytes, slashed %d, %+v", w.claimedBytes(), total, w.chain.countClaims(remora.ClaimSlashed), w.Stats())
	}
	if len(w.journal.roots) != 0 || len(w.claimer.jobs) != 0 {
		t.Errorf("%d roots and %d jobs are left", len(w.journal.roots), len(w.claimer.jobs))
	}
	if w.chain.sends != 4 {
		t.Errorf("%d transactions, want 4", w.chain.sends)
	}
}

// TestKilledAnywhere kills the process at every write of the journal and at every transaction, before and after its effect,
// and restarts it: each epoch has one claim, the planned one, opened and paid.
func TestKilledAnywhere(t *testing.T) {
	points := 0
	for _, at := range []string{"write", "send"} {
		for _, after := range []bool{false, true} {
			for n := 1; ; n++ {
				killed := false
				t.Run(fmt.Sprintf("%s %d after %t", at, n, after), func(t *testing.T) { killed = killAt(t, at, n, after) })
				if t.Failed() {
					return
				}
				if !killed {
					break
				}
				points++
			}
		}
	}
	t.Logf("%d points", points)
	if points < 16 {
		t.Error("too few points")
	}
}

func killAt(t *testing.T, at string, n int, after bool) (killed bool) {
	w := newWorld(t)
	total := w.sellTwoEpochs()
	w.disk.writes = 0
	if at == "write" {
		w.disk.onPut = func(i int) (bool, bool) {
			killed = killed || i == n
			return i == n && !after, i == n && after
		}
	} else {
		w.chain.onSend = func(i int, _ remora.Kind) (error, error) {
			if i != n {
				return nil, nil
			}
			w.disk.dead, killed = true, true // a dead process writes nothing more
			w.journal.failWith(errKilled)
			if after {
				return nil, errKilled
			}
			return errKilled, nil
		}
	}
	err := w.runUntil(w.settledClaims(2))
	if killed != (err != nil) {
		t.Fatalf("killed: %t, %v", killed, err)
	}
	var planned []remora.Hash
	_ = w.disk.Ascend([]byte{rowPlan}, func(_, v []byte) bool {
		p, err := decodeRow[plan](v, maxPlanRow)
		if err != nil {
			t.Fatal(err)
		}
		planned = append(planned, p.Commit.ID(testDomain, self))
		return true
	})
	if killed {
		w.restart()
		if err := w.runUntil(w.settledClaims(2)); err != nil {
			t.Fatal(err)
		}
	}
	ids := map[remora.Hash]bool{}
	for _, c := range w.chain.Claims() {
		ids[c.ID] = true
	}
	for _, id := range planned {
		if !ids[id] {
			t.Error("a claim that was planned is not the one on the chain")
		}
	}
	if w.claimedBytes() != total || len(w.chain.Claims()) != 2 || w.chain.countClaims(remora.ClaimSlashed) != 0 {
		t.Errorf("%d claims of %d bytes, want 2 of %d; slashed %d", len(w.chain.Claims()), w.claimedBytes(), total, w.chain.countClaims(remora.ClaimSlashed))
	}
	return killed
}

// TestLargeClaim has more sessions than a claim may list: the first ones are claimed, and the log counts the rest.
func TestLargeClaim(t *testing.T) {
	w := newWorld(t)
	f := w.addFile(1, 4096, true)
	const extra = 5
	for i := range remora.MaxClaimItems + extra {
		c := w.openSession(4096)
		if i >= 40 { // the first 40 are real sales
			c.plantReceipt(remora.Extent{Content: f, Bytes: 4096})
			continue
		}
		c.buyContent(f)
	}
	w.restart()
	w.claimRounds(1)
	w.chain.Pass(epochTime + epochTime/graceDivisor)
	w.claimRounds(2)
	claim := w.chain.Claims()[firstEpoch]
	if claim.Count != remora.MaxClaimItems || claim.Bytes != remora.MaxClaimItems*4096 {
		t.Fatalf("claim %+v", claim)
	}
	if !strings.Contains(w.logged.String(), fmt.Sprintf(`"not claimable"=%d`, extra)) {
		t.Errorf("nobody says that receipts are left:\n%s", w.logged.String())
	}
	if err := w.runUntil(w.settledClaims(1)); err != nil || w.chain.countClaims(remora.ClaimSlashed) != 0 {
		t.Error(err)
	}
}

// plantReceipt writes a receipt into the journal as if it had been received.
func (c *client) plantReceipt(x remora.Extent) {
	c.noteDelivered(x.Content, x.Start(), x.Bytes)
	ack := c.nextAck()
	if err := c.w.journal.writeRows(map[string][]byte{
		string(sessionKey(rowReceipt, c.epoch, c.session)): remora.Encode(ack.Receipt),
		string(extentKey(c.epoch, c.session, 0)):           remora.Encode(x),
		string(accountKey(c.session)):                      remora.Encode(session.Totals{Acked: x.Bytes}),
	}, nil); err != nil {
		c.w.tb.Error(err)
	}
}

// TestOnlyWhatIsClaimable leaves out receipts that the chain would refuse, so that the rest is paid.
func TestOnlyWhatIsClaimable(t *testing.T) {
	w := newWorld(t)
	f := w.addFile(1, 10_000, true)
	var clients []*client
	for range 6 {
		c := w.openSession(mib)
		c.buyContent(f)
		clients = append(clients, c)
	}
	w.chain.editSession(clients[0].session, func(s *remora.Session, _ *remora.Grant) { *s = remora.Session{} }) // gone
	w.chain.editSession(clients[2].session, func(s *remora.Session, _ *remora.Grant) { s.Expiry = firstEpoch - 1 })
	w.chain.editSession(clients[4].session, func(_ *remora.Session, g *remora.Grant) { g.Left = 9_999 })
	w.chain.editSession(clients[5].session, func(s *remora.Session, _ *remora.Grant) { s.Price = 1 << 63 })
	if err := w.runUntil(w.settledClaims(1)); err != nil {
		t.Fatal(err)
	}
	items := w.chain.commits[firstEpoch].Items
	if len(items) != 2 || items[0].Session != clients[1].session || items[1].Session != clients[3].session {
		t.Errorf("items %+v", items)
	}
	if w.disk.countRows(rowAccount) != 5 {
		t.Errorf("totals of %d sessions, want those of the 5 that the chain has", w.disk.countRows(rowAccount))
	}
}

// TestNothingClaimable closes an epoch without claimable receipts.
func TestNothingClaimable(t *testing.T) {
	w := newWorld(t)
	f := w.addFile(1, 10_000, true)
	c := w.openSession(mib)
	c.buyContent(f)
	w.chain.editSession(c.session, func(_ *remora.Session, g *remora.Grant) { g.Left = 0 })
	w.chain.Pass(2 * epochTime)
	w.claimRounds(1)
	if w.disk.countRows(rowReceipt)+w.disk.countRows(rowExtent)+w.disk.countRows(rowPlan) != 0 || len(w.chain.Claims()) != 0 {
		t.Error("something is left, or was claimed")
	}
	w.restart()
	c.noteDelivered(f, 0, 10_000)
	if head := c.payLate(); head.Code != session.ReceiptStale {
		t.Errorf("a receipt after that: %+v", head)
	}
}

// TestBalanceDecides claims the receipts that the account can pay the deposit for, waits while there are none, and logs what
// it gives up.
func TestBalanceDecides(t *testing.T) {
	w := newWorld(t)
	f, g := w.addFile(1, 2*mib, true), w.addFile(2, mib/2, true)
	rich, modest := w.openSession(8*mib), w.openSession(8*mib)
	rich.buyContent(f)
	modest.buyContent(g)
	fees := w.c.Params.LeastFee(remora.WeighClaim(1)) + w.c.Params.LeastFee(remora.MaxOpeningWeight)
	w.chain.Pass(epochTime + epochTime/graceDivisor)
	w.chain.SetBalance(fees + price/2 - 1)
	w.claimRounds(3)
	if len(w.chain.Claims())+w.disk.countRows(rowPlan) != 0 || w.disk.countRows(rowReceipt) != 2 {
		t.Fatal("planned without the money")
	}
	if n := strings.Count(w.logged.String(), "does not cover"); n != 1 {
		t.Errorf("said so %d times", n)
	}
	w.chain.SetBalance(fees + price/2)
	w.claimRounds(2)
	if items := w.chain.commits[firstEpoch].Items; len(items) != 1 || items[0].Session != modest.session {
		t.Fatalf("claims %+v", w.chain.Claims())
	}
	if err := w.runUntil(w.settledClaims(1)); err != nil {
		t.Fatal(err)
	}
	rich.turnEpoch()
	rich.buyContent(g)
	w.chain.SetBalance(0)
	if err := w.runUntil(w.settledClaims(1)); err != nil || !strings.Contains(w.logged.String(), "given up") {
		t.Errorf("%v\n%s", err, w.logged.String())
	}
}

// TestRefusedOnce has the chain refuse or not answer two of every three transactions.
func TestRefusedOnce(t *testing.T) {
	w := newWorld(t)
	total := w.sellTwoEpochs()
	w.chain.onSend = func(n int, _ remora.Kind) (error, error) {
		switch n % 3 {
		case 0:
			return nil, nil
		case 1:
			return remora.Reject(remora.CodeFeeTooLow, "later"), nil
		}
		return context.DeadlineExceeded, nil
	}
	if err := w.runUntil(w.settledClaims(2)); err != nil || w.claimedBytes() != total || w.chain.countClaims(remora.ClaimSlashed) != 0 {
		t.Errorf("%v, %d bytes claimed, slashed %d", err, w.claimedBytes(), w.chain.countClaims(remora.ClaimSlashed))
	}
	if log := w.logged.String(); !strings.Contains(log, "TX_FEE_TOO_LOW") || !strings.Contains(log, "yet") {
		t.Errorf("nothing of it in the log:\n%s", log)
	}
}

// TestNeverCommitted gives a claim up only when the chain would no longer take it.
func TestNeverCommitted(t *testing.T) {
	w := newWorld(t)
	w.sellTwoEpochs()
	w.chain.onSend = func(int, remora.Kind) (error, error) { return errors.New("nobody listens"), nil }
	var dropped remora.Epoch
	done := func() bool {
		if w.disk.countRows(rowPlan) > 0 && w.chain.presentEpoch() > dropped {
			dropped = w.chain.presentEpoch()
		}
		return w.disk.countRows(rowReceipt) == 0
	}
	if err := w.runUntil(done); err != nil || dropped <= firstEpoch+1+remora.ClaimEpochs-1 {
		t.Errorf("%v, the last plan was there in epoch %d", err, dropped)
	}
	if !strings.Contains(w.logged.String(), "level=ERROR") {
		t.Error("given up without a word")
	}
}

// TestSlowSeed opens a claim whose seed comes late.
func TestSlowSeed(t *testing.T) {
	w := newWorld(t)
	w.sellTwoEpochs()
	w.chain.seedEvery = 30
	if err := w.runUntil(w.settledClaims(2)); err != nil || w.chain.countClaims(remora.ClaimSlashed) != 0 || w.chain.sends != 4 {
		t.Errorf("%v, slashed %d, %d transactions", err, w.chain.countClaims(remora.ClaimSlashed), w.chain.sends)
	}
}

// TestDamageDelaysTheOpening damages the content of a challenged claim, and restores it in time or not at all.
func TestDamageDelaysTheOpening(t *testing.T) {
	for _, back := range []bool{true, false} {
		w := newWorld(t)
		w.sellTwoEpochs()
		for c := range w.files {
			w.damageFile(c)
		}
		done, healed := w.settledClaims(2), false
		err := w.runUntil(func() bool {
			if back && !healed && strings.Contains(w.logged.String(), "could not open") {
				for c := range w.files {
					if err := w.store.Remove(c.Root); err != nil {
						t.Error(err)
					}
					w.holdContent(c)
				}
				healed = true
			}
			return done() || w.chain.countClaims(remora.ClaimSlashed) == 2 && w.disk.countRows(rowPlan) == 0
		})
		if err != nil || back != (w.chain.countClaims(remora.ClaimSlashed) == 0) {
			t.Errorf("content came back: %t, slashed %d, %v", back, w.chain.countClaims(remora.ClaimSlashed), err)
		}
	}
}

// TestAnotherClaim finds a claim on the chain that is not the journal's: it sends no opening.
func TestAnotherClaim(t *testing.T) {
	w := newWorld(t)
	f := w.addFile(1, 10_000, true)
	c := w.openSession(mib)
	c.buyContent(f)
	w.chain.Pass(2 * epochTime)
	if err := w.chain.Execute(remora.CommitClaim{
		Epoch: firstEpoch, Total: 1, Items: []remora.ClaimItem{{Session: c.session, Bytes: 1}}, Receipts: remora.Hash{5},
	}); err != nil {
		t.Fatal(err)
	}
	if err := w.runUntil(func() bool { return w.disk.countRows(rowReceipt) == 0 }); err != nil || w.chain.countClaims(remora.ClaimSlashed) != 1 {
		t.Errorf("%v, slashed %d", err, w.chain.countClaims(remora.ClaimSlashed))
	}
	if w.chain.sends != 0 {
		t.Errorf("%d transactions", w.chain.sends)
	}
}

// TestChainBehindTheJournal changes nothing while the chain is behind the journal.
func TestChainBehindTheJournal(t *testing.T) {
	w := newWorld(t)
	w.sellTwoEpochs()
	w.chain.Pass(2 * epochTime)
	w.claimRounds(1)
	w.chain.Cache = statetest.NewCache(t, testDomain, self, 1, params)
	rows := len(w.disk.rows)
	if err := w.claimer.claimEpochs(t.Context(), w.accounts); !errors.Is(err, remora.ErrInvalid) || len(w.disk.rows) != rows {
		t.Errorf("%v, %d of %d rows", err, len(w.disk.rows), rows)
	}
}

func TestRejectedClaimEnds(t *testing.T) {
	w := newWorld(t)
	w.sellTwoEpochs()
	w.chain.seedEvery = 0
	done := func() bool {
		return w.chain.countClaims(remora.ClaimRejected) == 2 && w.disk.countRows(rowReceipt) == 0
	}
	if err := w.runUntil(done); err != nil {
		t.Error(err)
	}
}

// TestKeptRoots ends epochs out of order whose receipts name the same content.
func TestKeptRoots(t *testing.T) {
	j := newJournal(Config{})
	x := func(b byte) []remora.Extent { return []remora.Extent{{Content: remora.Content{Root: remora.Hash{b}}}} }
	j.noteExtents(5, x(1))
	j.noteExtents(7, x(1))
	j.noteExtents(6, x(2))
	j.endEpoch(7)
	if !j.needsRoot(remora.Hash{1}) || !j.needsRoot(remora.Hash{2}) {
		t.Error("forgotten while epoch 5 may be opened")
	}
	j.noteExtents(8, x(3))
	j.endEpoch(5)
	j.endEpoch(6)
	if j.needsRoot(remora.Hash{1}) || j.needsRoot(remora.Hash{2}) || !j.needsRoot(remora.Hash{3}) {
		t.Errorf("%v", j.roots)
	}
	j.endEpoch(8)
	if len(j.roots)+len(j.epochs) != 0 {
		t.Errorf("%v", j.roots)
	}
}

// TestTotalsFormat pins the encoding of totals: a cache reads those of earlier versions.
func TestTotalsFormat(t *testing.T) {
	const want = "861a0010000002030405825820060000000000000000000000000000000000000000000000000000000000000058200700000000000000000000000000000000000000000000000000000000000000"
	totals := session.Totals{Acked: mib, Outstanding: 2, Lost: 3, Forgiven: 4, Forgave: 5, Passes: []remora.Hash{{6}, {7}}}
	if got := hex.EncodeToString(remora.Encode(totals)); got != want {
		t.Errorf("totals are encoded as %s", got)
	}
}

// FuzzRows feeds the decoders of rows any bytes: they accept canonical rows within limits, or return remora.ErrCorrupt.
func FuzzRows(f *testing.F) {
	x := remora.Extent{Content: remora.Content{Length: 5000}, First: 1, Bytes: 7}
	commit := remora.CommitClaim{Epoch: 1, Total: 5, Items: []remora.ClaimItem{{Session: 1, Bytes: 5}}}
	f.Add(extentKey(1, 2, 3), remora.Encode(x))
	f.Add(epochKey(rowPlan, 1), remora.Encode(plan{Commit: commit}))
	f.Add(sessionKey(rowReceipt, 1, 2), remora.Encode(remora.SignedReceipt{}))
	f.Add(accountKey(1), remora.Encode(session.Totals{Passes: make([]remora.Hash, 4)}))
	f.Add([]byte{rowOpen}, encodeOpen(3))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		var errs []error
		check := func(err error) { errs = append(errs, err) }
		if e, err := decodeRow[remora.Extent](value, maxExtentRow); err == nil {
			if _, err := proof.NewTally([]remora.Extent{e}); err != nil {
				t.Errorf("took an extent that is none: %v", err)
			}
		} else {
			check(err)
		}
		if p, err := decodeRow[plan](value, maxPlanRow); err == nil && p.Commit.Check() != nil {
			t.Error("took a plan that cannot be committed")
		} else {
			check(err)
		}
		_, err := decodeRow[remora.SignedReceipt](value, maxReceiptRow)
		check(err)
		_, err = decodeRow[session.Totals](value, maxTotalsRow)
		check(err)
		_, err = decodeOpen(value)
		check(err)
		_, err = keyNumber(key)
		check(err)
		for _, err := range errs {
			if err != nil && !errors.Is(err, remora.ErrCorrupt) {
				t.Errorf("%v", err)
			}
		}
	})
}

// FuzzDeliver feeds the handler any request.
func FuzzDeliver(f *testing.F) {
	w := newWorld(f)
	file := w.addFile(1, 10_000, true)
	c := w.openSession(mib)
	r := c.request(file, 0, 1000)
	f.Add(remora.Encode(r))
	c.noteDelivered(file, 0, 1000)
	r.Acks = []session.Acknowledgement{c.nextAck()}
	f.Add(remora.Encode(r))
	f.Fuzz(func(t *testing.T, b []byte) {
		answer, err := w.Deliver(t.Context(), "peer", b)
		if err != nil {
			return
		}
		if _, _, err := transfer.DecodeDelivery(answer); err != nil {
			t.Errorf("an answer that is none: %v", err)
		}
	})
}
