package delivery

import (
	"bytes"
	"maps"
	"strings"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/session"
	"github.com/remora-network/remora/app/transfer"
)

// TestBadReceipts changes one thing of an honest acknowledgement at a time. None is taken or written, and the honest one is
// taken afterwards.
func TestBadReceipts(t *testing.T) {
	w := newWorld(t)
	f, absent := w.addFile(1, 50_000, true), w.addFile(2, 50_000, false)
	c, other := w.openSession(200_000), w.openSession(200_000)
	c.buyContent(f)
	c.noteDelivered(f, 1024, 20_000)
	honest := c.nextAck()
	resign := func(a *session.Acknowledgement) { a.Receipt = c.signReceipt(a.Receipt.Receipt) }
	message := func(domain remora.Domain, r remora.Receipt, scheme remora.Scheme) []byte {
		m := r.Message(domain, scheme)
		return m[:]
	}
	for name, change := range map[string]func(a *session.Acknowledgement){
		"total too high": func(a *session.Acknowledgement) { a.Receipt.Receipt.Bytes++; resign(a) },
		"total too low":  func(a *session.Acknowledgement) { a.Receipt.Receipt.Bytes--; resign(a) },
		"other number":   func(a *session.Acknowledgement) { a.Receipt.Receipt.Extents++; resign(a) },
		"other root":     func(a *session.Acknowledgement) { a.Receipt.Receipt.Root[0] ^= 1; resign(a) },
		"other node":     func(a *session.Acknowledgement) { a.Receipt.Receipt.Node[0] ^= 1; resign(a) },
		"later epoch":    func(a *session.Acknowledgement) { a.Receipt.Receipt.Epoch++; resign(a) },
		"earlier epoch":  func(a *session.Acknowledgement) { a.Receipt.Receipt.Epoch--; resign(a) },
		"other session":  func(a *session.Acknowledgement) { a.Receipt.Receipt.Session = other.session; resign(a) },
		"key of another": func(a *session.Acknowledgement) { a.Receipt = other.signReceipt(a.Receipt.Receipt) },
		"signature bit":  func(a *session.Acknowledgement) { a.Receipt.Signature[7] ^= 1 },
		"no signature":   func(a *session.Acknowledgement) { a.Receipt.Signature = remora.BLSSignature{} },
		"other chain": func(a *session.Acknowledgement) {
			a.Receipt.Signature = c.secret.Sign(message(remora.Domain{1}, a.Receipt.Receipt, 1))
		},
		"other scheme": func(a *session.Acknowledgement) {
			a.Receipt.Signature = c.secret.Sign(message(testDomain, a.Receipt.Receipt, 2))
		},
		"kept too few":      func(a *session.Acknowledgement) { a.Kept-- },
		"kept none":         func(a *session.Acknowledgement) { a.Kept = 0; a.Extents = c.tally.Extents() },
		"kept too many":     func(a *session.Acknowledgement) { a.Kept++ },
		"other extent":      func(a *session.Acknowledgement) { a.Extents[0].First++ },
		"shorter extent":    func(a *session.Acknowledgement) { a.Extents[0].Bytes-- },
		"content not held":  func(a *session.Acknowledgement) { a.Extents[0].Content = absent },
		"signed, not held":  func(a *session.Acknowledgement) { *a = c.ackExtent(absent, 20_000) },
		"signed, of length": func(a *session.Acknowledgement) { g := f; g.Length += 5; *a = c.ackExtent(g, 20_000) },
		"over the grant": func(a *session.Acknowledgement) {
			*a = c.ackExtent(f, 50_000)
			for range 3 {
				a.Extents = append(a.Extents, remora.Extent{Content: f, Bytes: 50_000})
			}
			a.Receipt.Receipt.Bytes, a.Receipt.Receipt.Extents = 250_000, 5
			resign(a)
		},
		"more than there is": func(a *session.Acknowledgement) { a.Receipt.Receipt.Bytes = 1<<64 - 1; resign(a) },
	} {
		before := maps.Clone(w.disk.rows)
		ack := honest
		ack.Extents = append([]remora.Extent(nil), honest.Extents...)
		change(&ack)
		r := c.request(f, 0, 1000)
		r.Acks = []session.Acknowledgement{ack}
		if head, _ := c.askCache(r); head.Code != session.ReceiptWrong || head.Reason == "" {
			t.Errorf("%s: %+v", name, head)
		}
		if !maps.EqualFunc(before, w.disk.rows, bytes.Equal) {
			t.Errorf("%s: became durable", name)
		}
	}
	for range 2 { // the second time it is known
		r := c.request(f, 0, 1000)
		r.Acks = []session.Acknowledgement{honest}
		if head, data := c.askCache(r); head.Code != session.Delivered || len(data) != 1000 {
			t.Errorf("the honest one: %+v", head)
		}
	}
	if w.Stats().Acked != 70_000 {
		t.Errorf("%d bytes acknowledged", w.Stats().Acked)
	}
}

// ackExtent returns the acknowledgement of one more extent after the 50,000 bytes that the cache has.
func (c *client) ackExtent(of remora.Content, size uint64) session.Acknowledgement {
	x := remora.Extent{Content: of, First: 3, Bytes: min(size, 20_000)}
	list := append([]remora.Extent(nil), c.tally.Extents()[0], x)
	sum := tallyOf(c.w.tb, list)
	r := c.receipt()
	r.Bytes, r.Extents, r.Root = sum.Bytes(), sum.Len(), sum.Root()
	return session.Acknowledgement{Receipt: c.signReceipt(r), Kept: 1, Extents: list[1:]}
}

// TestReceiptsAreDurableBeforeTheAnswer restarts the cache after every answer, and sends every receipt twice.
func TestReceiptsAreDurableBeforeTheAnswer(t *testing.T) {
	w := newWorld(t)
	f := w.addFile(1, 300_000, true)
	c := w.openSession(mib)
	for offset := uint64(0); offset < f.Length; offset += 50 << 10 {
		size := min(50<<10, f.Length-offset)
		if head, data := c.askCache(c.request(f, offset, size)); head.Code != session.Delivered || uint64(len(data)) != size {
			t.Fatalf("at %d: %+v", offset, head)
		}
		c.noteDelivered(f, offset, size)
		r := c.request(f, 0, 0)
		r.Acks = []session.Acknowledgement{c.nextAck()}
		for range 2 {
			if head, _ := c.askCache(r); head.Code != session.Delivered {
				t.Fatalf("at %d: %+v", offset, head)
			}
			w.restart()
			signed, err := decodeRow[remora.SignedReceipt](w.disk.rows[string(sessionKey(rowReceipt, c.epoch, c.session))], maxReceiptRow)
			if err != nil || signed != c.signReceipt(c.receipt()) {
				t.Fatalf("at %d: the journal has a receipt of %d bytes, %v", offset, signed.Receipt.Bytes, err)
			}
			kept, err := w.journal.Extents(c.session, c.epoch)
			if err != nil || tallyOf(t, kept).Root() != c.tally.Root() {
				t.Fatalf("at %d: the journal has %d extents, %v", offset, len(kept), err)
			}
		}
	}
	kept, err := decodeRow[session.Totals](w.disk.rows[string(accountKey(c.session))], maxTotalsRow)
	if err != nil || kept.Acked != f.Length || kept.Outstanding != 0 || kept.Lost != 0 {
		t.Errorf("totals %+v, %v", kept, err)
	}
}

// TestLateReceipts sends receipts after their epoch: they count until the epoch is closed.
func TestLateReceipts(t *testing.T) {
	w := newWorld(t)
	f := w.addFile(1, 100_000, true)
	c := w.openSession(mib)
	deliver := func(size uint64) {
		t.Helper()
		if head, _ := c.askCache(c.request(f, 0, size)); head.Code != session.Delivered {
			t.Fatalf("%+v", head)
		}
		c.noteDelivered(f, 0, size)
	}
	deliver(10_000)
	w.chain.Pass(epochTime)
	if head := c.payOwed(); head.Code != session.Delivered || head.Epoch != firstEpoch+1 {
		t.Fatalf("in the grace: %+v", head)
	}
	deliver(20_000)
	w.claimRounds(2)
	if len(w.chain.Claims()) != 0 {
		t.Fatal("claimed within the grace")
	}
	w.chain.Pass(epochTime / graceDivisor)
	w.claimRounds(2)
	if c := w.chain.Claims()[firstEpoch]; c.Bytes != 10_000 {
		t.Fatalf("claims %+v", w.chain.Claims())
	}
	for range 2 {
		if head := c.payLate(); head.Code != session.ReceiptStale || head.Epoch != firstEpoch+1 {
			t.Fatalf("after the plan: %+v", head)
		}
		w.restart()
	}
	a, err := w.accounts.takeAccount(c.session)
	if err != nil {
		t.Fatal(err)
	}
	if a.seller.Totals().Lost != 0 || a.seller.Totals().Acked != 10_000 {
		t.Errorf("%+v", a.seller.Totals())
	}
	w.accounts.leaveAccount(a)
	c.turnEpoch()
	c.noteDelivered(f, 0, 20_000) // the same bytes again, in the epoch of the answer
	if head := c.payOwed(); head.Code != session.Delivered {
		t.Fatalf("%+v", head)
	}
	// Late receipts earn no more bytes for nothing than the bound.
	free := uint64(0)
	for range 40 {
		c.turnEpoch()
		for range 12 {
			head, data := c.askCache(c.request(f, 0, 100_000))
			if free += uint64(len(data)); head.Code == session.Delivered {
				c.noteDelivered(f, 0, 100_000)
			}
		}
		w.chain.Pass(2 * epochTime)
		w.journal.open = w.chain.presentEpoch()
		if len(c.more) > 0 {
			c.payLate()
		}
	}
	if bound := uint64(session.FirstWindow + session.FirstWindow + 200_000); free > bound {
		t.Errorf("%d bytes for nothing, want at most %d", free, bound)
	}
}

// payLate acknowledges the bytes delivered in an epoch that is over.
func (c *client) payLate() transfer.DeliveryHead {
	c.w.tb.Helper()
	t, sent, last, more := c.tally.Clone(), c.sent, c.last, c.more
	head := c.payOwed()
	c.tally, c.sent, c.last, c.more = t, sent, last, more
	return head
}

// TestLastReceiptAfterExpiry takes the last receipt of an expired session, and serves nothing more.
func TestLastReceiptAfterExpiry(t *testing.T) {
	w := newWorld(t)
	f := w.addFile(1, 100_000, true)
	c := w.openSession(mib)
	w.chain.editSession(c.session, func(s *remora.Session, _ *remora.Grant) { s.Expiry = firstEpoch })
	if head, _ := c.askCache(c.request(f, 0, 1000)); head.Code != session.Delivered {
		t.Fatalf("%+v", head)
	}
	c.noteDelivered(f, 0, 1000)
	w.chain.Pass(epochTime)
	r := c.request(f, 0, 1000)
	r.Acks = []session.Acknowledgement{c.nextAck()}
	if head, _ := c.askCache(r); head.Code != session.SessionUnusable || !strings.Contains(head.Reason, "expired") {
		t.Errorf("%+v", head)
	}
	if w.Stats().Acked != 1000 {
		t.Error("the last receipt was not taken")
	}
	c.turnEpoch()
	c.noteDelivered(f, 0, 1000)
	if head := c.payOwed(); head.Code != session.ReceiptWrong {
		t.Errorf("a receipt after the session's end: %+v", head)
	}
}
