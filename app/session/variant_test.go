package session

import (
	"fmt"
	"testing"
)

// variant is a way in which one of the sides is broken.
type variant struct {
	name          string
	storesNothing bool                                       // the buyer's receipts leave before they are stored
	signsAgain    bool                                       // the buyer signs the bytes of a closed epoch once more
	reads         map[Code]Code                              // answers that the buyer mistakes for others
	restore       func(b *Buyer)                             // what it does after a restart
	syncsLater    bool                                       // the seller answers before its receipts are durable
	admit         func(s *Seller, r *Request, before Totals) // what the seller does after admitting
}

func (v variant) readAs(c Code) Code {
	if as, mistaken := v.reads[c]; mistaken {
		return as
	}
	return c
}

func (v variant) restored(b *Buyer) {
	if v.restore != nil {
		v.restore(b)
	}
}

func (v variant) admitted(s *Seller, r *Request, before Totals) {
	if v.admit != nil {
		v.admit(s, r, before)
	}
}

var variants = []variant{
	{name: "a buyer that drops its pending receipts in a restart", restore: func(b *Buyer) {
		for _, v := range b.queue {
			b.CancelBytes(v.bytes)
		}
		b.queue = nil
	}},
	{name: "a buyer that takes its pending receipts for confirmed after a restart", restore: func(b *Buyer) {
		for len(b.queue) > 0 {
			b.confirmFirst()
		}
	}},
	{name: "a buyer that forgets its tally in a restart", restore: func(b *Buyer) { *b = *NewBuyer(b.Deal) }},
	{name: "a buyer whose receipts leave before they are stored", storesNothing: true},
	{name: "a buyer that takes any refusal for a confirmation", reads: map[Code]Code{SessionUnusable: NotHeld}},
	{name: "a buyer that takes a stale receipt for confirmed", reads: map[Code]Code{ReceiptStale: Delivered}},
	{name: "a buyer that signs the bytes of a closed epoch again", signsAgain: true},
	{name: "a seller that answers before a receipt is durable", syncsLater: true},
	{name: "a seller that does not count what is outstanding", admit: func(s *Seller, _ *Request, _ Totals) { s.totals.Outstanding = 0 }},
	{name: "a seller that forgets what was lost", admit: func(s *Seller, _ *Request, _ Totals) { s.totals.Lost = 0 }},
	{name: "a seller that counts a repeated receipt again", admit: func(s *Seller, r *Request, before Totals) {
		if len(r.Acks) > 0 && s.totals.Acked == before.Acked {
			s.totals.Acked += r.Acks[0].Extents[0].Bytes
		}
	}},
	{name: "a seller that forgives without end", admit: func(s *Seller, r *Request, _ Totals) {
		if len(r.Acks) > 0 && r.Acks[0].Receipt.Receipt.Epoch < r.Open {
			s.totals.Forgiven += s.totals.Outstanding
			s.totals.Outstanding = 0
		}
	}},
}

// TestPairCatchesBrokenSides runs sides that break one rule each: every one is noticed.
func TestPairCatchesBrokenSides(t *testing.T) {
	for _, v := range variants {
		caught := ""
		for seed := uint64(0); caught == "" && seed < 400; seed++ {
			if err := newPair(seed, fates[seed%uint64(len(fates))], v).run(600); err != nil {
				caught = fmt.Sprintf("seed %d: %v", seed, err)
			}
		}
		if caught == "" {
			t.Errorf("%s is not noticed", v.name)
		}
		t.Logf("%s: %s", v.name, caught)
	}
}
