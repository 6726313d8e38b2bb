package session

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/proofs/content"
	"github.com/remora-network/remora/proofs/delivery"
)

// pair is a buyer and a seller over a network that loses, repeats and reorders requests and loses answers. Either side is
// killed and comes back with what it had stored, epochs pass and are closed. A model beside them counts what matters.
type pair struct {
	rng    *rand.Rand
	fate   fate
	calm   bool // nothing is lost and nobody is killed
	broken variant
	deal   Deal

	buyer   *Buyer
	entries []Entry // the buyer's disk
	life    int     // of the buyer: its fetches, one after the other
	slots   []*slot
	next    remora.Content // the content being asked for
	from    uint64         // its first byte that no slot has
	waiting int            // requests without an answer
	stuck   bool           // the seller allows nothing any more

	wire []*message

	disk   *disk
	seller *Seller
	epoch  remora.Epoch
	open   remora.Epoch

	model model
}

// fate is the chance of each mishap in a run, per mille.
type fate struct {
	lost, repeated, killed, sellerKilled, epochs, behind, spoiled int
	greedy                                                        bool // the buyer asks beyond the window
	granted                                                       uint64
}

// slot is a range that the buyer wants.
type slot struct {
	of        remora.Content
	offset, n uint64
	state     int // 0 wanted, 1 asked for, 2 here
}

// message is a request on its way. Nobody waits for the answer to a copy, or once the buyer is in another life.
type message struct {
	Request
	slot   *slot
	ask    Ask
	life   int
	copied bool
}

// model is the test's own count.
type model struct {
	sent     map[remora.Receipt]bool
	extents  map[remora.Epoch][]remora.Extent // of the newest receipt that left the buyer
	verified uint64                           // by the buyer
	unsigned uint64                           // verified and in no stored receipt when the buyer was killed
	givenUp  map[remora.Receipt]uint64        // what each receipt of a closed epoch adds
	free     uint64                           // delivered and not acknowledged, ever
	unpaid   uint64                           // delivered and not acknowledged, by passes that may still do so
	saved    [2]uint64                        // free and unpaid, as of the seller's last write
	passes   []remora.Hash
	seen     map[string]int // what happened, so that a test that tests nothing is noticed
}

func newPair(seed uint64, f fate, broken variant) *pair {
	p := &pair{
		rng: rand.New(rand.NewPCG(seed, 7)), fate: f, calm: f == fate{granted: f.granted}, broken: broken, epoch: 1,
		deal: Deal{Domain: remora.Domain{1}, Session: 3, Node: remora.Address{1}, Scheme: remora.SchemeBLS, Granted: f.granted, Expiry: 40},
		disk: &disk{rows: rows{receipts: map[remora.Epoch]remora.SignedReceipt{}, extents: map[remora.Epoch][]remora.Extent{}}},
	}
	p.disk.synced = p.disk.clone()
	p.model.sent, p.model.givenUp, p.model.seen = map[remora.Receipt]bool{}, map[remora.Receipt]uint64{}, map[string]int{}
	p.model.extents = map[remora.Epoch][]remora.Extent{}
	p.seller = NewSeller(p.disk, Totals{})
	p.buyer = NewBuyer(p.deal)
	return p
}

// happens draws whether something of a chance per mille happens, and counts it.
func (p *pair) happens(what string, chance int) bool {
	if p.rng.IntN(1000) >= chance {
		return false
	}
	p.model.seen[what]++
	return true
}

// run does a number of steps, then lets the network work and the buyer pay, and adds everything up.
func (p *pair) run(steps int) error {
	for range steps {
		if err := p.step(); err != nil {
			return err
		}
	}
	p.fate = fate{granted: p.fate.granted}
	if err := p.endFetch(); err != nil {
		return err
	}
	b, left := p.buyer, p.buyer.bytes
	for _, v := range b.queue {
		left += v.bytes
	}
	if left > 0 && !b.Closed() {
		return fmt.Errorf("%d bytes are still owed", left)
	}
	givenUp := uint64(0)
	for _, n := range p.model.givenUp {
		givenUp += n
	}
	if sum := p.disk.acked() + givenUp + p.model.unsigned + left; sum != p.model.verified {
		return fmt.Errorf("%d bytes verified, but %d acknowledged, %d given up, %d never signed, %d owed after the last epoch",
			p.model.verified, p.disk.acked(), givenUp, p.model.unsigned, left)
	}
	return nil
}

func (p *pair) step() error {
	switch {
	case p.happens("buyer killed", p.fate.killed):
		return p.restartBuyer()
	case p.happens("fetch ended", p.fate.killed):
		return p.endFetch()
	case p.happens("seller killed", p.fate.sellerKilled):
		p.restartSeller()
	case p.happens("epoch ended", p.fate.epochs):
		p.epoch++
		p.open = max(p.open, p.epoch-remora.Epoch(p.rng.IntN(3)))
	case len(p.wire) == 0 || p.rng.IntN(3) == 0:
		return p.askNext()
	default:
		return p.arrive()
	}
	return nil
}

// askNext sends what the buyer's books allow.
func (p *pair) askNext() error {
	if p.stuck || p.buyer.Careful() && p.waiting > 0 {
		return nil
	}
	s := p.upcomingSlot()
	if s == nil {
		return nil
	}
	v, admitted, err := p.buyer.PlanRequest(s.n)
	if err != nil {
		return err
	}
	if !admitted && v == nil && (s.n > p.buyer.Left() || !p.fate.greedy || !p.happens("greedy", 500)) {
		return nil
	}
	if v != nil && !admitted {
		s = nil
	}
	return p.send(s, v)
}

// upcomingSlot returns the range to be asked for next, in order, nil where enough is under way.
func (p *pair) upcomingSlot() *slot {
	for _, s := range p.slots {
		if s.state == 0 {
			return s
		}
	}
	if len(p.slots) == 6 {
		return nil
	}
	if p.from == p.next.Length {
		p.from, p.next = 0, remora.Content{Length: 1 + p.rng.Uint64N(1<<(10+p.rng.IntN(13)))}
		for i := range p.next.Root {
			p.next.Root[i] = byte(p.rng.Uint32())
		}
	}
	s := &slot{of: p.next, offset: p.from, n: min(p.buyer.SegmentSize(), p.next.Length-p.from)}
	p.from += s.n
	p.slots = append(p.slots, s)
	return s
}

// send stores the voucher, then sends a request for a slot, with the voucher; either may be nil.
func (p *pair) send(s *slot, v *Voucher) error {
	m := &message{life: p.life, slot: s, Request: Request{ID: p.deal.Session, Pass: p.pass()}}
	m.Proof = sign(p.deal.PassMessage(m.Pass))
	n := uint64(0)
	if s != nil {
		m.Content, m.Bytes, n = s.of, s.n, s.n
		s.state = 1
	}
	m.ask = p.buyer.SendRequest(n, v)
	if v != nil {
		if p.happens("killed before storing", p.fate.killed) {
			return p.restartBuyer()
		}
		p.storeVoucher(v)
		if p.happens("killed before sending", p.fate.killed) {
			return p.restartBuyer()
		}
		m.Acks = []Acknowledgement{v.Ack}
		if err := p.checkReceipt(&v.Ack); err != nil {
			return err
		}
	}
	p.waiting++
	p.wire = append(p.wire, m)
	return nil
}

func (p *pair) pass() (pass remora.Hash) {
	pass[0], pass[1] = byte(p.life), byte(p.life>>8)
	return pass
}

func (p *pair) storeVoucher(v *Voucher) {
	if v.Stored {
		return
	}
	v.Ack.Receipt.Signature = sign(p.deal.ReceiptMessage(&v.Ack.Receipt.Receipt))
	v.Stored = true
	if !p.broken.storesNothing {
		p.entries = append(p.entries, v.Entry)
	}
}

// checkReceipt holds a receipt that leaves the buyer against those that left before: it is one of them, or extends them.
func (p *pair) checkReceipt(ack *Acknowledgement) error {
	r := ack.Receipt.Receipt
	if p.model.sent[r] {
		return nil
	}
	before := p.model.extents[r.Epoch]
	var after []remora.Extent
	switch n := uint32(len(before)); {
	case ack.Kept == n:
		after = append(slices.Clone(before), ack.Extents...)
	case ack.Kept+1 == n && ack.Extents[0].Content == before[n-1].Content && ack.Extents[0].First == before[n-1].First && ack.Extents[0].Bytes > before[n-1].Bytes:
		after = append(slices.Clone(before[:n-1]), ack.Extents...)
	default:
		return fmt.Errorf("a receipt of epoch %d that keeps %d extents, those sent before have %d", r.Epoch, ack.Kept, n)
	}
	t, err := delivery.NewTally(after)
	if err != nil || t.Bytes() != r.Bytes || t.Root() != r.Root {
		return fmt.Errorf("a receipt of epoch %d for %d bytes contradicts those sent before (%v)", r.Epoch, r.Bytes, err)
	}
	p.model.sent[r], p.model.extents[r.Epoch] = true, after
	return nil
}

// arrive lets one request on its way reach the seller, or not, and its answer the buyer, or not.
func (p *pair) arrive() error {
	i := p.rng.IntN(len(p.wire))
	m := p.wire[i]
	p.wire = slices.Delete(p.wire, i, i+1)
	if p.happens("repeated", p.fate.repeated) {
		again := *m
		again.copied = true
		p.wire = append(p.wire, &again)
	}
	if p.happens("request lost", p.fate.lost) {
		return p.loseAnswer(m)
	}
	code, epoch, err := p.serve(m.Request)
	if err != nil {
		return err
	}
	if p.happens("answer lost", p.fate.lost) {
		return p.loseAnswer(m)
	}
	return p.takeAnswer(m, code, epoch)
}

func (p *pair) loseAnswer(m *message) error {
	if m.copied || m.life != p.life {
		return nil
	}
	p.waiting--
	p.buyer.LoseAnswer(m.ask)
	if m.slot != nil {
		m.slot.state = 0
	}
	return nil
}

func (p *pair) takeAnswer(m *message, code Code, epoch remora.Epoch) error {
	if m.copied || m.life != p.life {
		return nil
	}
	p.waiting--
	p.model.seen[fmt.Sprintf("code %d", code)]++
	if code == ReceiptWrong || code == ProofWrong {
		return fmt.Errorf("the seller refuses an honest buyer with code %d", code)
	}
	if code == WindowClosed && p.calm {
		return errors.New("the window was closed to an honest buyer although nothing was lost")
	}
	queue := slices.Clone(p.buyer.queue)
	read := code
	if m.ask.Voucher != nil {
		read = p.broken.readAs(code)
	}
	more := p.buyer.TakeAnswer(m.ask, read, epoch)
	if read != code && read == Delivered { // only the receipt is misread
		p.buyer.CancelBytes(m.ask.bytes)
	}
	if code == ReceiptStale {
		for _, v := range queue[:len(queue)-len(p.buyer.queue)] {
			p.model.givenUp[v.Ack.Receipt.Receipt] = v.bytes
			if p.broken.signsAgain {
				p.buyer.owed = append(p.buyer.owed, v.Ack.Extents...)
				p.buyer.bytes, p.buyer.open = p.buyer.bytes+v.bytes, p.buyer.open+v.bytes
			}
		}
	}
	if p.life == 0 && p.buyer.Acked() > p.disk.acked() {
		return fmt.Errorf("the buyer takes %d bytes for acknowledged, the seller %d", p.buyer.Acked(), p.disk.acked())
	}
	if m.slot == nil {
		return nil
	}
	if code != Delivered {
		m.slot.state = 0
		p.stuck = p.stuck || !more || code == AllotmentSpent
		return nil
	}
	m.slot.state = 2
	for len(p.slots) > 0 && p.slots[0].state == 2 {
		s, n := p.slots[0], p.slots[0].n
		if s.n > content.PieceSize && p.happens("spoiled", p.fate.spoiled) {
			n = content.PieceSize
			p.slots[0] = &slot{of: s.of, offset: s.offset + n, n: s.n - n}
		} else {
			p.slots = p.slots[1:]
		}
		p.buyer.AddVerified(s.of, s.offset, n)
		p.buyer.CancelBytes(s.n - n)
		p.model.verified += n
	}
	return nil
}

// restartBuyer kills the buyer. It comes back with its entries, and the next fetch begins.
func (p *pair) restartBuyer() error {
	p.model.unsigned += p.buyer.bytes
	for _, v := range p.buyer.queue {
		if !v.Stored {
			p.model.unsigned += v.bytes
		}
	}
	return p.beginFetch()
}

func (p *pair) beginFetch() error {
	p.life++
	p.slots, p.from, p.waiting, p.stuck = nil, p.next.Length, 0, false
	p.buyer = NewBuyer(p.deal)
	for i := range p.entries {
		if err := p.buyer.Restore(&p.entries[i]); err != nil {
			return err
		}
	}
	p.broken.restored(p.buyer)
	return nil
}

// endFetch ends a fetch in order: no more answers are waited for, then the last receipts are sent, then the rest stored.
func (p *pair) endFetch() error {
	for _, m := range p.wire {
		if err := p.loseAnswer(m); err != nil {
			return err
		}
		m.copied = true
	}
	for _, s := range p.slots {
		if s.state == 2 {
			p.buyer.CancelBytes(s.n)
		}
	}
	p.slots = nil
	pending := p.buyer.bytes
	for _, v := range p.buyer.queue {
		pending += v.bytes
	}
	if p.buyer.open != pending {
		return fmt.Errorf("%d bytes are open, %d are to be acknowledged", p.buyer.open, pending)
	}
	life := p.life
	for last := (*Voucher)(nil); !p.buyer.Closed(); {
		v, err := p.buyer.NextVoucher()
		if v == nil || v == last || err != nil {
			break
		}
		if err := p.send(nil, v); err != nil || p.life != life {
			return err
		}
		for n := len(p.wire); p.waiting > 0; n = len(p.wire) {
			p.wire[0], p.wire[n-1] = p.wire[n-1], p.wire[0]
			if err := p.arrive(); err != nil {
				return err
			}
		}
		last = v
	}
	if p.fate == (fate{granted: p.fate.granted}) {
		return nil
	}
	queue, err := p.buyer.DrawAll()
	if err != nil {
		return err
	}
	for _, v := range queue {
		p.storeVoucher(v)
	}
	return p.beginFetch()
}

// fates are tried in turn: what a run meets depends on its seed.
var fates = []fate{
	{granted: 1 << 40},
	{granted: 1 << 40, lost: 30, repeated: 30},
	{granted: 1 << 40, lost: 30, repeated: 30, epochs: 10, spoiled: 50},
	{granted: 1 << 40, lost: 10, repeated: 50, killed: 20, epochs: 5, behind: 20, spoiled: 50},
	{granted: 1 << 40, lost: 30, repeated: 30, killed: 10, sellerKilled: 10, epochs: 10, behind: 10},
	{granted: 20 << 20, lost: 10, repeated: 30, killed: 10, sellerKilled: 3, greedy: true},
	{granted: 1 << 40, repeated: 50, killed: 30, greedy: true},
	{granted: 1 << 40, lost: 10, killed: 5, epochs: 60},
}

// TestPair runs both sides against each other and holds them to what doc.go promises.
func TestPair(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(400) {
		p := newPair(seed, fates[seed%uint64(len(fates))], variant{})
		if err := p.run(600); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for what, n := range p.model.seen {
			seen[what] += n
		}
	}
	for _, what := range []string{
		"buyer killed", "fetch ended", "seller killed", "killed before storing", "killed before sending", "epoch ended",
		"request lost", "answer lost", "repeated", "spoiled", "behind", "gone", "greedy",
		"code 0", "code 1", "code 2", "code 4", "code 5", "code 7",
	} {
		if seen[what] == 0 {
			t.Errorf("%q never happened: %v", what, seen)
		}
	}
	t.Log(seen)
}
