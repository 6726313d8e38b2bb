package state_test

import (
	"errors"
	"fmt"
	"math/rand"
	"slices"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state"
	"github.com/remora-network/remora/state/registry"
	"github.com/remora-network/remora/state/statetest"
	"github.com/remora-network/remora/state/table"
)

type payload = map[remora.Authority][]remora.BatchRef

// TestHeader checks each field of a block against what it stands for.
func TestHeader(t *testing.T) {
	c := statetest.NewChain(t, statetest.Genesis(dev, 4, "alice"))
	if tip := c.View.Tip; tip != (state.Tip{Hash: c.Genesis.Hash(), Time: statetest.StartTime, SubDAG: c.Genesis.Hash()}) {
		t.Fatalf("tip of the genesis state: %+v", tip)
	}
	first := c.Next(statetest.Draft{Time: statetest.StartTime + 5})
	ref := c.Batch(2, statetest.Transfer(c.Genesis, "alice", "bob", 0, 5), remora.EncodeOpaque(nil))
	sub := c.SubDAG(statetest.Draft{Time: statetest.StartTime + 9, Payload: payload{2: {ref}}, Beacon: []remora.Authority{0, 1, 2}})
	out, err := c.Machine.Apply(c.View, c.Input(sub), c.Verifier)
	if err != nil {
		t.Fatal(err)
	}
	seed := out.Block.Header.Beacon
	want := remora.BlockHeader{
		Version: remora.ProtocolVersion, Domain: c.Genesis.Domain(), Height: 2, Epoch: 1, Term: 1, Time: statetest.StartTime + 9,
		Parent: first.Block.Header.Hash(), SubDAG: sub.Digest(c.Genesis.Domain()),
		TxRoot:      remora.TxRoot(c.Genesis.Domain(), []remora.Hash{ref.Digest}),
		ResultsRoot: remora.ResultsRoot(c.Genesis.Domain(), []byte{0, 0}),
		StateRoot:   out.Tree.Root(), Beacon: seed,
	}
	if out.Block.Header != want || seed.Step != 1 {
		t.Errorf("header %+v\nwant   %+v", out.Block.Header, want)
	}
	if tip := (state.Tip{Height: 2, Hash: want.Hash(), Time: want.Time, SubDAG: want.SubDAG}); out.Tip() != tip {
		t.Errorf("tip %+v, want %+v", out.Tip(), tip)
	}
	if !slices.Equal(out.Block.DAG, sub.Headers) {
		t.Error("the block's headers are not the sub-DAG's")
	}
}

// TestInputRefused lists what Apply must not execute. None of it changes anything.
func TestInputRefused(t *testing.T) {
	c := statetest.NewChain(t, statetest.Genesis(dev, 4, "alice"))
	for _, tt := range []struct {
		name string
		edit func(in *state.Input)
	}{
		{"another predecessor", func(in *state.Input) { in.SubDAG.Previous[0] ^= 1 }},
		{"no headers", func(in *state.Input) { in.SubDAG.Headers = nil }},
		{"missing header", func(in *state.Input) { in.SubDAG.Headers[1] = nil }},
		{"unsealed header", func(in *state.Input) { in.SubDAG.Headers[1] = &remora.Header{Term: 1} }},
		{"author outside", func(in *state.Input) {
			in.SubDAG.Headers[1] = sealHeader(c.Genesis.Domain(), remora.Header{Term: 1, Author: 4})
		}},
		{"another term", func(in *state.Input) { in.SubDAG.Headers[1] = sealHeader(c.Genesis.Domain(), remora.Header{Term: 2}) }},
		{"missing batch", func(in *state.Input) { in.Batches = in.Batches[:1] }},
		{"one batch more", func(in *state.Input) { in.Batches = append(in.Batches, in.Batches[0]) }},
		{"batches swapped", func(in *state.Input) { in.Batches[0], in.Batches[1] = in.Batches[1], in.Batches[0] }},
		{"batch without bytes", func(in *state.Input) { in.Batches[0].Raw = nil }},
		{"zero batch", func(in *state.Input) { in.Batches[0] = remora.Batch{} }},
	} {
		refs := []remora.BatchRef{c.Batch(0, []byte("a")), c.Batch(0, []byte("b"))}
		in := c.Input(c.SubDAG(statetest.Draft{Payload: payload{0: refs}}))
		tt.edit(&in)
		out, err := c.Machine.Apply(c.View, in, c.Verifier)
		if !errors.Is(err, state.ErrInput) || out.Changes != nil {
			t.Errorf("%s: %v, %d changes", tt.name, err, len(out.Changes))
		}
	}
	bad := remora.SubDAG{Previous: c.View.Tip.SubDAG, Headers: []*remora.Header{nil}}
	if _, err := c.Machine.Pending(c.View, &bad); !errors.Is(err, state.ErrInput) {
		t.Errorf("pending batches of a missing header: %v", err)
	}
}

func sealHeader(d remora.Domain, h remora.Header) *remora.Header {
	h.Seal(d)
	return &h
}

// TestTime gives members clocks and stakes and compares the block's time.
func TestTime(t *testing.T) {
	const parent = statetest.StartTime
	tests := []struct {
		name   string
		stakes []remora.Amount
		clocks []remora.Millis // relative to the parent block
		want   remora.Millis
	}{
		{"equal stakes, lower median", []remora.Amount{1, 1, 1, 1}, []remora.Millis{10, 20, 30, 40}, 20},
		{"odd number", []remora.Amount{1, 1, 1}, []remora.Millis{30, 10, 20}, 20},
		{"stake counts", []remora.Amount{5, 1, 1, 1}, []remora.Millis{40, 10, 20, 30}, 40},
		{"half is enough", []remora.Amount{3, 1, 1, 1}, []remora.Millis{10, 20, 30, 40}, 10},
		{"one far ahead", []remora.Amount{1, 1, 1, 1}, []remora.Millis{10, 11, 12, 1 << 62}, 11},
		{"clocks of the past", []remora.Amount{1, 1, 1, 1}, []remora.Millis{0, 0, 0, 0}, 1},
		{"single validator", []remora.Amount{7}, []remora.Millis{33}, 33},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := statetest.Genesis(dev, len(tt.stakes))
			times := make(map[remora.Authority]remora.Millis)
			for i, stake := range tt.stakes {
				g.Validators[i].Stake = stake
				times[remora.Authority(i)] = parent + tt.clocks[i]
			}
			c := statetest.NewChain(t, g)
			if got := c.Next(statetest.Draft{Times: times}).Block.Header.Time; got != parent+tt.want {
				t.Errorf("time %d, want %d", got-parent, tt.want)
			}
		})
	}
}

// TestTimeWithoutParents falls back to the leader's clock: only parents that are in the sub-DAG have one to read.
func TestTimeWithoutParents(t *testing.T) {
	c := statetest.NewChain(t, statetest.Genesis(dev, 4))
	sub := c.SubDAG(statetest.Draft{Time: statetest.StartTime + 7})
	sub.Headers = sub.Headers[len(sub.Headers)-1:]
	out, err := c.Machine.Apply(c.View, state.Input{SubDAG: sub}, c.Verifier)
	if err != nil || out.Block.Header.Time != statetest.StartTime+7 {
		t.Errorf("time %d (%v)", out.Block.Header.Time, err)
	}
}

// TestTimeBetweenHonestClocks: whatever members with less than a third of the stake write, the median lies between two
// clocks of the others, for any quorum of parents.
func TestTimeBetweenHonestClocks(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for range 300 {
		n := 1 + r.Intn(10)
		g := statetest.Genesis(dev, n)
		var total, liars remora.Amount
		for i := range g.Validators {
			g.Validators[i].Stake = remora.Amount(1 + r.Intn(9))
			total += g.Validators[i].Stake
		}
		c := statetest.NewChain(t, g)
		low, high := remora.Millis(1<<62), remora.Millis(0)
		times := make(map[remora.Authority]remora.Millis)
		for i := range remora.Authority(n) {
			if stake := c.Machine.Committee().Stake(i); 3*(liars+stake) < total && r.Intn(2) == 0 {
				liars += stake
				times[i] = []remora.Millis{0, 1 << 60}[r.Intn(2)]
				continue
			}
			times[i] = statetest.StartTime + 1 + remora.Millis(r.Intn(1000))
			low, high = min(low, times[i]), max(high, times[i])
		}
		if got := c.Next(statetest.Draft{Times: times}).Block.Header.Time; got < low || got > high {
			t.Fatalf("time %d of clocks %v, want it between %d and %d", got, times, low, high)
		}
	}
}

// TestExactlyOnce lists random known and new batches in random headers over many epochs: each executes once if it is
// ever listed in time, and never twice. What the state keeps about them is one row.
func TestExactlyOnce(t *testing.T) {
	r := rand.New(rand.NewSource(2))
	c := statetest.NewChain(t, statetest.Genesis(dev, 4))
	var known []remora.BatchRef
	executed, owed := make(map[remora.Hash]remora.Height), make(map[remora.Hash]bool)
	for range 400 {
		epoch := c.Epoch().Number
		lists := make(payload)
		for range r.Intn(8) {
			if len(known) == 0 || r.Intn(2) == 0 {
				known = append(known, c.Batch(0, []byte{1}))
			}
			ref := known[max(0, len(known)-1-r.Intn(40))]
			author := remora.Authority(r.Intn(4))
			lists[author] = append(lists[author], ref)
			if ref.Epoch+1 >= epoch {
				owed[ref.Digest] = true
			}
		}
		out := c.Next(statetest.Draft{Time: c.View.Tip.Time + remora.Millis(r.Intn(200)), Payload: lists})
		for _, digest := range out.Block.Batches {
			if height, again := executed[digest]; again {
				t.Fatalf("batch %s executed in block %d and in block %d", digest, height, out.Block.Header.Height)
			}
			executed[digest] = out.Block.Header.Height
		}
	}
	if len(executed) != len(owed) {
		t.Errorf("%d batches executed, %d were listed in time", len(executed), len(owed))
	}
	if rows := c.Tables().Len(table.Accepted); c.Epoch().Number < 20 || rows != 1 {
		t.Errorf("%d epochs, %d rows", c.Epoch().Number, rows)
	}
}

// TestEpochsFollowTime: each block carries the epoch in which the one before left the chain.
func TestEpochsFollowTime(t *testing.T) {
	c := statetest.NewChain(t, statetest.Genesis(dev, 4))
	want := registry.Epoch{Number: 1, StartTime: statetest.StartTime, StartHeight: 1}
	r := rand.New(rand.NewSource(3))
	for range 300 {
		out := c.Next(statetest.Draft{Time: c.View.Tip.Time + remora.Millis(r.Intn(300))})
		h := out.Block.Header
		if h.Epoch != want.Number {
			t.Fatalf("block %d is of epoch %d, want %d", h.Height, h.Epoch, want.Number)
		}
		clock, err := registry.GetClock(c.Tables())
		if err != nil {
			t.Fatal(err)
		}
		if clock.Active >= want.StartTime+statetest.EpochMillis {
			want = registry.Epoch{Number: want.Number + 1, StartTime: clock.Active, StartHeight: h.Height + 1}
		}
		if got := c.Epoch(); got != want {
			t.Fatalf("after block %d: %+v, want %+v", h.Height, got, want)
		}
	}
	if want.Number < 10 {
		t.Fatal(fmt.Sprint("only epochs up to ", want.Number))
	}
}
