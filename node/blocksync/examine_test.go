package blocksync

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/head"
	"github.com/remora-network/remora/node/metrics"
	"github.com/remora-network/remora/node/peers"
	"github.com/remora-network/remora/node/replay/replaytest"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/node/trust"
	"github.com/remora-network/remora/node/trust/trusttest"
	"github.com/remora-network/remora/state"
	"github.com/remora-network/remora/state/ledger"
	"github.com/remora-network/remora/state/table"
	"github.com/remora-network/remora/state/tree"
)

var errSilent = errors.New("silent")

// bending changes an answer.
type bending func(protocol string, items [][]byte) ([][]byte, error)

// answers are a server's, bent for some peers.
type answers struct {
	server    *peers.Server
	committee *trust.Committee
	bent      map[remora.Authority]bending
}

func (a answers) client() *peers.Client { return peers.NewClient(a.committee, a.call) }

func (a answers) call(ctx context.Context, peer, protocol string, request []byte, _ int) ([]byte, error) {
	raw, err := a.server.Handlers()[protocol](ctx, "", request)
	from, _ := a.committee.ByPeer(peer)
	bend := a.bent[from]
	if err != nil || bend == nil {
		return raw, err
	}
	if protocol == peers.ProtocolBlocks {
		var list peers.BlocksAnswer
		if err := remora.Decode(raw, peers.MaxAnswer, &list); err != nil {
			return nil, err
		}
		list.Items, err = bend(protocol, list.Items)
		return remora.Encode(list), err
	}
	items, err := peers.DecodeItems(raw)
	if err != nil {
		return nil, err
	}
	items, err = bend(protocol, items)
	return remora.Encode(peers.ListAnswer{Items: items}), err
}

// parted are two chains of one genesis, of which ours executes on a damaged account from a height on.
type parted struct {
	ours, theirs *replaytest.Chain
	examiner     *Examiner
	log          strings.Builder
}

func newParted(t *testing.T, at, height remora.Height) *parted {
	t.Helper()
	p := &parted{ours: replaytest.New(t, "dev-parted"), theirs: replaytest.New(t, "dev-parted")}
	account := p.ours.Keys.Accounts[0].Public()
	for h := remora.Height(1); h <= height; h++ {
		if h == at {
			row := table.Change{Table: table.Accounts, Key: account[:], Value: remora.Encode(ledger.Account{Balance: 77_777, Base: uint64(at - 1)})}
			if err := p.ours.Store.Init(p.ours.Genesis.Hash(), []table.Change{row}); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range []*replaytest.Chain{p.ours, p.theirs} {
			c.Block(c.Transfer(0, 1, uint64(h-1), 5))
		}
		p.theirs.Certify(h)
	}
	members, err := p.ours.Genesis.Committee()
	if err != nil {
		t.Fatal(err)
	}
	committee, err := trust.New(members)
	if err != nil {
		t.Fatal(err)
	}
	p.examiner = &Examiner{
		Committee: committee, Store: p.ours.Store, Head: p.ours.Head, Counts: new(metrics.Counts),
		Log: slog.New(slog.NewTextHandler(&p.log, nil)),
	}
	p.bend(nil)
	return p
}

// bend has the examiner ask peers, some of which change their answers.
func (p *parted) bend(bent map[remora.Authority]bending) {
	a := answers{&peers.Server{Domain: p.examiner.Committee.Domain, Store: p.theirs.Store, Head: p.theirs.Head}, p.examiner.Committee, bent}
	p.examiner.Client = a.client()
}

func (p *parted) block(t *testing.T, c *replaytest.Chain, h remora.Height) *remora.BlockHeader {
	t.Helper()
	b, err := c.Store.Block(h)
	if err != nil {
		t.Fatal(err)
	}
	return &b.Header
}

// TestExamineFindsTheFirstBlockAndRow learns of a difference three blocks too late and finds its beginning.
func TestExamineFindsTheFirstBlockAndRow(t *testing.T) {
	p := newParted(t, 3, 6)
	err := p.examiner.explainEnd(t.Context(), &Minority{Height: 6, Hash: p.block(t, p.theirs, 6).Hash()})
	var d *exec.Divergence
	if !errors.Is(err, ErrMinority) || !errors.As(err, &d) || d.Height != 3 || d.Row == nil {
		t.Fatalf("error %v, want the divergence at block 3 with its row", err)
	}
	if d.Expected.StateRoot != p.block(t, p.theirs, 3).StateRoot || d.Got.StateRoot != p.block(t, p.ours, 3).StateRoot {
		t.Errorf("roots of %v are not those of block 3", d)
	}
	address := p.ours.Keys.Accounts[0].Public()
	if d.Row.Table != table.Accounts || string(d.Row.Key) != string(address[:]) {
		t.Errorf("row %v, want the account %s", d.Row, address)
	}
	expected, errA := ledger.DecodeAccount(d.Row.Expected.Bytes)
	got, errB := ledger.DecodeAccount(d.Row.Got.Bytes)
	if errA != nil || errB != nil || expected.Balance != replaytest.Balance-3*5_005 || got.Balance != 77_777-5_005 {
		t.Errorf("balances %d and %d, %v, %v", expected.Balance, got.Balance, errA, errB)
	}
	if n := strings.Count(p.log.String(), "level=ERROR"); n != 1 || !strings.Contains(p.log.String(), fmt.Sprintf("key %x", address[:])) {
		t.Errorf("%d errors in the log, want one that names the row:\n%s", n, &p.log)
	}
	if p.examiner.Counts.Diverged.Load() == 0 {
		t.Error("the node does not say of itself that it diverged")
	}
}

// TestExamineOfASyncedBlock has the quorum's header at hand; nothing of the block was written.
func TestExamineOfASyncedBlock(t *testing.T) {
	p := newParted(t, 9, 2)
	txs := p.theirs.Transfer(0, 1, 2, 5)
	block := p.theirs.Block(txs)
	p.theirs.Certify(3)
	address := p.ours.Keys.Accounts[0].Public()
	damage := table.Change{Table: table.Accounts, Key: address[:], Value: remora.Encode(ledger.Account{Balance: 88_888, Base: 2})}
	if err := p.ours.Store.Init(p.ours.Genesis.Hash(), []table.Change{damage}); err != nil {
		t.Fatal(err)
	}
	batch := p.ours.Batch(txs)
	_, err := p.ours.Executor.Execute(p.ours.SubDAG(batch), []remora.Batch{batch}, &block.Header)
	err = p.examiner.explainEnd(t.Context(), err)
	var d *exec.Divergence
	if !errors.Is(err, ErrMinority) || !errors.As(err, &d) || d.Height != 3 || d.Row == nil || d.Row.Table != table.Accounts || string(d.Row.Key) != string(address[:]) {
		t.Errorf("error %v, want the divergence at block 3 with the damaged account", err)
	}
}

// TestSyncedBlockThatTheStateRefuses has a row that says that a batch was accepted before: the block that executes it does
// not even apply.
func TestSyncedBlockThatTheStateRefuses(t *testing.T) {
	p := newParted(t, 9, 2)
	batch := p.theirs.Batch(p.theirs.Transfer(0, 1, 2, 5))
	blocks := []exec.Certified{{Block: p.theirs.Block()}, {Block: p.theirs.Execute(batch), Batches: []remora.Batch{batch}}}
	for i := range blocks {
		blocks[i].Certificate = p.theirs.Certify(blocks[i].Block.Header.Height)
	}
	committee, err := p.theirs.Genesis.Committee()
	if err != nil {
		t.Fatal(err)
	}
	author := committee.Members[batch.Author].Account
	key := binary.BigEndian.AppendUint16(author[:], uint16(batch.Worker))
	if err := p.ours.Store.Init(p.ours.Genesis.Hash(), []table.Change{{Table: table.Accepted, Key: key, Value: remora.Encode([]any{batch.Seq, []byte{}})}}); err != nil {
		t.Fatal(err)
	}
	i := &Importer{Executor: p.ours.Executor, Store: p.ours.Store}
	_, err = i.executeBlocks(blocks)
	err = p.examiner.explainEnd(t.Context(), err)
	if !errors.Is(err, ErrMinority) || !strings.Contains(err.Error(), "block 4") || !strings.Contains(err.Error(), state.ErrInput.Error()) {
		t.Errorf("error %v, want %v with block 4 and the reason", err, ErrMinority)
	}
}

// TestExamineAmongLiars has two peers that bend every answer, or give none; the third one's are believed.
func TestExamineAmongLiars(t *testing.T) {
	p := newParted(t, 2, 3)
	hash := p.block(t, p.theirs, 3).Hash()
	for name, bend := range map[string]bending{
		"silent":     func(string, [][]byte) ([][]byte, error) { return nil, errSilent },
		"empty":      func(string, [][]byte) ([][]byte, error) { return nil, nil },
		"empty item": func(string, [][]byte) ([][]byte, error) { return [][]byte{{}}, nil },
		"too much": func(_ string, items [][]byte) ([][]byte, error) {
			return slices.Repeat(items, 4), nil
		},
		"flipped": func(_ string, items [][]byte) ([][]byte, error) {
			for _, item := range items {
				item[len(item)/2] ^= 1
			}
			return items, nil
		},
		"another row": func(protocol string, items [][]byte) ([][]byte, error) {
			if protocol == peers.ProtocolChange {
				return [][]byte{{byte(table.Stakes)}, {1}, {2}}, nil
			}
			return items, nil
		},
	} {
		p.bend(map[remora.Authority]bending{1: bend, 2: bend})
		err := p.examiner.explainEnd(t.Context(), &Minority{Height: 3, Hash: hash})
		var d *exec.Divergence
		if !errors.As(err, &d) || d.Height != 2 || d.Row == nil || d.Row.Table != table.Accounts {
			t.Errorf("%s: %v, want the row from the honest peer", name, err)
		}
		p.bend(map[remora.Authority]bending{1: bend, 2: bend, 3: bend})
		if err := p.examiner.explainEnd(t.Context(), &Minority{Height: 3, Hash: hash}); !errors.Is(err, ErrMinority) {
			t.Errorf("%s, all of them: %v, want %v", name, err, ErrMinority)
		}
	}
}

func TestExamineLeavesOtherErrorsAlone(t *testing.T) {
	x := &Examiner{Counts: new(metrics.Counts), Log: slog.New(slog.DiscardHandler)}
	if err := x.explainEnd(t.Context(), errSilent); !errors.Is(err, errSilent) || errors.Is(err, ErrMinority) || x.Counts.Diverged.Load() != 0 {
		t.Errorf("error %v, diverged %d", err, x.Counts.Diverged.Load())
	}
}

// rowsAfter publishes a block that leads from common rows to a state, and returns that state.
func rowsAfter(t *testing.T, common, changes []table.Change) *peers.Server {
	t.Helper()
	st, err := store.InMemory()
	if err != nil {
		t.Fatal(err)
	}
	built := tree.Tree{}
	for _, c := range append(common, changes...) {
		leaf := tree.Delete(tree.KeyHash(byte(c.Table), c.Key))
		if c.Value != nil {
			leaf = tree.Set(leaf.Key, c.Value)
		}
		if built, err = built.Update([]tree.Change{leaf}); err != nil {
			t.Fatal(err)
		}
	}
	s := &peers.Server{Store: st, Head: head.New(head.NewView(st, state.View{Tree: built, Tip: state.Tip{Height: 1}, Changes: changes}, nil))}
	t.Cleanup(func() {
		if err := errors.Join(s.Head.Close(), st.Close()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestRowOfEveryKind compares executions of one block that set, delete or leave a row.
func TestRowOfEveryKind(t *testing.T) {
	change := func(key, value string) []table.Change {
		c := table.Change{Table: table.Grants, Key: []byte(key)}
		if value != "" {
			c.Value = []byte(value)
		}
		return []table.Change{c}
	}
	var common []table.Change
	for i := range 50 {
		common = append(common, change(fmt.Sprintf("row %d", i), "old")...)
	}
	for name, tt := range map[string]struct {
		ours, theirs  []table.Change
		expected, got string // the value; "?" where only its hash is known
	}{
		"both set":        {change("row 7", "a"), change("row 7", "b"), "b", "a"},
		"only we set":     {change("row 7", "a"), nil, "?", "a"},
		"only they set":   {nil, change("row 7", "b"), "b", "?"},
		"we inserted":     {change("new", "a"), nil, "", "a"},
		"they inserted":   {nil, change("new", "b"), "b", ""},
		"we deleted":      {change("row 7", ""), nil, "?", ""},
		"they deleted":    {nil, change("row 7", ""), "", "?"},
		"set and deleted": {change("row 7", "a"), change("row 7", ""), "", "a"},
	} {
		ours, theirs := rowsAfter(t, common, tt.ours), rowsAfter(t, common, tt.theirs)
		committee, _, _ := trusttest.Committee(t)
		x := &Examiner{Committee: committee, Client: answers{server: theirs, committee: committee}.client(), Log: slog.New(slog.DiscardHandler)}
		d := &exec.Divergence{Height: 1}
		d.View, _ = ours.Head.Past(1)
		d.Got.StateRoot = d.View.Tree.Root()
		past, _ := theirs.Head.Past(1)
		d.Expected.StateRoot = past.Tree.Root()
		row := x.findRow(t.Context(), d)
		if row == nil || row.Table != table.Grants || row.Place != tree.KeyHash(byte(table.Grants), row.Key) {
			t.Errorf("%s: row %v", name, row)
			continue
		}
		for side, v := range map[string]exec.Value{tt.expected: row.Expected, tt.got: row.Got} {
			if (side == "") != v.Hash.IsZero() || (side == "?" || side == "") != (v.Bytes == nil) || side != "?" && string(v.Bytes) != side {
				t.Errorf("%s: value %q with hash %s, want %q", name, v.Bytes, v.Hash, side)
			}
		}
	}
}

// TestRowIsUnknownWhenNobodyKeepsTheState compares after a block that is no longer kept.
func TestRowIsUnknownWhenNobodyKeepsTheState(t *testing.T) {
	ours := rowsAfter(t, nil, []table.Change{{Table: table.Grants, Key: []byte("k"), Value: []byte("v")}})
	committee, _, _ := trusttest.Committee(t)
	x := &Examiner{Committee: committee, Client: answers{server: ours, committee: committee}.client(), Log: slog.New(slog.DiscardHandler)}
	d := &exec.Divergence{Height: 2}
	d.View, _ = ours.Head.Past(1)
	d.Got.StateRoot, d.Expected.StateRoot = d.View.Tree.Root(), remora.Hash{1}
	if row := x.findRow(t.Context(), d); row != nil {
		t.Errorf("row %v", row)
	}
}
