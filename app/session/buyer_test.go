package session

import (
	"errors"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/proofs/delivery"
)

// TestManyExtents acknowledges more small files than fit one acknowledgement, and than fit one receipt.
func TestManyExtents(t *testing.T) {
	b := NewBuyer(Deal{Session: 3, Node: remora.Address{1}, Granted: 1 << 40, Expiry: 300})
	b.TakeAnswer(b.SendRequest(0, nil), Delivered, 5)
	check := new(delivery.Tally)
	for i := range remora.MaxExtents + 10 {
		c := remora.Content{Root: remora.Hash{byte(i), byte(i >> 8), byte(i >> 16)}, Length: 10}
		b.AddVerified(c, 0, 10)
		b.SendRequest(10, nil)
	}
	for {
		v, err := b.NextVoucher()
		if errors.Is(err, delivery.ErrFull) {
			break
		}
		if err != nil || len(v.Ack.Extents) == 0 || len(v.Ack.Extents) > MaxAckExtents {
			t.Fatalf("%d extents, %v", len(v.Ack.Extents), err)
		}
		if err := check.Replace(v.Ack.Kept, v.Ack.Extents); err != nil {
			t.Fatal(err)
		}
		if r := v.Ack.Receipt.Receipt; r.Bytes != check.Bytes() || r.Root != check.Root() || r.Extents != check.Len() {
			t.Fatalf("receipt %+v", r)
		}
		b.TakeAnswer(b.SendRequest(0, v), Delivered, 5)
	}
	if check.Len() != remora.MaxExtents || len(b.owed) != 10 || b.HasRoom() {
		t.Errorf("%d extents, %d owed", check.Len(), len(b.owed))
	}
	b.TakeAnswer(b.SendRequest(0, nil), Delivered, 6) // a new epoch has room again
	if v, err := b.NextVoucher(); err != nil || len(v.Ack.Extents) != 10 || v.Ack.Receipt.Receipt.Epoch != 6 {
		t.Errorf("in the next epoch: %v", err)
	}
}

// TestRestoreRefuses changes one thing of the second of two stored entries: it does not follow from the first then.
func TestRestoreRefuses(t *testing.T) {
	d := Deal{Session: 3, Node: remora.Address{1}, Granted: 1 << 40, Expiry: 300}
	b := NewBuyer(d)
	b.TakeAnswer(b.SendRequest(0, nil), Delivered, 5)
	var entries []Entry
	for i := range uint64(2) {
		b.SendRequest(1024, nil)
		b.AddVerified(remora.Content{Root: remora.Hash{1}, Length: 4096}, 1024*i, 1024)
		if _, err := b.DrawAll(); err != nil {
			t.Fatal(err)
		}
		entries = append(entries, b.queue[i].Entry)
	}
	for name, change := range map[string]func(e *Entry){
		"another session":  func(e *Entry) { e.Ack.Receipt.Receipt.Session++ },
		"another node":     func(e *Entry) { e.Ack.Receipt.Receipt.Node[0]++ },
		"an earlier epoch": func(e *Entry) { e.Ack.Receipt.Receipt.Epoch-- },
		"more bytes":       func(e *Entry) { e.Ack.Receipt.Receipt.Bytes++ },
		"more kept":        func(e *Entry) { e.Ack.Kept++ },
		"other extents":    func(e *Entry) { e.Ack.Extents = []remora.Extent{{Content: e.Ack.Extents[0].Content, Bytes: 7}} },
		"no extents":       func(e *Entry) { e.Ack.Extents = nil },
	} {
		again, e := NewBuyer(d), entries[1]
		change(&e)
		if err := errors.Join(again.Restore(&entries[0]), again.Restore(&e)); !errors.Is(err, remora.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	again := NewBuyer(d)
	if err := errors.Join(again.Restore(&entries[0]), again.Restore(&entries[1])); err != nil || again.Left() != b.Left() || len(again.queue) != 2 {
		t.Errorf("%d bytes are left, want %d; %d receipts are pending, want 2; %v", again.Left(), b.Left(), len(again.queue), err)
	}
}
