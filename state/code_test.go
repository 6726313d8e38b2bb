package state_test

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/proofs/content"
	"github.com/remora-network/remora/state/ledger"
	"github.com/remora-network/remora/state/statetest"
	"github.com/remora-network/remora/state/table"
)

const dev = "dev-test"

// codeOf returns the code of an error of Admit.
func codeOf(t testing.TB, err error) remora.Code {
	t.Helper()
	if err == nil {
		return remora.CodeOK
	}
	var r *remora.Rejection
	if !errors.As(err, &r) {
		t.Fatalf("not a rejection: %v", err)
	}
	if r.Reason == "" {
		t.Errorf("%s without a reason", r.Code)
	}
	return r.Code
}

type codeCase struct {
	name    string
	want    remora.Code
	charged bool // fee and nonce are taken although it failed
	tx      func(*builder) []byte
}

// builder makes the transactions of the cases on a chain where alice and bob have coins, bob runs the node "bobs" and
// alice has used nonce 1.
type builder struct{ genesis *remora.Genesis }

func (b *builder) editTransfer(edit func(*remora.Tx)) []byte {
	tx := statetest.Tx(b.genesis, "alice", 0, remora.KindTransfer, remora.Transfer{To: statetest.Address("bob"), Amount: 5})
	edit(&tx)
	return statetest.Signed(b.genesis, tx)
}

func (b *builder) transferOf(v remora.Amount) []byte {
	return statetest.Transfer(b.genesis, "alice", "bob", 0, v)
}

func (b *builder) registerNode(edit func(*remora.Node)) []byte {
	node := statetest.Node("alices", remora.RoleCache)
	edit(&node)
	return statetest.Register(b.genesis, "alice", 0, node)
}

func (b *builder) editBytes(edit func(raw []byte) []byte) []byte { return edit(b.transferOf(5)) }

var codeCases = []codeCase{
	{"transfer", remora.CodeOK, true, func(b *builder) []byte { return b.transferOf(5) }},
	{"transfer of all", remora.CodeOK, true, func(b *builder) []byte { return b.transferOf(statetest.Balance - 2*statetest.Fee - 1) }},
	{"transfer to itself", remora.CodeOK, true, func(b *builder) []byte { return statetest.Transfer(b.genesis, "alice", "alice", 0, 5) }},
	{"transfer to a new account", remora.CodeOK, true, func(b *builder) []byte { return statetest.Transfer(b.genesis, "alice", "nobody", 0, 5) }},
	{"opaque", remora.CodeOK, false, func(*builder) []byte { return remora.EncodeOpaque([]byte("bytes")) }},
	{"registration", remora.CodeOK, true, func(b *builder) []byte { return b.registerNode(func(*remora.Node) {}) }},
	{"highest nonce of the window", remora.CodeOK, true, func(b *builder) []byte { return b.editTransfer(func(tx *remora.Tx) { tx.Nonce = 63 }) }},
	{"least fee", remora.CodeOK, true, func(b *builder) []byte { return b.exactFee(0) }},

	{"one byte", remora.CodeMalformed, false, func(*builder) []byte { return []byte{0} }},
	{"text", remora.CodeMalformed, false, func(*builder) []byte { return []byte(strings.Repeat("not CBOR ", 20)) }},
	{"cut off", remora.CodeMalformed, false, func(b *builder) []byte { return b.editBytes(func(raw []byte) []byte { return raw[:len(raw)-1] }) }},
	{"trailing byte", remora.CodeMalformed, false, func(b *builder) []byte { return b.editBytes(func(raw []byte) []byte { return append(raw, 0) }) }},
	{"longer spelling of the nonce", remora.CodeMalformed, false, longNonce},
	{"opaque cut off", remora.CodeMalformed, false, func(*builder) []byte { return remora.EncodeOpaque(make([]byte, 600))[:500] }},
	{"opaque with a trailing byte", remora.CodeMalformed, false, func(*builder) []byte { return append(remora.EncodeOpaque(make([]byte, 30)), 1) }},
	{"body of another kind", remora.CodeMalformedBody, true, func(b *builder) []byte {
		return b.editTransfer(func(tx *remora.Tx) { tx.Kind = remora.KindRegisterNode })
	}},
	{"body with a trailing byte", remora.CodeMalformedBody, true, func(b *builder) []byte {
		return b.editTransfer(func(tx *remora.Tx) { tx.Body = append(tx.Body, 0) })
	}},
	{"empty body", remora.CodeMalformedBody, true, func(b *builder) []byte { return b.editTransfer(func(tx *remora.Tx) { tx.Body = nil }) }},
	{"too large", remora.CodeTooLarge, false, func(b *builder) []byte {
		return b.editTransfer(func(tx *remora.Tx) { tx.Body = make([]byte, remora.MaxTxBytes) })
	}},
	{"opaque too large", remora.CodeTooLarge, false, func(*builder) []byte { return remora.EncodeOpaque(make([]byte, remora.MaxTxBytes)) }},
	{"other chain", remora.CodeWrongChain, false, func(*builder) []byte {
		return statetest.Transfer(statetest.Genesis("dev-other", 4), "alice", "bob", 0, 5)
	}},
	{"unknown kind", remora.CodeKindNotAllowed, false, func(b *builder) []byte { return b.editTransfer(func(tx *remora.Tx) { tx.Kind = 99 }) }},
	{"signed opaque", remora.CodeKindNotAllowed, false, func(b *builder) []byte { return b.editTransfer(func(tx *remora.Tx) { tx.Kind = remora.KindOpaque }) }},
	{"signature of another", remora.CodeBadSignature, false, func(b *builder) []byte {
		tx := statetest.Tx(b.genesis, "alice", 0, remora.KindTransfer, remora.Transfer{To: statetest.Address("bob"), Amount: 5})
		message := tx.Message(b.genesis.Domain())
		tx.Signature = statetest.Sign(statetest.Address("bob"), message[:])
		return remora.Encode(tx)
	}},
	{"signed for the chain id's last launch", remora.CodeBadSignature, false, func(*builder) []byte {
		before := codeGenesis()
		before.Time--
		return statetest.Transfer(before, "alice", "bob", 0, 5)
	}},
	{"signature changed", remora.CodeBadSignature, false, func(b *builder) []byte {
		return b.editBytes(func(raw []byte) []byte { raw[len(raw)-1] ^= 1; return raw })
	}},
	{"unknown account", remora.CodeUnknownAccount, false, func(b *builder) []byte { return statetest.Transfer(b.genesis, "nobody", "bob", 0, 5) }},
	{"nonce used", remora.CodeNonceUsed, false, func(b *builder) []byte { return b.editTransfer(func(tx *remora.Tx) { tx.Nonce = 1 }) }},
	{"nonce beyond the window", remora.CodeNonceTooFar, false, func(b *builder) []byte { return b.editTransfer(func(tx *remora.Tx) { tx.Nonce = 64 }) }},
	{"largest nonce", remora.CodeNonceTooFar, false, func(b *builder) []byte { return b.editTransfer(func(tx *remora.Tx) { tx.Nonce = math.MaxUint64 }) }},
	{"no fee", remora.CodeFeeTooLow, false, func(b *builder) []byte { return b.editTransfer(func(tx *remora.Tx) { tx.Fee = 0 }) }},
	{"fee short by one", remora.CodeFeeTooLow, false, func(b *builder) []byte { return b.exactFee(-1) }},
	{"last epoch", remora.CodeOK, true, func(b *builder) []byte { return b.editTransfer(func(tx *remora.Tx) { tx.ValidUntil = 1 }) }},
	{"after its last epoch", remora.CodeExpired, false, func(b *builder) []byte { return b.editTransfer(func(tx *remora.Tx) { tx.ValidUntil = 0 }) }},
	{"fee above the balance", remora.CodeInsufficientBalance, true, func(b *builder) []byte {
		return b.editTransfer(func(tx *remora.Tx) { tx.Fee = statetest.Balance + 1 })
	}},
	{"largest fee", remora.CodeInsufficientBalance, true, func(b *builder) []byte {
		return b.editTransfer(func(tx *remora.Tx) { tx.Fee = math.MaxUint64 })
	}},
	{"amount above the balance", remora.CodeInsufficientBalance, true, func(b *builder) []byte { return b.transferOf(statetest.Balance - 2*statetest.Fee) }},
	{"to itself above the balance", remora.CodeInsufficientBalance, true, func(b *builder) []byte {
		return statetest.Transfer(b.genesis, "alice", "alice", 0, statetest.Balance)
	}},
	{"amount and fee overflow", remora.CodeOverflow, true, func(b *builder) []byte { return b.transferOf(math.MaxUint64) }},
	{"amount of zero", remora.CodeInvalidAmount, true, func(b *builder) []byte { return b.transferOf(0) }},

	{"node without addresses", remora.CodeInvalidNode, true, func(b *builder) []byte { return b.registerNode(func(n *remora.Node) { n.Addrs = nil }) }},
	{"node with one key twice", remora.CodeInvalidNode, true, func(b *builder) []byte {
		return b.registerNode(func(n *remora.Node) { n.Beacon, n.BeaconPoP = n.Consensus, n.Possession })
	}},
	{"possession of the consensus key", remora.CodeBadPossession, true, func(b *builder) []byte { return b.registerNode(func(n *remora.Node) { n.Possession[7] ^= 1 }) }},
	{"possession of the beacon key", remora.CodeBadPossession, true, func(b *builder) []byte {
		return b.registerNode(func(n *remora.Node) { n.BeaconPoP = n.Possession })
	}},
	{"peer id of another", remora.CodeNodeExists, true, func(b *builder) []byte {
		return b.registerNode(func(n *remora.Node) { n.PeerID = statetest.Node("bobs", remora.RoleCache).PeerID })
	}},
	{"beacon key that is another's consensus key", remora.CodeNodeExists, true, func(b *builder) []byte {
		return b.registerNode(func(n *remora.Node) { n.Beacon = statetest.Node("bobs", remora.RoleCache).Consensus })
	}},
	{"content", remora.CodeOK, false, func(b *builder) []byte { return b.registerContent("alice's", 2, nil) }},
	{"empty content", remora.CodeOK, false, func(b *builder) []byte { return b.registerContent("", 1, nil) }},
	{"more replicas", remora.CodeOK, false, func(b *builder) []byte { return b.registerContent("bob's", 3, nil) }},
	{"content again", remora.CodeContentExists, true, func(b *builder) []byte { return b.registerContent("bob's", 2, nil) }},
	{"no replicas", remora.CodeInvalidContent, true, func(b *builder) []byte { return b.registerContent("alice's", 0, nil) }},
	{"false length", remora.CodeInvalidContent, true, func(b *builder) []byte {
		return b.registerContent("alice's", 1, func(c *remora.RegisterContent) { c.Content.Length++ })
	}},
	{"false root", remora.CodeInvalidContent, true, func(b *builder) []byte {
		return b.registerContent("alice's", 1, func(c *remora.RegisterContent) { c.Content.Root[3] ^= 1 })
	}},
	{"name of another", remora.CodeNameTaken, true, func(b *builder) []byte { return b.registerNode(func(n *remora.Node) { n.Name = "bobs" }) }},
	{"name of a validator", remora.CodeNameTaken, true, func(b *builder) []byte { return b.registerNode(func(n *remora.Node) { n.Name = "v0" }) }},
}

// exactFee returns a transfer whose fee differs from the least one by diff.
func (b *builder) exactFee(diff int) []byte {
	prices := remora.Params{MinFee: statetest.MinFee, WeightPrice: statetest.WeightPrice}
	return b.editTransfer(func(tx *remora.Tx) { tx.Fee = prices.FeeOf(tx) + remora.Amount(diff) })
}

// registerContent registers 3,000 repetitions of a text, or nothing for the empty one.
func (b *builder) registerContent(text string, replicas uint8, edit func(*remora.RegisterContent)) []byte {
	body := newRegistration(strings.Repeat(text, 3000), replicas)
	if edit != nil {
		edit(&body)
	}
	return statetest.Signed(b.genesis, statetest.Tx(b.genesis, "alice", 0, remora.KindRegisterContent, body))
}

func newRegistration(text string, replicas uint8) remora.RegisterContent {
	var outboard bytes.Buffer
	w := content.NewWriter(&outboard)
	_, _ = w.Write([]byte(text))
	root, length, err := w.Finish()
	if err != nil {
		panic(err)
	}
	last, err := content.ProveChunk(strings.NewReader(text), bytes.NewReader(outboard.Bytes()), length, content.Chunks(length)-1)
	if err != nil {
		panic(err)
	}
	return remora.RegisterContent{
		Content: remora.Content{Root: root, Length: length}, Replicas: replicas, Last: last.Data, Path: last.Path,
	}
}

// longNonce spells nonce 0, the byte after the sender's address, in two bytes.
func longNonce(b *builder) []byte {
	raw := b.transferOf(5)
	from := statetest.Address("alice")
	at := strings.Index(string(raw), string(from[:])) + len(from)
	return slices.Insert(raw, at, 0x18)
}

func codeGenesis() *remora.Genesis { return statetest.Genesis(dev, 4, "alice", "bob") }

func newCodeChain(t testing.TB) *statetest.Chain {
	c := statetest.NewChain(t, codeGenesis())
	codes := c.Run(
		statetest.Register(c.Genesis, "bob", 0, statetest.Node("bobs", remora.RoleCache)),
		statetest.Transfer(c.Genesis, "alice", "bob", 1, 1),
		statetest.Signed(c.Genesis, statetest.Tx(c.Genesis, "bob", 1, remora.KindRegisterContent, newRegistration(strings.Repeat("bob's", 3000), 2))),
	)
	if !slices.Equal(codes, []remora.Code{remora.CodeOK, remora.CodeOK, remora.CodeOK}) {
		t.Fatalf("preparation: %v", codes)
	}
	return c
}

// TestCodes holds for each case: admission and execution agree on the code, and a failure costs the sender its fee and
// nonce or nothing.
func TestCodes(t *testing.T) {
	for _, tt := range codeCases {
		t.Run(tt.name, func(t *testing.T) {
			c := newCodeChain(t)
			raw := tt.tx(&builder{codeGenesis()})
			if got := codeOf(t, c.Machine.Admit(c.View, raw, c.Verifier)); got != tt.want {
				t.Errorf("admitted as %s, want %s", got, tt.want)
			}
			before := c.Tables().Clone()
			if got := c.Run(raw); !slices.Equal(got, []remora.Code{tt.want}) {
				t.Errorf("executed as %v, want %s", got, tt.want)
			}
			checkCharge(t, c, tt, before, raw)
		})
	}
}

func checkCharge(t *testing.T, c *statetest.Chain, tt codeCase, before table.View, raw []byte) {
	t.Helper()
	if tt.want == remora.CodeOK {
		return
	}
	was, _, err := ledger.Get(before, statetest.Address("alice"))
	if err != nil {
		t.Fatal(err)
	}
	now := c.Account("alice")
	paid := was.Balance - now.Balance
	if !tt.charged {
		if now != was {
			t.Errorf("account %+v, want it unchanged: %+v", now, was)
		}
		return
	}
	tx, err := remora.DecodeTx(raw)
	if err != nil {
		t.Fatal(err)
	}
	if want := min(tx.Fee, was.Balance); paid != want || now.Nonce() != 2 {
		t.Errorf("paid %s and next nonce %d, want %s and 2", paid, now.Nonce(), want)
	}
	for _, id := range []table.ID{table.Accounts, table.Stakes, table.Nodes, table.NodeNames, table.NodeKeys} {
		if was, now := readRows(t, before, id), readRows(t, c.Tables(), id); !cmp.Equal(was, now) {
			t.Errorf("table %d changed by more than fee and nonce:\n%s", id, cmp.Diff(was, now))
		}
	}
}

// readRows returns the rows of a table except alice's account.
func readRows(t *testing.T, v table.View, id table.ID) map[string]string {
	t.Helper()
	return readRowsBut(t, v, id, statetest.Address("alice"))
}

// readRowsBut returns the rows of a table except those of one account.
func readRowsBut(t *testing.T, v table.View, id table.ID, account remora.Address) map[string]string {
	t.Helper()
	found := make(map[string]string)
	err := v.Ascend(id, nil, func(key, value []byte) bool {
		if id != table.Accounts || string(key) != string(account[:]) {
			found[string(key)] = string(value)
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestCodesAllReached guards the table above and deliveryCases: a code without a case has no test.
func TestCodesAllReached(t *testing.T) {
	reached := make(map[remora.Code]bool)
	for _, tt := range codeCases {
		reached[tt.want] = true
	}
	for _, tt := range deliveryCases {
		reached[tt.want] = true
	}
	reached[remora.CodeSkipped] = true // TestFaultEndsBatch
	for code := remora.CodeOK; !strings.HasPrefix(code.String(), "TX_CODE_"); code++ {
		if !reached[code] {
			t.Errorf("no case ends with %s", code)
		}
	}
}

// TestOpaqueNeedsDevChain executes an opaque transaction where they are not allowed.
func TestOpaqueNeedsDevChain(t *testing.T) {
	c := statetest.NewChain(t, statetest.Genesis("remora-1", 4, "alice"))
	raw := remora.EncodeOpaque([]byte("bytes"))
	if got := codeOf(t, c.Machine.Admit(c.View, raw, c.Verifier)); got != remora.CodeKindNotAllowed {
		t.Errorf("admitted as %s", got)
	}
	if got := c.Run(raw); got[0] != remora.CodeKindNotAllowed {
		t.Errorf("executed as %s", got)
	}
}

// TestFeeBeyondAmounts takes parameters under which the least fee is larger than any amount: it does not wrap around.
func TestFeeBeyondAmounts(t *testing.T) {
	for name, edit := range map[string]func(p *remora.Params){
		"product": func(p *remora.Params) { p.WeightPrice = math.MaxUint64 },
		"sum":     func(p *remora.Params) { p.MinFee = math.MaxUint64 - 10 },
	} {
		g := statetest.Genesis(dev, 1, "alice")
		edit(&g.Params)
		c := statetest.NewChain(t, g)
		if got := c.Run(statetest.Transfer(c.Genesis, "alice", "bob", 0, 1)); got[0] != remora.CodeFeeTooLow {
			t.Errorf("%s: executed as %s", name, got)
		}
	}
}

// TestEveryBitOfATransfer flips each bit of a valid transfer: none of the results is accepted.
func TestEveryBitOfATransfer(t *testing.T) {
	c := newCodeChain(t)
	valid := (&builder{codeGenesis()}).transferOf(5)
	for i := range 8 * len(valid) {
		raw := slices.Clone(valid)
		raw[i/8] ^= 1 << (i % 8)
		if got := codeOf(t, c.Machine.Admit(c.View, raw, c.Verifier)); got == remora.CodeOK {
			t.Errorf("accepted with bit %d flipped", i)
		}
	}
}
