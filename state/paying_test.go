package state_test

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state"
	"github.com/remora-network/remora/state/statetest"
	"github.com/remora-network/remora/state/table"
	"github.com/remora-network/remora/state/verdict"
)

// TestFaults holds for each case: it is a fault if and only if the code that it ends with is one, and a fault is the same code at
// every door and in execution.
func TestFaults(t *testing.T) {
	c := newCodeChain(t)
	for _, tt := range codeCases {
		raw := tt.tx(&builder{c.Genesis})
		got := codeOf(t, c.Machine.CheckFault(raw, c.Verifier))
		want := remora.CodeOK
		if tt.want.IsFault() {
			want = tt.want
		}
		if got != want {
			t.Errorf("%s: as a fault %s, want %s", tt.name, got, want)
		}
		if want != remora.CodeOK && tt.charged {
			t.Errorf("%s: a fault costs its sender", tt.name)
		}
	}
	w := newOpenWorld(t)
	for _, tt := range deliveryCases {
		if raw := tt.tx(w); w.Machine.CheckFault(raw, w.Verifier) != nil || tt.want.IsFault() {
			t.Errorf("%s is a fault", tt.name)
		}
	}
}

// TestFaultsNeedNoState draws states and epochs: what is a fault is one in all of them, and what a door has admitted in any is
// never one. A member that judges by its own state would be held for a liar by the others.
func TestFaultsNeedNoState(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		other, c := newCodeChain(t), statetest.NewChain(t, codeGenesis())
		for range rapid.IntRange(0, 3).Draw(rt, "epochs") {
			c.EndEpoch(statetest.Transfer(c.Genesis, "alice", "bob", rapid.Uint64Range(0, 4).Draw(rt, "nonce used"), 1))
		}
		tt := rapid.SampledFrom(codeCases).Draw(rt, "case")
		raw := tt.tx(&builder{c.Genesis})
		if at := rapid.IntRange(-len(raw), len(raw)-1).Draw(rt, "flipped"); at >= 0 {
			raw[at] ^= 1 << rapid.IntRange(0, 7).Draw(rt, "bit")
		}
		fault := codeOf(t, c.Machine.CheckFault(raw, c.Verifier))
		if elsewhere := codeOf(t, other.Machine.CheckFault(raw, c.Verifier)); elsewhere != fault {
			rt.Fatalf("%s: %s here, %s in another state", tt.name, fault, elsewhere)
		}
		admitted := codeOf(t, c.Machine.Admit(c.View, raw, c.Verifier))
		if admitted == remora.CodeOK && fault != remora.CodeOK {
			rt.Fatalf("%s is admitted and a fault: %s", tt.name, fault)
		}
		if len(raw) == 0 || len(raw) > remora.MaxTxBytes {
			return // no batch holds it
		}
		if code := c.Run(raw)[0]; code.IsFault() && code != fault {
			rt.Fatalf("%s executes as the fault %s, CheckFault says %s", tt.name, code, fault)
		}
	})
}

// counting counts the statements of each kind about which it is asked.
type counting struct {
	statetest.Verifier
	signatures, others int
}

func (c *counting) Holds(s verdict.Statement) bool {
	if _, signed := s.(verdict.Signed); signed {
		c.signatures++
	} else {
		c.others++
	}
	return c.Verifier.Holds(s)
}

// TestCheapFirst: neither a door nor execution looks at the signature of what sender, epoch or fee refuse, a door not at that of
// a sender without the fee, and nobody computes a pairing for a transaction that anything else refuses.
func TestCheapFirst(t *testing.T) {
	c := newCodeChain(t)
	forged := func(raw []byte) []byte { raw[len(raw)-1] ^= 1; return raw }
	b := &builder{c.Genesis}
	edited := func(edit func(*remora.Tx)) []byte { return forged(b.editTransfer(edit)) }
	node := statetest.Node("alices", remora.RoleCache)
	session := statetest.Session("key", 1, 9, statetest.Allot("bob", 1<<40))
	poor := func(tx *remora.Tx) { tx.Fee = statetest.Balance + 1 }
	for _, tt := range []struct {
		name              string
		raw               []byte
		want              remora.Code
		signatures, after int // asked by a door, and by execution
	}{
		{"used nonce", edited(func(tx *remora.Tx) { tx.Nonce = 1 }), remora.CodeNonceUsed, 0, 0},
		{"far nonce", edited(func(tx *remora.Tx) { tx.Nonce = 64 }), remora.CodeNonceTooFar, 0, 0},
		{"expired", edited(func(tx *remora.Tx) { tx.ValidUntil = 0 }), remora.CodeExpired, 0, 0},
		{"low fee", edited(func(tx *remora.Tx) { tx.Fee = 1 }), remora.CodeFeeTooLow, 0, 0},
		{"no account", forged(statetest.Transfer(c.Genesis, "nobody", "bob", 0, 1)), remora.CodeUnknownAccount, 0, 0},
		{"no balance", b.editTransfer(poor), remora.CodeInsufficientBalance, 0, 1},
		{"forged registration", forged(statetest.Register(c.Genesis, "alice", 0, node)), remora.CodeBadSignature, 1, 1},
		{"name taken", b.registerNode(func(n *remora.Node) { n.Name = "bobs" }), remora.CodeNameTaken, 1, 1},
		{
			"session beyond the balance", statetest.Signed(c.Genesis, statetest.Tx(c.Genesis, "alice", 0, remora.KindOpenSession, session)),
			remora.CodeInsufficientBalance, 1, 1,
		},
	} {
		door := new(counting)
		if got := codeOf(t, c.Machine.Admit(c.View, tt.raw, door)); got != tt.want || door.signatures != tt.signatures || door.others != 0 {
			t.Errorf("%s: a door says %s after %d signatures and %d pairings, want %s after %d and 0",
				tt.name, got, door.signatures, door.others, tt.want, tt.signatures)
		}
		inside := new(counting)
		in := c.Input(c.SubDAG(statetest.Draft{Time: c.View.Tip.Time, Payload: payload{0: {c.Batch(0, tt.raw)}}}))
		out, err := c.Machine.Apply(c.View, in, inside)
		if err != nil {
			t.Fatal(err)
		}
		if got := remora.Code(out.Block.Results[0]); got != tt.want || inside.signatures != tt.after || inside.others != 0 {
			t.Errorf("%s: executed as %s after %d signatures and %d pairings, want %s after %d and 0",
				tt.name, got, inside.signatures, inside.others, tt.want, tt.after)
		}
	}
}

// TestCopiesCostNothing orders one transfer a thousand times in one block, as whoever saw it could: the sender pays once, and one
// signature is checked.
func TestCopiesCostNothing(t *testing.T) {
	c := statetest.NewChain(t, statetest.Genesis(dev, 4, "alice"))
	raw := statetest.Transfer(c.Genesis, "alice", "bob", 0, 7)
	txs := make([][]byte, 1000)
	for i := range txs {
		txs[i] = raw
	}
	in := c.Input(c.SubDAG(statetest.Draft{Time: c.View.Tip.Time + 1, Payload: payload{0: {c.Batch(0, txs...)}}}))
	asked := new(counting)
	out, err := c.Machine.Apply(c.View, in, asked)
	if err != nil {
		t.Fatal(err)
	}
	if ahead := slices.Concat(c.Machine.Ahead(c.Tables(), in, seedOf(t, c))...); len(ahead) != 1 || asked.signatures != 1 {
		t.Errorf("%d signatures checked, %d ahead", asked.signatures, len(ahead))
	}
	c.Commit(out)
	if got, want := c.Account("alice").Balance, statetest.Balance-statetest.Fee-7; got != want {
		t.Errorf("alice has %s, want %s", got, want)
	}
	if ahead := slices.Concat(c.Machine.Ahead(c.Tables(), in, seedOf(t, c))...); len(ahead) != 0 {
		t.Errorf("%d signatures checked ahead for a used nonce", len(ahead))
	}
}

// TestPoorSenderLosesTheNonce lets an account that has one fee send as many transactions as its nonces allow: one is paid, the
// next takes the rest, and none of them can be ordered a second time.
func TestPoorSenderLosesTheNonce(t *testing.T) {
	g := statetest.Genesis(dev, 4, "alice")
	g.Accounts[0].Balance = statetest.Fee + statetest.Fee/2
	c := statetest.NewChain(t, g)
	var txs [][]byte
	for nonce := range uint64(64) {
		txs = append(txs, statetest.Transfer(c.Genesis, "alice", "bob", nonce, 1))
	}
	for i, code := range c.Run(txs...) {
		want := remora.CodeInsufficientBalance
		if i == 0 {
			want = remora.CodeOK
		}
		if code != want {
			t.Errorf("transfer %d: %s, want %s", i, code, want)
		}
	}
	if a := c.Account("alice"); a.Balance != 0 || a.Nonce() != 64 {
		t.Errorf("alice has %s and nonce %d", a.Balance, a.Nonce())
	}
	for i, code := range c.Run(txs...) {
		if code != remora.CodeNonceUsed {
			t.Errorf("transfer %d again: %s", i, code)
		}
	}
}

// TestValidity asks a door for transactions around its epoch. Execution counts the epoch in which the batch was sealed, so that
// a batch that waits its turn does not lose what it holds.
func TestValidity(t *testing.T) {
	for until, want := range map[remora.Epoch]bool{0: false, 6: false, 7: false, 8: false, 9: true, 10: true, 1<<64 - 1: true} {
		err := state.CheckValidity(&remora.Tx{ValidUntil: until}, 7)
		var r *remora.Rejection
		if (err == nil) != want || err != nil && (!errors.As(err, &r) || r.Code != remora.CodeExpired) {
			t.Errorf("valid until %d at a door in epoch 7: %v", until, err)
		}
	}
	c := statetest.NewChain(t, statetest.Genesis(dev, 4, "alice"))
	tx := statetest.Tx(c.Genesis, "alice", 0, remora.KindTransfer, remora.Transfer{To: statetest.Address("bob"), Amount: 1})
	tx.ValidUntil = 1
	early := c.Batch(0, statetest.Signed(c.Genesis, tx)) // sealed in epoch 1
	c.EndEpoch()
	if got := codeOf(t, c.Machine.Admit(c.View, statetest.Signed(c.Genesis, tx), c.Verifier)); got != remora.CodeExpired {
		t.Errorf("admitted after its last epoch as %s", got)
	}
	late := c.Batch(1, statetest.Signed(c.Genesis, tx)) // sealed in epoch 2
	out := c.Next(statetest.Draft{Time: c.View.Tip.Time + 1, Payload: payload{0: {late}, 1: {early}}})
	if got := out.Block.Results; len(got) != 2 || remora.Code(got[0]) != remora.CodeExpired || remora.Code(got[1]) != remora.CodeOK {
		t.Errorf("results %v, want expired in the batch of epoch 2 and ok in that of epoch 1", got)
	}
}

// TestAheadWithoutState lists everything when the accounts cannot be read: Apply reports that.
func TestAheadWithoutState(t *testing.T) {
	c := newCodeChain(t)
	in := c.Input(c.SubDAG(statetest.Draft{Payload: payload{0: {c.Batch(0, statetest.Transfer(c.Genesis, "alice", "bob", 1, 1))}}}))
	if found := slices.Concat(c.Machine.Ahead(c.Tables(), in, seedOf(t, c))...); len(found) != 0 {
		t.Errorf("%d statements for a used nonce", len(found))
	}
	alice := statetest.Address("alice")
	damaged := c.Tables().Clone()
	damaged.Apply([]table.Change{{Table: table.Accounts, Key: alice[:], Value: []byte{0xff}}})
	if found := slices.Concat(c.Machine.Ahead(damaged, in, seedOf(t, c))...); len(found) != 1 {
		t.Errorf("%d statements with a damaged account", len(found))
	}
}
