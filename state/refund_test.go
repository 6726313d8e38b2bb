package state_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state"
	"github.com/remora-network/remora/state/statetest"
	"github.com/remora-network/remora/state/table"
)

// countedView counts what reaches the rows below a block's overlay.
type countedView struct {
	table.View
	scans, visited map[table.ID]int
}

func newCountedView(v table.View) *countedView {
	return &countedView{View: v, scans: map[table.ID]int{}, visited: map[table.ID]int{}}
}

func (v *countedView) Ascend(t table.ID, prefix []byte, visit func(key, value []byte) bool) error {
	v.scans[t]++
	return v.View.Ascend(t, prefix, func(key, value []byte) bool {
		v.visited[t]++
		return visit(key, value)
	})
}

// addSession adds the rows of alice's session, which allots 100 bytes to nora and to olaf each.
func addSession(rows *table.Memory, id remora.SessionID, expiry remora.Epoch) {
	number := binary.BigEndian.AppendUint64(nil, uint64(id))
	s := remora.Session{
		ID: id, Owner: statetest.Address("alice"), Number: uint64(id), Scheme: remora.SchemeBLS, Expiry: expiry,
		Nodes: []remora.Address{statetest.Address("nora"), statetest.Address("olaf")},
	}
	slices.SortFunc(s.Nodes, func(a, b remora.Address) int { return bytes.Compare(a[:], b[:]) })
	changes := []table.Change{
		{Table: table.Sessions, Key: number, Value: remora.Encode(s)},
		{Table: table.SessionNumbers, Key: append(s.Owner[:], number...), Value: number},
		{Table: table.Deadlines, Key: append(binary.BigEndian.AppendUint64([]byte{'s'}, uint64(expiry)), number...), Value: []byte{}},
	}
	for _, node := range s.Nodes {
		key := append(slices.Clone(number), node[:]...)
		changes = append(changes, table.Change{Table: table.Grants, Key: key, Value: remora.Encode(remora.Grant{Granted: 100, Left: 100})})
	}
	rows.Apply(changes)
}

// dueRefunds returns a chain on which the refunds of 64 sessions are due in the next block, and that block's input: refused
// claims, each of which names 4,096 items, of which the last asks for more than its grant has.
func dueRefunds(tb testing.TB, claims int) (*statetest.Chain, state.Input) {
	tb.Helper()
	const due = 64
	w := newWorld(tb)
	w.advanceTo(remora.ClaimEpochs + 2)
	rows := w.Tables()
	for i := range remora.SessionID(due) {
		addSession(rows, i+1, 1)
	}
	commit := remora.CommitClaim{Epoch: w.Epoch().Number - 1, Receipts: remora.Hash{1}}
	for i := range remora.SessionID(remora.MaxClaimItems) {
		addSession(rows, due+1+i, 40)
		commit.Items = append(commit.Items, remora.ClaimItem{Session: due + 1 + i, Bytes: 1})
	}
	commit.Items[remora.MaxClaimItems-1].Bytes = 101
	commit.Total = remora.MaxClaimItems + 100
	var err error
	if w.View.Tree, err = state.BuildTree(rows); err != nil {
		tb.Fatal(err)
	}
	d := statetest.Draft{Time: w.View.Tip.Time + 10}
	var txs [][]byte
	for i := range claims {
		txs = append(txs, w.signNext([]string{"nora", "olaf"}[i%2], remora.KindCommitClaim, commit))
	}
	if claims > 0 {
		d.Payload = payload{0: {w.Batch(0, txs...)}}
	}
	return w.Chain, w.Input(w.SubDAG(d))
}

// TestRefundsAmongRefusedClaims checks that refunds read what they refund, and nothing that the block touched besides: no scan
// of grants, and no more rows of other tables than the same block without the claims.
func TestRefundsAmongRefusedClaims(t *testing.T) {
	var seen [2]*countedView
	for i, claims := range []int{0, 8} {
		c, in := dueRefunds(t, claims)
		seen[i] = newCountedView(c.View.Tables)
		view := c.View
		view.Tables = seen[i]
		out, err := c.Machine.Apply(view, in, c.Verifier)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range out.Block.Results {
			if remora.Code(r) != remora.CodeOverAllotment {
				t.Fatalf("a claim ended with %s", remora.Code(r))
			}
		}
		refunded := 0
		for _, change := range out.Changes {
			if change.Table == table.Grants && change.Value == nil {
				refunded++
			}
		}
		if refunded != 128 || len(out.Block.Results) != claims {
			t.Fatalf("%d grants refunded and %d results, want 128 and %d", refunded, len(out.Block.Results), claims)
		}
		if seen[i].scans[table.Grants] != 0 {
			t.Errorf("%d scans of grants", seen[i].scans[table.Grants])
		}
	}
	if without, with := fmt.Sprint(seen[0].scans, seen[0].visited), fmt.Sprint(seen[1].scans, seen[1].visited); without != with {
		t.Errorf("scans and rows %s with refused claims, %s without", with, without)
	}
}

// BenchmarkRefunds executes a block with 64 refunds, alone and among refused claims.
func BenchmarkRefunds(b *testing.B) {
	for _, claims := range []int{0, 8} {
		b.Run(fmt.Sprintf("%d-claims", claims), func(b *testing.B) {
			c, in := dueRefunds(b, claims)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Machine.Apply(c.View, in, new(yes)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
