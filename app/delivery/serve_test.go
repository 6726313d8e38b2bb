package delivery

import (
	"bytes"
	"errors"
	"maps"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/session"
	"github.com/remora-network/remora/app/transfer"
)

const mib = 1 << 20

func TestHonestStream(t *testing.T) {
	w := newWorld(t)
	big, small := w.addFile(1, 5*mib+12345, true), w.addFile(2, 700, true)
	c := w.openSession(64 * mib)
	c.buyContent(big)
	c.buyContent(small)
	c.buyContent(big) // again, as another extent
	if want := 2*big.Length + small.Length; w.Stats().Acked != want || w.Stats().Delivered != want || c.tally.Len() != 3 {
		t.Errorf("%+v with %d extents, want %d bytes and 3", w.Stats(), c.tally.Len(), want)
	}
	if !w.Needed(big.Root) || !w.Needed(small.Root) || w.Needed(remora.Hash{1}) {
		t.Error("the content under receipts is not needed, or other content is")
	}
	w.restart()
	if !w.Needed(small.Root) {
		t.Error("the content under receipts is not needed after a restart")
	}
	c.buyContent(small)
}

func TestRefusals(t *testing.T) {
	w := newWorld(t)
	f, absent := w.addFile(1, 10_000, true), w.addFile(2, 10_000, false)
	c, other := w.openSession(mib), w.openSession(mib)
	w.chain.editSession(w.openSession(mib).session, func(s *remora.Session, _ *remora.Grant) { s.Expiry = firstEpoch - 1 })
	w.chain.editSession(w.openSession(mib).session, func(s *remora.Session, _ *remora.Grant) { s.Scheme = 9 })
	w.chain.editSession(w.openSession(mib).session, func(_ *remora.Session, g *remora.Grant) { *g = remora.Grant{} })
	poor := w.openSession(9_999)
	for name, tt := range map[string]struct {
		change func(r *transfer.DeliveryRequest)
		want   session.Code
	}{
		"honest":              {func(*transfer.DeliveryRequest) {}, session.Delivered},
		"unknown session":     {func(r *transfer.DeliveryRequest) { r.Session = 99 }, session.SessionUnusable},
		"expired session":     {func(r *transfer.DeliveryRequest) { r.Session = 3 }, session.SessionUnusable},
		"other scheme":        {func(r *transfer.DeliveryRequest) { r.Session = 4 }, session.SessionUnusable},
		"no grant":            {func(r *transfer.DeliveryRequest) { r.Session = 5 }, session.SessionUnusable},
		"session of another":  {func(r *transfer.DeliveryRequest) { r.Session = other.session }, session.ProofWrong},
		"proof of another":    {func(r *transfer.DeliveryRequest) { r.Proof, r.Pass = other.request(f, 0, 1).Proof, other.pass }, session.ProofWrong},
		"no point":            {func(r *transfer.DeliveryRequest) { r.Proof, r.Pass = remora.BLSSignature{}, remora.Hash{1} }, session.ProofWrong},
		"absent content":      {func(r *transfer.DeliveryRequest) { r.Content = absent }, session.NotHeld},
		"content of a length": {func(r *transfer.DeliveryRequest) { r.Content.Length++ }, session.NotHeld},
		"grant too small":     {func(r *transfer.DeliveryRequest) { *r = *poor.request(f, 0, 10_000) }, session.AllotmentSpent},
	} {
		r := c.request(f, 0, 10_000)
		tt.change(r)
		head, _ := c.askCache(r)
		if head.Code != tt.want || head.Epoch != firstEpoch || (head.Reason == "") != (tt.want == session.Delivered) {
			t.Errorf("%s: %+v, want code %d", name, head, tt.want)
		}
	}
	if _, err := w.Deliver(t.Context(), "peer", []byte("junk")); !errors.Is(err, remora.ErrMalformed) {
		t.Errorf("junk: %v", err)
	}
}

// TestGoneContentCostsNothing removes content: bytes that are not delivered do not count.
func TestGoneContentCostsNothing(t *testing.T) {
	w := newWorld(t)
	f := w.addFile(1, 10_000, true)
	c := w.openSession(mib)
	if err := w.store.Remove(f.Root); err != nil {
		t.Fatal(err)
	}
	if head, _ := c.askCache(c.request(f, 0, 10_000)); head.Code != session.NotHeld {
		t.Errorf("%+v", head)
	}
	w.holdContent(f)
	a, err := w.accounts.takeAccount(c.session)
	if err != nil {
		t.Fatal(err)
	}
	defer w.accounts.leaveAccount(a)
	if a.seller.Totals().Outstanding != 0 {
		t.Errorf("%d bytes count as delivered", a.seller.Totals().Outstanding)
	}
}

// TestDamageIsNotHeld damages content on disk: nothing of it is delivered or counted.
func TestDamageIsNotHeld(t *testing.T) {
	w := newWorld(t)
	f := w.addFile(1, 100_000, true)
	c := w.openSession(mib)
	w.damageFile(f)
	for range 3 {
		if head, _ := c.askCache(c.request(f, 0, 100_000)); head.Code != session.NotHeld {
			t.Errorf("%+v", head)
		}
	}
	w.holdContent(f)
	if err := w.accounts.flushTotals(); err != nil {
		t.Fatal(err)
	}
	if kept, err := decodeRow[session.Totals](w.disk.rows[string(accountKey(c.session))], maxTotalsRow); err != nil || kept.Outstanding+kept.Lost != 0 {
		t.Errorf("%+v, %v", kept, err)
	}
}

// TestWindowHoldsUnderConcurrency asks for more than the window at once, and then for more than the allotment.
func TestWindowHoldsUnderConcurrency(t *testing.T) {
	w := newWorld(t)
	f := w.addFile(1, 4*mib, true)
	c := w.openSession(64 * mib)
	tight := w.openSession(mib / 2)
	for _, tt := range []struct {
		c     *client
		limit uint64
		code  session.Code
	}{{c, session.FirstWindow, session.WindowClosed}, {tight, mib / 2, session.AllotmentSpent}} {
		var got atomic.Uint64
		var group sync.WaitGroup
		for i := range uint64(40) {
			group.Go(func() {
				head, data, err := tt.c.tryCache(tt.c.request(f, i*64<<10, 64<<10))
				if err != nil || head.Code != session.Delivered && head.Code != tt.code {
					t.Errorf("%+v, %v", head, err)
				}
				got.Add(uint64(len(data)))
			})
		}
		group.Wait()
		if got.Load() != tt.limit {
			t.Errorf("delivered %d bytes ahead, want %d", got.Load(), tt.limit)
		}
	}
}

// TestWindowGrows pays until the window is session.MaxWindow.
func TestWindowGrows(t *testing.T) {
	w := newWorld(t)
	f := w.addFile(1, 4*mib, true)
	c := w.openSession(1 << 40)
	for range 5 {
		c.buyContent(f)
	}
	for range 4 {
		if head, _ := c.askCache(c.request(f, 0, 4*mib)); head.Code != session.Delivered {
			t.Fatalf("%+v", head)
		}
	}
	if head, _ := c.askCache(c.request(f, 0, 1)); head.Code != session.WindowClosed {
		t.Errorf("more than 16 MiB ahead: %+v", head)
	}
}

// TestFreeBytesAreBounded has clients that paid different amounts take all they can with new passes, across restarts.
func TestFreeBytesAreBounded(t *testing.T) {
	w := newWorld(t)
	f := w.addFile(1, 4*mib, true)
	for _, paid := range []int{0, 1, 5, 40} {
		c := w.openSession(1 << 40)
		for range paid {
			c.buyContent(f)
		}
		free := uint64(0)
		for i := range 200 {
			c.drawPass()
			for size := uint64(4 * mib); size >= 4096; size /= 2 {
				_, data := c.askCache(c.request(f, 0, size))
				free += uint64(len(data))
			}
			if i%50 == 49 {
				if err := w.accounts.flushTotals(); err != nil { // as Run does at its end
					t.Fatal(err)
				}
				w.restart()
			}
		}
		trust := uint64(paid)*f.Length + session.FirstWindow
		bound := min(trust, trust/8+session.MaxWindow)
		t.Logf("paid %d MiB: %d KiB for nothing, bound %d KiB", paid*4, free>>10, bound>>10)
		if free > bound {
			t.Errorf("paid for %d bytes, took %d for nothing, want at most %d", uint64(paid)*f.Length, free, bound)
		}
		// A client that pays for its lost bytes is trusted again.
		for range free/f.Length + 1 {
			c.noteDelivered(f, 0, f.Length)
		}
		if head := c.payOwed(); head.Code != session.Delivered {
			t.Errorf("%+v", head)
		}
		if head, _ := c.askCache(c.request(f, 0, 4096)); head.Code != session.Delivered {
			t.Errorf("paid %d, after paying what was lost: %+v", paid, head)
		}
	}
}

// TestFetchesSideBySide alternates between two passes: each counts as given up at most once.
func TestFetchesSideBySide(t *testing.T) {
	w := newWorld(t)
	f := w.addFile(1, mib, true)
	c := w.openSession(1 << 30)
	first := c.pass
	for i := range 40 {
		if c.pass = first; i%2 == 1 {
			c.pass[0] ^= 1
		}
		if head, _ := c.askCache(c.request(f, 0, 20_000)); head.Code != session.Delivered {
			t.Fatalf("request %d: %+v", i, head)
		}
		c.noteDelivered(f, 0, 20_000)
		if i > 2 {
			if head := c.payOwed(); head.Code != session.Delivered {
				t.Fatalf("%+v", head)
			}
		}
	}
}

// TestSessionsInMemoryAreBounded serves more sessions than fit in memory: none forgets its outstanding bytes.
func TestSessionsInMemoryAreBounded(t *testing.T) {
	w := newWorld(t)
	f := w.addFile(1, 4096, true)
	w.accounts.limits.accounts = 100
	var clients []*client
	for range 300 {
		clients = append(clients, w.openSession(5000))
	}
	for i, c := range clients {
		if head, _ := c.askCache(c.request(f, 0, 4096)); head.Code != session.Delivered {
			t.Fatalf("session %d: %+v", i, head)
		}
	}
	if n := len(w.accounts.live); n > 100 {
		t.Errorf("%d sessions in memory", n)
	}
	for i, c := range clients[:50] {
		if head, _ := c.askCache(c.request(f, 0, 4096)); head.Code != session.AllotmentSpent {
			t.Fatalf("session %d was forgotten: %+v", i, head)
		}
	}
	if n := w.verified.passes.Len(); n > maxPasses {
		t.Errorf("%d passes in memory", n)
	}
}

// TestTalliesAreBounded acknowledges more extents than fit in memory: tallies of idle sessions go, and are read again.
func TestTalliesAreBounded(t *testing.T) {
	w := newWorld(t)
	f := w.addFile(1, 4096, true)
	w.accounts.limits.extents = 40_000
	var clients []*client
	for range 10 {
		c := w.openSession(1 << 30)
		for range 2 {
			for range 4000 {
				c.noteDelivered(f, 0, 1)
			}
			if head := c.payOwed(); head.Code != session.Delivered {
				t.Fatalf("%+v", head)
			}
		}
		clients = append(clients, c)
		if w.accounts.extents > 40_000 {
			t.Fatalf("%d extents in memory", w.accounts.extents)
		}
	}
	for _, c := range clients {
		c.noteDelivered(f, 0, 7)
		if head := c.payOwed(); head.Code != session.Delivered {
			t.Errorf("session %d: %+v", c.session, head)
		}
	}
	if w.accounts.extents > 40_000 {
		t.Errorf("%d extents in memory", w.accounts.extents)
	}
	for range 17 { // up to the receipt's limit
		for range 4000 {
			clients[0].more = append(clients[0].more, remora.Extent{Content: f, Bytes: 1})
		}
		if len(clients[0].more)+int(clients[0].tally.Len()) > remora.MaxExtents {
			clients[0].more = clients[0].more[:remora.MaxExtents-int(clients[0].tally.Len())]
		}
		if len(clients[0].more) > 0 {
			if head := clients[0].payOwed(); head.Code != session.Delivered {
				t.Fatalf("%+v", head)
			}
		}
	}
	over := clients[0].receipt()
	over.Bytes, over.Extents = over.Bytes+1, over.Extents+1
	r := clients[0].request(f, 0, 0)
	r.Acks = []session.Acknowledgement{{Receipt: clients[0].signReceipt(over), Kept: remora.MaxExtents, Extents: []remora.Extent{{Content: f, Bytes: 1}}}}
	if head, _ := clients[0].askCache(r); head.Code != session.ReceiptWrong {
		t.Errorf("an extent more than a receipt has: %+v", head)
	}
}

// TestJournalFailureStops fails a write: the receipt is not taken, nothing is delivered then or later, and Run returns.
func TestJournalFailureStops(t *testing.T) {
	w := newWorld(t)
	f := w.addFile(1, 10_000, true)
	c := w.openSession(mib)
	c.buyContent(f)
	w.chain.still = true
	ended := make(chan error, 1)
	go func() { ended <- w.Run(t.Context()) }()
	before := maps.Clone(w.disk.rows)
	w.disk.mu.Lock()
	w.disk.onPut = func(int) (bool, bool) { return true, false }
	w.disk.mu.Unlock()
	c.noteDelivered(f, 0, 10_000)
	r := c.request(f, 0, 10_000)
	r.Acks = []session.Acknowledgement{c.nextAck()}
	for range 2 {
		if answer, err := w.Deliver(t.Context(), "peer", remora.Encode(r)); !errors.Is(err, ErrStopped) || len(answer) != 0 {
			t.Errorf("%d bytes, %v", len(answer), err)
		}
	}
	if err := <-ended; !errors.Is(err, ErrStopped) || !errors.Is(err, errKilled) {
		t.Errorf("Run: %v", err)
	}
	w.disk.onPut = nil
	if !maps.EqualFunc(before, w.disk.rows, bytes.Equal) {
		t.Error("rows changed")
	}
}
