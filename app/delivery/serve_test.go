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
	big, small := w.file(1, 5*mib+12345, true), w.file(2, 700, true)
	c := w.open(64 * mib)
	c.buy(big)
	c.buy(small)
	c.buy(big) // again, as another extent
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
	c.buy(small)
}

func TestRefusals(t *testing.T) {
	w := newWorld(t)
	f, absent := w.file(1, 10_000, true), w.file(2, 10_000, false)
	c, other := w.open(mib), w.open(mib)
	w.chain.change(w.open(mib).session, func(s *remora.Session, _ *remora.Grant) { s.Expiry = firstEpoch - 1 })
	w.chain.change(w.open(mib).session, func(s *remora.Session, _ *remora.Grant) { s.Scheme = 9 })
	w.chain.change(w.open(mib).session, func(_ *remora.Session, g *remora.Grant) { *g = remora.Grant{} })
	poor := w.open(9_999)
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
		head, _ := c.ask(r)
		if head.Code != tt.want || head.Epoch != firstEpoch || (head.Reason == "") != (tt.want == session.Delivered) {
			t.Errorf("%s: %+v, want code %d", name, head, tt.want)
		}
	}
	if _, err := w.Deliver(t.Context(), "peer", []byte("junk")); !errors.Is(err, remora.ErrMalformed) {
		t.Errorf("junk: %v", err)
	}
}

// TestGoneContentCostsNothing takes content away: what is not delivered does not count.
func TestGoneContentCostsNothing(t *testing.T) {
	w := newWorld(t)
	f := w.file(1, 10_000, true)
	c := w.open(mib)
	if err := w.store.Remove(f.Root); err != nil {
		t.Fatal(err)
	}
	if head, _ := c.ask(c.request(f, 0, 10_000)); head.Code != session.NotHeld {
		t.Errorf("%+v", head)
	}
	w.hold(f)
	a, err := w.accounts.takeAccount(c.session)
	if err != nil {
		t.Fatal(err)
	}
	defer w.accounts.leaveAccount(a)
	if a.seller.Totals().Outstanding != 0 {
		t.Errorf("%d bytes count as delivered", a.seller.Totals().Outstanding)
	}
}

// TestDamageIsNotHeld breaks content on disk: nothing of it leaves, and it does not count.
func TestDamageIsNotHeld(t *testing.T) {
	w := newWorld(t)
	f := w.file(1, 100_000, true)
	c := w.open(mib)
	w.damage(f)
	for range 3 {
		if head, _ := c.ask(c.request(f, 0, 100_000)); head.Code != session.NotHeld {
			t.Errorf("%+v", head)
		}
	}
	w.hold(f)
	if err := w.accounts.flushTotals(); err != nil {
		t.Fatal(err)
	}
	if kept, err := decodeTotals(w.disk.rows[string(accountKey(c.session))]); err != nil || kept.Outstanding+kept.Lost != 0 {
		t.Errorf("%+v, %v", kept, err)
	}
}

// TestWindowHoldsUnderConcurrency asks for far more than the window at once, and then for more than the allotment.
func TestWindowHoldsUnderConcurrency(t *testing.T) {
	w := newWorld(t)
	f := w.file(1, 4*mib, true)
	c := w.open(64 * mib)
	tight := w.open(mib / 2)
	for _, tt := range []struct {
		c     *client
		limit uint64
		code  session.Code
	}{{c, session.FirstWindow, session.WindowClosed}, {tight, mib / 2, session.AllotmentSpent}} {
		var got atomic.Uint64
		var group sync.WaitGroup
		for i := range uint64(40) {
			group.Go(func() {
				head, data, err := tt.c.try(tt.c.request(f, i*64<<10, 64<<10))
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

// TestWindowGrows pays and gets more ahead, up to the most there is.
func TestWindowGrows(t *testing.T) {
	w := newWorld(t)
	f := w.file(1, 4*mib, true)
	c := w.open(1 << 40)
	for range 5 {
		c.buy(f)
	}
	for range 4 {
		if head, _ := c.ask(c.request(f, 0, 4*mib)); head.Code != session.Delivered {
			t.Fatalf("%+v", head)
		}
	}
	if head, _ := c.ask(c.request(f, 0, 1)); head.Code != session.WindowClosed {
		t.Errorf("more than 16 MiB ahead: %+v", head)
	}
}

// TestFreeBytesAreBounded has clients that take what they can with one new pass after the other, across restarts in
// order, having paid different amounts before.
func TestFreeBytesAreBounded(t *testing.T) {
	w := newWorld(t)
	f := w.file(1, 4*mib, true)
	for _, paid := range []int{0, 1, 5, 40} {
		c := w.open(1 << 40)
		for range paid {
			c.buy(f)
		}
		free := uint64(0)
		for i := range 200 {
			c.fresh()
			for size := uint64(4 * mib); size >= 4096; size /= 2 {
				_, data := c.ask(c.request(f, 0, size))
				free += uint64(len(data))
			}
			if i%50 == 49 {
				if err := w.accounts.flushTotals(); err != nil { // what Run does at its end
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
		// Who pays for what was lost is trusted again.
		for range free/f.Length + 1 {
			c.took(f, 0, f.Length)
		}
		if head := c.pay(); head.Code != session.Delivered {
			t.Errorf("%+v", head)
		}
		if head, _ := c.ask(c.request(f, 0, 4096)); head.Code != session.Delivered {
			t.Errorf("paid %d, after paying what was lost: %+v", paid, head)
		}
	}
}

// TestFetchesSideBySide alternates between passes: neither counts as given up more than once.
func TestFetchesSideBySide(t *testing.T) {
	w := newWorld(t)
	f := w.file(1, mib, true)
	c := w.open(1 << 30)
	first := c.pass
	for i := range 40 {
		if c.pass = first; i%2 == 1 {
			c.pass[0] ^= 1
		}
		if head, _ := c.ask(c.request(f, 0, 20_000)); head.Code != session.Delivered {
			t.Fatalf("request %d: %+v", i, head)
		}
		c.took(f, 0, 20_000)
		if i > 2 {
			if head := c.pay(); head.Code != session.Delivered {
				t.Fatalf("%+v", head)
			}
		}
	}
}

// TestSessionsInMemoryAreBounded lets more sessions come than are kept, twice: what was outstanding still is.
func TestSessionsInMemoryAreBounded(t *testing.T) {
	w := newWorld(t)
	f := w.file(1, 4096, true)
	w.accounts.limits.accounts = 100
	var clients []*client
	for range 300 {
		clients = append(clients, w.open(5000))
	}
	for i, c := range clients {
		if head, _ := c.ask(c.request(f, 0, 4096)); head.Code != session.Delivered {
			t.Fatalf("session %d: %+v", i, head)
		}
	}
	if n := w.Stats().Sessions; n > 100 {
		t.Errorf("%d sessions in memory", n)
	}
	for i, c := range clients[:50] {
		if head, _ := c.ask(c.request(f, 0, 4096)); head.Code != session.AllotmentSpent {
			t.Fatalf("session %d was forgotten: %+v", i, head)
		}
	}
	if n := w.verified.passes.Len(); n > maxPasses {
		t.Errorf("%d passes in memory", n)
	}
}

// TestTalliesAreBounded notes the weight of many extents: what is idle goes first, and comes back when it is needed.
func TestTalliesAreBounded(t *testing.T) {
	w := newWorld(t)
	f := w.file(1, 4096, true)
	w.accounts.limits.extents = 40_000
	var clients []*client
	for range 10 {
		c := w.open(1 << 30)
		for range 2 {
			for range 4000 {
				c.took(f, 0, 1)
			}
			if head := c.pay(); head.Code != session.Delivered {
				t.Fatalf("%+v", head)
			}
		}
		clients = append(clients, c)
		if w.accounts.extents > 40_000 {
			t.Fatalf("%d extents in memory", w.accounts.extents)
		}
	}
	for _, c := range clients {
		c.took(f, 0, 7)
		if head := c.pay(); head.Code != session.Delivered {
			t.Errorf("session %d: %+v", c.session, head)
		}
	}
	if w.accounts.extents > 40_000 {
		t.Errorf("%d extents in memory", w.accounts.extents)
	}
	for range 17 { // up to the receipt's limit and not beyond
		for range 4000 {
			clients[0].more = append(clients[0].more, remora.Extent{Content: f, Bytes: 1})
		}
		if len(clients[0].more)+int(clients[0].tally.Len()) > remora.MaxExtents {
			clients[0].more = clients[0].more[:remora.MaxExtents-int(clients[0].tally.Len())]
		}
		if len(clients[0].more) > 0 {
			if head := clients[0].pay(); head.Code != session.Delivered {
				t.Fatalf("%+v", head)
			}
		}
	}
	over := clients[0].receipt()
	over.Bytes, over.Extents = over.Bytes+1, over.Extents+1
	r := clients[0].request(f, 0, 0)
	r.Acks = []session.Acknowledgement{{Receipt: clients[0].sign(over), Kept: remora.MaxExtents, Extents: []remora.Extent{{Content: f, Bytes: 1}}}}
	if head, _ := clients[0].ask(r); head.Code != session.ReceiptWrong {
		t.Errorf("an extent more than a receipt has: %+v", head)
	}
}

// TestJournalFailureStops breaks the disk: the receipt is not taken, nothing is streamed then or later, and Run says so.
func TestJournalFailureStops(t *testing.T) {
	w := newWorld(t)
	f := w.file(1, 10_000, true)
	c := w.open(mib)
	c.buy(f)
	w.chain.still = true
	ended := make(chan error, 1)
	go func() { ended <- w.Run(t.Context()) }()
	before := maps.Clone(w.disk.rows)
	w.disk.mu.Lock()
	w.disk.onPut = func(int) (bool, bool) { return true, false }
	w.disk.mu.Unlock()
	c.took(f, 0, 10_000)
	r := c.request(f, 0, 10_000)
	r.Acks = []session.Acknowledgement{c.ack()}
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
