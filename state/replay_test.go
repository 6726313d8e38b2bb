package state_test

import (
	"bytes"
	"errors"
	"math/rand"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state"
	"github.com/remora-network/remora/state/beacon"
	"github.com/remora-network/remora/state/statetest"
	"github.com/remora-network/remora/state/table"
	"github.com/remora-network/remora/state/verdict"
)

// randomHistory runs a random chain over some epochs and returns the inputs and outcomes of its blocks.
func randomHistory(t testing.TB, blocks int) (g *remora.Genesis, inputs []state.Input, outcomes []state.Outcome) {
	t.Helper()
	names := []string{"alice", "bob", "carol", "dave"}
	g = statetest.Genesis(dev, 4, names[:3]...)
	c := statetest.NewChain(t, g)
	r := rand.New(rand.NewSource(4))
	nonces := make(map[string]uint64)
	for range blocks {
		lists := make(payload)
		for author := range remora.Authority(4) {
			var txs [][]byte
			for range 1 + r.Intn(5) {
				from, to := names[r.Intn(4)], names[r.Intn(4)]
				switch nonce := nonces[from]; r.Intn(6) {
				case 0:
					txs = append(txs, remora.EncodeOpaque(make([]byte, r.Intn(400))))
				case 1:
					txs = append(txs, statetest.Register(c.Genesis, from, nonce, statetest.Node(to, remora.RoleGateway)))
					nonces[from]++
				default:
					txs = append(txs, statetest.Transfer(c.Genesis, from, to, nonce, remora.Amount(r.Intn(30_000))))
					nonces[from] += uint64(r.Intn(3)) // sometimes one twice, sometimes a gap
				}
			}
			lists[author] = append(lists[author], c.Batch(author, txs...))
		}
		d := statetest.Draft{Time: c.View.Tip.Time + remora.Millis(r.Intn(400)), Payload: lists}
		d.Beacon = []remora.Authority{remora.Authority(r.Intn(4)), remora.Authority(r.Intn(4))}
		in := c.Input(c.SubDAG(d))
		out, err := c.Machine.Apply(c.View, in, c.Verifier)
		if err != nil {
			t.Fatal(err)
		}
		c.Commit(out)
		inputs, outcomes = append(inputs, in), append(outcomes, out)
	}
	return g, inputs, outcomes
}

// TestReplay applies a chain again from the bytes that a store or a peer holds: headers, changes and roots
// are the same to the byte.
func TestReplay(t *testing.T) {
	g, inputs, outcomes := randomHistory(t, 40)
	c := statetest.NewChain(t, g)
	ok := 0
	for i, want := range outcomes {
		block, err := remora.DecodeBlock(remora.Encode(want.Block), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		in := state.Input{SubDAG: block.SubDAG(c.View.Tip.SubDAG)}
		for _, b := range inputs[i].Batches {
			parsed, err := remora.ParseBatch(slices.Clone(b.Raw))
			if err != nil {
				t.Fatal(err)
			}
			in.Batches = append(in.Batches, parsed)
		}
		got, err := c.Machine.Apply(c.View, in, c.Verifier)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(remora.Encode(got.Block), remora.Encode(want.Block)) || got.Tip() != want.Tip() {
			t.Fatalf("block %d differs", want.Block.Header.Height)
		}
		if diff := cmp.Diff(want.Changes, got.Changes); diff != "" {
			t.Fatalf("changes of block %d (-want +got):\n%s", want.Block.Header.Height, diff)
		}
		ok += bytes.Count(want.Block.Results, []byte{0})
		c.Commit(got)
	}
	if ok < 100 || c.Epoch().Number < 3 || outcomes[39].Block.Header.Beacon.Step < 3 {
		t.Errorf("%d transactions succeeded, epoch %d: the history is too dull", ok, c.Epoch().Number)
	}
}

// TestAhead lists what Apply asks its verifier: every signature that it looks at, and every contribution. Apply leaves some out.
func TestAhead(t *testing.T) {
	g, inputs, _ := randomHistory(t, 10)
	c := statetest.NewChain(t, g)
	for _, in := range inputs {
		ahead := slices.Concat(c.Machine.Ahead(c.Tables(), in, seedOf(t, c))...)
		asked := &listed{verdicts: make(map[remora.Hash]bool), t: t}
		signed := 0
		for _, s := range ahead {
			asked.verdicts[s.Key()] = c.Verifier.Holds(s)
			if _, ok := s.(verdict.Signed); ok {
				signed++
			}
		}
		out, err := c.Machine.Apply(c.View, in, asked)
		if err != nil {
			t.Fatal(err)
		}
		if asked.signed > signed || asked.signed == 0 || asked.contributions > len(ahead)-signed {
			t.Errorf("asked for %d signatures and %d contributions, %d and %d were listed", asked.signed, asked.contributions, signed, len(ahead)-signed)
		}
		c.Commit(out)
	}
}

func seedOf(t *testing.T, c *statetest.Chain) remora.Seed {
	t.Helper()
	seed, err := beacon.GetSeed(c.View.Tables)
	if err != nil {
		t.Fatal(err)
	}
	return seed
}

// listed fails the test when it is asked about what was not listed.
type listed struct {
	verdicts              map[remora.Hash]bool
	signed, contributions int
	t                     *testing.T
}

func (l *listed) Holds(s verdict.Statement) bool {
	switch s := s.(type) {
	case verdict.Signed:
		l.signed++
	case verdict.BLSSigned:
		l.contributions++
	default:
		return new(statetest.Verifier).Holds(s)
	}
	holds, found := l.verdicts[s.Key()]
	if !found {
		l.t.Errorf("asked about %+v, which is not listed", s)
	}
	return holds
}

// TestAheadSkips what Apply refuses before it looks at a signature.
func TestAheadSkips(t *testing.T) {
	c := statetest.NewChain(t, statetest.Genesis(dev, 4, "alice"))
	good := statetest.Transfer(c.Genesis, "alice", "bob", 0, 1)
	for _, raw := range [][]byte{
		{},
		{0x82},
		[]byte("garbage"), remora.EncodeOpaque(make([]byte, 200)),
		statetest.Transfer(statetest.Genesis("dev-other", 4), "alice", "bob", 0, 1),
		good[:150],
	} {
		ref := c.Batch(0, good, raw)
		in := c.Input(c.SubDAG(statetest.Draft{Payload: payload{0: {ref}}}))
		if found := slices.Concat(c.Machine.Ahead(c.Tables(), in, seedOf(t, c))...); len(found) != 1 {
			t.Errorf("%d statements in a valid transaction and %x", len(found), raw)
		}
	}
	in := state.Input{SubDAG: remora.SubDAG{Headers: []*remora.Header{nil}}}
	if found := slices.Concat(c.Machine.Ahead(c.Tables(), in, seedOf(t, c))...); found != nil {
		t.Errorf("%d statements in a missing header", len(found))
	}
}

// TestDamagedRows spoils one row of the state at a time, in several ways, and applies a block that touches most of it.
// The answer is an error that says so or a block, never a panic; no damage to money or epoch passes silently.
func TestDamagedRows(t *testing.T) {
	c := newCodeChain(t)
	c.Next(statetest.Draft{Time: c.View.Tip.Time + 1, Beacon: []remora.Authority{0}})
	ref := c.Batch(0,
		statetest.Transfer(c.Genesis, "alice", "bob", 0, 5),
		statetest.Register(c.Genesis, "bob", 1, statetest.Node("other", remora.RoleCache)),
		statetest.Register(c.Genesis, "alice", 2, statetest.Node("bobs", remora.RoleCache)),
	)
	in := c.Input(c.SubDAG(statetest.Draft{Time: c.View.Tip.Time + 1000, Payload: payload{0: {ref}}, Beacon: []remora.Authority{1, 2}}))
	alice := statetest.Address("alice")
	noticed := 0
	for _, id := range table.All() {
		err := c.Tables().Ascend(id, nil, func(key, value []byte) bool {
			for _, damage := range [][]byte{{}, {0xff}, value[:len(value)/2], append(slices.Clone(value), 0), bytes.Repeat([]byte{0x81}, 40)} {
				tables := c.Tables().Clone()
				tables.Apply([]table.Change{{Table: id, Key: key, Value: damage}})
				view := c.View
				view.Tables = tables
				_, err := c.Machine.Apply(view, in, c.Verifier)
				if err != nil && !errors.Is(err, remora.ErrCorrupt) {
					t.Errorf("table %d, key %x damaged to %x: %v", id, key, damage, err)
				}
				needed := id == table.Money || id == table.Beacon || id == table.Chain && string(key) == "epoch" ||
					id == table.Accounts && bytes.Equal(key, alice[:])
				if needed && err == nil {
					t.Errorf("table %d, key %x damaged to %x: not noticed", id, key, damage)
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
