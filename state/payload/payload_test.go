package payload

import (
	"fmt"
	"math/rand"
	"slices"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/table"
)

// rig drives a schedule block by block over a state in memory.
type rig struct {
	t         *testing.T
	committee *remora.Committee
	params    remora.Params
	tables    *table.Memory
	epoch     remora.Epoch
}

func newRig(t *testing.T, stakes ...remora.Amount) *rig {
	members := make([]remora.Member, len(stakes))
	for i, stake := range stakes {
		members[i] = remora.Member{
			Account: remora.Address{byte(i + 1)}, Name: fmt.Sprint("m", i), Stake: stake, Consensus: remora.BLSPublicKey{byte(i)},
			Beacon: remora.BLSPublicKey{1, byte(i)}, Header: remora.Address{2, byte(i)}, PeerID: fmt.Sprint("p", i),
		}
	}
	c := &remora.Committee{Term: 1, Members: members}
	return &rig{
		t: t, committee: c, tables: new(table.Memory), epoch: 5,
		params: remora.Params{BlockWeight: 40_960, QueueBytes: 1 << 20},
	}
}

func refOf(author remora.Authority, seq uint64, weight remora.Weight) remora.BatchRef {
	ref := remora.BatchRef{Author: author, Seq: seq, Epoch: 5, Bytes: 4096, Count: 1, Weight: weight}
	copy(ref.Digest[:], fmt.Sprintf("%d/%d/%d", author, seq, weight))
	return ref
}

// block executes a block whose headers list the references.
func (r *rig) block(refs ...remora.BatchRef) (Fate, []remora.BatchRef) {
	r.t.Helper()
	s, err := Load(r.tables, &r.params)
	if err != nil {
		r.t.Fatal(err)
	}
	fate, err := s.AcceptSubDAG(r.committee, r.epoch, &remora.SubDAG{Headers: []*remora.Header{{Payload: refs}}})
	if err != nil {
		r.t.Fatal(err)
	}
	run, err := s.CutBlock(r.committee)
	if err != nil {
		r.t.Fatal(err)
	}
	o := table.NewOverlay(r.tables)
	s.Save(o)
	r.tables.Apply(o.Changes())
	return fate, run
}

func (r *rig) waiting() []remora.BatchRef {
	r.t.Helper()
	refs, err := Waiting(r.tables)
	if err != nil {
		r.t.Fatal(err)
	}
	return refs
}

func TestAcceptedOnce(t *testing.T) {
	r := newRig(t, 1, 1, 1, 1)
	first := refOf(0, 7, 100)
	other := first
	other.Digest[0]++ // sealed again under its number
	fate, run := r.block(first, first, other)
	if len(fate.Accepted) != 1 || !slices.Equal(run, []remora.BatchRef{first}) {
		t.Fatalf("accepted %v, executed %v", fate.Accepted, run)
	}
	if fate, run := r.block(first, other); len(fate.Accepted)+len(run) != 0 {
		t.Errorf("accepted again: %v", fate.Accepted)
	}
	if rows := r.tables.Len(table.Queues) + r.tables.Len(table.Queued) + r.tables.Len(table.Chain); rows != 0 {
		t.Errorf("%d rows of empty queues", rows)
	}
}

func TestEpochsOfAcceptance(t *testing.T) {
	r := newRig(t, 1, 1, 1, 1)
	for epoch, want := range map[remora.Epoch]bool{3: false, 4: true, 5: true, 6: false, 1 << 62: false} {
		ref := refOf(1, uint64(epoch), 1)
		ref.Epoch = epoch
		if fate, _ := r.block(ref); (len(fate.Accepted) == 1) != want || (len(fate.Expired) == 1) == want {
			t.Errorf("epoch %d in epoch 5: %+v", epoch, fate)
		}
	}
}

// TestWaitingNeedsNoEpoch: what was accepted executes however late its turn comes, oldest first.
func TestWaitingNeedsNoEpoch(t *testing.T) {
	r := newRig(t, 1, 1, 1, 1)
	var sent []remora.BatchRef
	for seq := range uint64(10) {
		sent = append(sent, refOf(2, seq, 40_000))
	}
	_, run := r.block(sent...)
	for r.epoch = 9; len(r.waiting()) > 0; r.epoch++ {
		_, more := r.block()
		if len(more) != 1 {
			t.Fatalf("a block executed %d batches of its whole weight", len(more))
		}
		run = append(run, more...)
	}
	if !slices.Equal(run, sent) {
		t.Errorf("executed %v", run)
	}
}

// TestFullQueueDelaysNobodyElse has an author with a full queue of heavy batches, and others with one light batch a block.
func TestFullQueueDelaysNobodyElse(t *testing.T) {
	r := newRig(t, 1, 1, 1, 1)
	var flood []remora.BatchRef
	for seq := range uint64(300) {
		flood = append(flood, refOf(3, seq, 20_000))
	}
	fate, _ := r.block(flood...)
	if len(fate.Accepted) != 256 || len(fate.Refused) != 44 {
		t.Fatalf("accepted %d, refused %d: the queue has room for 256", len(fate.Accepted), len(fate.Refused))
	}
	for seq := range uint64(100) {
		light := []remora.BatchRef{refOf(0, seq, 300), refOf(1, seq, 300), refOf(2, seq, 300)}
		if _, run := r.block(light...); !slices.Contains(run, light[0]) || !slices.Contains(run, light[1]) || !slices.Contains(run, light[2]) {
			t.Fatalf("block %d executed %v", seq, run)
		}
	}
}

// TestRefusedBatchMayComeAgain: a batch that found no room is accepted once there is room.
func TestRefusedBatchMayComeAgain(t *testing.T) {
	r := newRig(t, 1)
	r.params.QueueBytes = 8192
	a, b, c := refOf(0, 0, 40_000), refOf(0, 1, 40_000), refOf(0, 2, 40_000)
	if fate, _ := r.block(a, b, c); !slices.Equal(fate.Refused, []remora.BatchRef{c}) {
		t.Fatalf("refused %v", fate.Refused)
	}
	if fate, _ := r.block(c); len(fate.Accepted) != 1 {
		t.Error("refused although there is room")
	}
}

func TestTooHeavyForAnyBlock(t *testing.T) {
	r := newRig(t, 1, 1)
	if fate, run := r.block(refOf(0, 0, r.params.BlockWeight+1)); len(fate.Refused) != 1 || len(run) != 0 {
		t.Errorf("fate %+v", fate)
	}
	if _, run := r.block(refOf(0, 1, r.params.BlockWeight)); len(run) != 1 {
		t.Error("a batch of a block's whole weight does not execute")
	}
}

// TestLeastWeight: batches that declare nothing take a 4,096th of a block each.
func TestLeastWeight(t *testing.T) {
	r := newRig(t, 1)
	r.params.QueueBytes = 64 << 20
	var tiny []remora.BatchRef
	for seq := range uint64(5000) {
		tiny = append(tiny, refOf(0, seq, 0))
	}
	if _, run := r.block(tiny...); len(run) != 4096 {
		t.Errorf("a block executed %d batches", len(run))
	}
}

// TestSharesFollowStake saturates all queues: over many blocks each account executes its share of the stake.
func TestSharesFollowStake(t *testing.T) {
	stakes := []remora.Amount{1, 2, 3, 10}
	r := newRig(t, stakes...)
	rng := rand.New(rand.NewSource(1))
	var seq [4]uint64
	done := make([]remora.Weight, 4)
	var total remora.Weight
	for range 400 {
		var refs []remora.BatchRef
		for a := range remora.Authority(4) {
			for range 20 {
				refs = append(refs, refOf(a, seq[a], remora.Weight(100+rng.Intn(9000))))
				seq[a]++
			}
		}
		_, run := r.block(refs...)
		used := remora.Weight(0)
		for _, ref := range run {
			done[ref.Author] += ref.Weight
			used += ref.Weight
		}
		if used > r.params.BlockWeight || used+9100 < r.params.BlockWeight {
			t.Fatalf("a block of weight %d, the limit is %d", used, r.params.BlockWeight)
		}
		total += used
	}
	for a, stake := range stakes {
		if got, want := done[a], total*remora.Weight(stake)/16; got+20_000 < want || got > want+20_000 {
			t.Errorf("authority %d of stake %d executed weight %d of %d, want %d", a, stake, got, total, want)
		}
	}
}

// TestDustStakeProgresses: an account whose share of a turn is next to nothing still has its turn, at once when it is alone.
func TestDustStakeProgresses(t *testing.T) {
	r := newRig(t, 1, 1<<60)
	if _, run := r.block(refOf(0, 0, 30_000)); len(run) != 1 {
		t.Error("alone, a dust stake's batch does not execute")
	}
}

// TestWindow compares the window with a set of numbers.
func TestWindow(t *testing.T) {
	rng := rand.New(rand.NewSource(3))
	for range 30 {
		w, tables := new(window), new(table.Memory)
		accepted := map[uint64]bool{}
		highest, seen := uint64(0), false
		base := uint64(rng.Int63())
		if rng.Intn(2) == 0 {
			base = 0
		}
		for range 3000 {
			seq := base + uint64(rng.Intn(9000))
			if rng.Intn(3) > 0 && seen {
				seq = highest + uint64(rng.Intn(100)) - min(highest, 50)
			}
			want := !seen || seq > highest || !accepted[seq] && highest-seq <= remora.AcceptWindow
			if got := w.isOpen(seq); got != want {
				t.Fatalf("number %d with %d the highest: open %t, want %t", seq, highest, got, want)
			}
			if want {
				w.accept(seq)
				accepted[seq], highest, seen = true, max(highest, seq), true
			}
			if rng.Intn(50) == 0 && w.changed {
				o := table.NewOverlay(tables)
				w.save(o, []byte("key"))
				tables.Apply(o.Changes())
				var err error
				if w, err = loadWindow(tables, []byte("key")); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}
