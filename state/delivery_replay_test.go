package state_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state"
	"github.com/remora-network/remora/state/delivery"
	"github.com/remora-network/remora/state/ledger"
	"github.com/remora-network/remora/state/statetest"
	"github.com/remora-network/remora/state/table"
)

// sorted is a View as a database gives one: all rows in one order of bytes, and slices that are spoilt after the visit.
type sorted struct {
	keys   []string // table and key
	values map[string][]byte
}

func rowKey(t table.ID, key []byte) string { return string(append([]byte{byte(t)}, key...)) }

func (s *sorted) applyChanges(changes []table.Change) {
	if s.values == nil {
		s.values = make(map[string][]byte)
	}
	for _, c := range changes {
		key := rowKey(c.Table, c.Key)
		at, found := slices.BinarySearch(s.keys, key)
		switch {
		case c.Value == nil && found:
			s.keys = slices.Delete(s.keys, at, at+1)
			delete(s.values, key)
			continue
		case c.Value == nil:
			continue
		case !found:
			s.keys = slices.Insert(s.keys, at, key)
		}
		s.values[key] = append([]byte{}, c.Value...)
	}
}

func (s *sorted) Get(t table.ID, key []byte) ([]byte, error) {
	return bytes.Clone(s.values[rowKey(t, key)]), nil
}

func (s *sorted) Ascend(t table.ID, prefix []byte, visit func(key, value []byte) bool) error {
	low := rowKey(t, prefix)
	at, _ := slices.BinarySearch(s.keys, low)
	for _, k := range s.keys[at:] {
		if len(k) < len(low) || k[:len(low)] != low {
			return nil
		}
		key, value := []byte(k[1:]), bytes.Clone(s.values[k])
		more := visit(key, value)
		for i := range key {
			key[i] = 0xee
		}
		for i := range value {
			value[i] = 0xee
		}
		if !more {
			return nil
		}
	}
	return nil
}

// replayChain applies a chain's blocks again to sorted tables, as on a disk. It ends with the same root, and so does a tree built of
// the rows.
func replayChain(tb testing.TB, c *statetest.Chain) {
	tb.Helper()
	m, err := state.NewMachine(c.Genesis)
	if err != nil {
		tb.Fatal(err)
	}
	out, err := m.Genesis(c.Verifier)
	if err != nil {
		tb.Fatal(err)
	}
	disk := new(sorted)
	disk.applyChanges(out.Changes)
	view := out.View(disk)
	for _, in := range c.Inputs {
		if out, err = m.Apply(view, in, c.Verifier); err != nil {
			tb.Fatal(err)
		}
		disk.applyChanges(out.Changes)
		view = out.View(disk)
	}
	if view.Tip != c.View.Tip || view.Tree.Root() != c.View.Tree.Root() {
		tb.Fatalf("tip %+v and root %s, want %+v and %s", view.Tip, view.Tree.Root(), c.View.Tip, c.View.Tree.Root())
	}
	rebuilt, err := state.BuildTree(disk)
	if err != nil || rebuilt.Root() != view.Tree.Root() {
		tb.Fatalf("the rows give root %s (%v), want %s", rebuilt.Root(), err, view.Tree.Root())
	}
}

// TestDeliveryReplay has claims settled, slashed and rejected, sessions closed and refunded, and applies it all again.
func TestDeliveryReplay(t *testing.T) {
	w := newOpenWorld(t)
	w.FixSeed()
	w.requireOK(w.Run(w.answerClaim("nora", w.claims[2]), w.commitClaim("nora", w.claims[4])))
	w.requireOK(w.FixSeed(w.signNext("bob", remora.KindCloseSession, remora.CloseSession{Session: 2})))
	w.Idle(remora.OpenBlocks+1, statetest.EpochMillis/2)
	for epoch, want := range map[remora.Epoch]remora.ClaimState{
		1: remora.ClaimSettled, 2: remora.ClaimSettled, 3: remora.ClaimSlashed, 4: remora.ClaimRejected,
	} {
		w.requireStage(want, "nora", epoch)
	}
	if n := w.Tables().Len(table.Deadlines); n != 0 {
		t.Errorf("%d deadlines are left", n)
	}
	replayChain(t, w.Chain)
}

// dueWorld is a world with a block that does most of what deliveries can: it executes each kind, fixes a seed, slashes
// and refunds.
func dueWorld(t *testing.T) (*openWorld, state.Input) {
	t.Helper()
	w := newOpenWorld(t)
	w.FixSeed()
	w.requireOK(w.Run(w.commitClaim("nora", w.claims[4]), w.answerClaim("nora", w.claims[2]))) // to be released in epoch 7
	w.advanceTo(7)
	two := remora.SessionID(2)
	w.requireOK(w.Run(w.commitClaim("nora", w.makeClaim("nora", 6, w.deliverFile(two, 100)))))
	w.FixSeed() // challenges the claim for epoch 3
	w.FixSeed() // and those for 4 and 6
	w.requireOK(w.Run(w.answerClaim("nora", w.claims[4])))
	w.Idle(remora.OpenBlocks, 2*statetest.EpochMillis/remora.OpenBlocks-1)
	epoch := w.Epoch().Number
	ref := w.Batch(0,
		w.signNext("alice", remora.KindOpenSession, statetest.Session("more", 9, epoch+1, statetest.Allot("nora", 500), statetest.Allot("olaf", 1))),
		w.signNext("bob", remora.KindCloseSession, remora.CloseSession{Session: two}),
		w.signNext("nora", remora.KindCommitClaim, w.makeClaim("nora", epoch-1, w.deliverFile(two, 100)).Commit),
		w.signNext("nora", remora.KindOpenClaim, remora.OpenClaim{Node: statetest.Address("nora"), Epoch: 3}),
	)
	d := statetest.Draft{Time: w.View.Tip.Time + statetest.EpochMillis, Payload: payload{0: {ref}}, Beacon: []remora.Authority{0, 1, 2}}
	return w, w.Input(w.SubDAG(d))
}

// TestDeliveryReadErrors is TestReadErrors for deliveries.
func TestDeliveryReadErrors(t *testing.T) {
	w, in := dueWorld(t)
	out, err := w.Machine.Apply(w.View, in, w.Verifier)
	if err != nil {
		t.Fatal(err)
	}
	for id, least := range map[table.ID][2]int{
		table.Sessions: {2, 0}, table.SessionNumbers: {1, 0}, table.Grants: {3, 0}, table.Claims: {2, 0}, table.ClaimItems: {1, 1}, table.Deadlines: {3, 2},
	} {
		if set, deleted := countChanges(out.Changes, id); set < least[0] || deleted < least[1] {
			t.Errorf("table %d: %d set, %d deleted: the block is too dull (results %v)", id, set, deleted, out.Block.Results)
		}
	}
	reads := everyRead(t, w.View, func(v state.View) error {
		_, err := w.Machine.Apply(v, in, w.Verifier)
		return err
	})
	if reads < 35 {
		t.Errorf("%d reads, want at least 35", reads)
	}
	c, claim, _ := challenged(t)
	c.requireOK(c.Run(c.answerClaim("nora", claim)))
	c.advanceTo(c.requireStage(remora.ClaimSettled, "nora", 1).Release)
	in = c.Input(c.SubDAG(statetest.Draft{Time: c.View.Tip.Time + 1}))
	reads = everyRead(t, c.View, func(v state.View) error {
		out, err := c.Machine.Apply(v, in, c.Verifier)
		if set, _ := countChanges(out.Changes, table.Claims); err == nil && set != 1 {
			t.Errorf("%d claims released", set)
		}
		return err
	})
	if reads < 10 {
		t.Errorf("a release needed %d reads, want at least 10", reads)
	}
	o := newOpenWorld(t)
	open := o.answerClaim("nora", o.claims[2])
	reads = everyRead(t, o.View, func(v state.View) error { return o.Machine.Admit(v, open, o.Verifier) })
	if reads < 7 {
		t.Errorf("an opening needed %d reads, want at least 7", reads)
	}
	everyRead(t, o.View, func(v state.View) error {
		_, err := delivery.Waiting(v.Tables)
		return err
	})
}

// TestDeliveryDamagedRows is TestDamagedRows for deliveries: an error that says so or a block, never a panic.
func TestDeliveryDamagedRows(t *testing.T) {
	w, in := dueWorld(t)
	noticed := 0
	for _, id := range []table.ID{table.Sessions, table.SessionNumbers, table.Grants, table.Claims, table.ClaimItems, table.Deadlines} {
		err := w.Tables().Ascend(id, nil, func(key, value []byte) bool {
			damages := []table.Change{{}, {Key: key[:len(key)-1], Value: value}, {Key: append(slices.Clone(key), 0), Value: value}}
			for _, v := range [][]byte{{}, {0xff}, value[:len(value)/2], append(slices.Clone(value), 0), bytes.Repeat([]byte{0x81}, 40)} {
				damages = append(damages, table.Change{Value: v})
			}
			for _, d := range damages {
				tables := w.Tables().Clone()
				tables.Apply([]table.Change{{Table: id, Key: key, Value: d.Value}})
				if d.Key != nil {
					tables.Apply([]table.Change{{Table: id, Key: key}, {Table: id, Key: d.Key, Value: value}})
				}
				view := w.View
				view.Tables = tables
				_, err := w.Machine.Apply(view, in, w.Verifier)
				if err != nil && !errors.Is(err, remora.ErrCorrupt) && !errors.Is(err, ledger.ErrNotConserved) {
					t.Errorf("table %d, key %x damaged by %+v: %v", id, key, d, err)
				}
				if err != nil {
					noticed++
				}
			}
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if noticed < 30 {
		t.Errorf("only %d damages were noticed", noticed)
	}
}

// TestFork leaves the chain that it was made of alone.
func TestFork(t *testing.T) {
	w := newWorld(t)
	before, tip := w.Tables().Clone(), w.View.Tip
	w.Fork(t).Run(statetest.Transfer(w.Genesis, "alice", "bob", 0, 5))
	if w.View.Tip != tip || !cmp.Equal(readRows(t, before, table.Accounts), readRows(t, w.Tables(), table.Accounts)) {
		t.Error("the fork moved its origin")
	}
}
