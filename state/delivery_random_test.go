package state_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/statetest"
	"github.com/remora-network/remora/state/table"
)

// trader runs random transactions through a chain and through the model.
type trader struct {
	*world
	rt      *rapid.T
	m       *market
	clients []string
	caches  []string
	sent    []sentTx
	codes   map[remora.Code]int // number of results of each code
	txs     [][]byte            // of the block under way
	want    []remora.Code
	facts   blockFacts
}

type sentTx struct {
	from string
	raw  []byte
}

// newTrader starts with rich and poor clients and caches. Poor ones cannot pay for all that they try.
func newTrader(tb testing.TB, rt *rapid.T, codes map[remora.Code]int) *trader {
	x := &trader{rt: rt, codes: codes, clients: []string{"alice", "bob", "poor"}, caches: []string{"nora", "olaf", "pauper"}}
	g := statetest.Genesis(dev, 4, "alice", "bob", "poor", "nora", "olaf", "pauper")
	g.Accounts[2].Balance, g.Accounts[5].Balance = 30_000, 30_000
	x.m = newMarket(g)
	x.world = &world{
		Chain: statetest.NewChain(tb, g), t: tb, file: statetest.NewFile(tb, "film", fileBytes),
		nonces: make(map[string]uint64), keys: make(map[remora.SessionID]string),
	}
	var txs [][]byte
	for _, name := range x.caches {
		txs = append(txs, x.signNext(name, remora.KindRegisterNode, statetest.Node(name, remora.RoleCache)))
	}
	x.requireOK(x.Run(txs...))
	for _, name := range append(x.clients, x.caches...) {
		x.m.balance[name] = x.balanceOf(name)
	}
	x.m.treasury = x.getTotals().Treasury
	return x
}

func (x *trader) drawName(what string, from ...string) string {
	return rapid.SampledFrom(from).Draw(x.rt, what)
}

func (x *trader) drawNumber(what string, from ...uint64) uint64 {
	return rapid.SampledFrom(from).Draw(x.rt, what)
}

// addTx adds a transaction to the block under way. rule is its effect on the model once the fee is paid.
func (x *trader) addTx(from string, kind remora.Kind, body any, rule func() remora.Code) {
	raw := x.signNext(from, kind, body)
	code := x.m.chargeFee(from, feeOf(x.t, raw))
	if code == remora.CodeOK {
		code = rule()
	}
	x.sent = append(x.sent, sentTx{from, raw})
	x.txs, x.want = append(x.txs, raw), append(x.want, code)
}

func (x *trader) openSession() {
	owner := x.drawName("owner", "alice", "bob", "poor")
	var allotments []remora.Allotment
	for _, node := range append(x.caches, "bob") {
		odds := []uint64{12_000, 5_000, 0, 700, 1}
		if node == "bob" {
			odds = []uint64{0, 0, 0, 0, 0, 0, 0, 0, 9}
		}
		if bytes := x.drawNumber("allotment", odds...); bytes > 0 {
			allotments = append(allotments, statetest.Allot(node, bytes))
		}
	}
	expiry := x.facts.epoch + remora.Epoch(x.drawNumber("epochs", 3, 9, 1, 2, 1, 0))
	expiry -= remora.Epoch(x.drawNumber("too early", 0, 0, 0, 0, 0, 1))
	s := statetest.Session(owner, x.drawNumber("number", 1, 2, 3, 4), expiry, allotments...)
	x.addTx(owner, remora.KindOpenSession, s, func() remora.Code { return x.m.openSession(x.facts, owner, &s, x.caches) })
	x.keys[x.m.opened] = x.m.ownerOf(x.m.opened)
}

// ownerOf returns a session's owner, after whom its key is named.
func (m *market) ownerOf(id remora.SessionID) string {
	if s := m.sessions[id]; s != nil {
		return s.owner
	}
	return ""
}

func (x *trader) closeSession() {
	from := x.drawName("closer", x.clients...)
	id := remora.SessionID(rapid.IntRange(0, int(x.m.opened)+1).Draw(x.rt, "session"))
	x.addTx(from, remora.KindCloseSession, remora.CloseSession{Session: id}, func() remora.Code { return x.m.closeSession(x.facts, from, id) })
}

// commitClaim claims true deliveries, or more than that.
func (x *trader) commitClaim() {
	node := x.drawName("node", x.caches...)
	epoch := x.facts.epoch - min(x.facts.epoch, remora.Epoch(x.drawNumber("age", 1, 1, 1, 2, 2, 3, 4, 0, 5)))
	var list []statetest.Delivered
	for id := remora.SessionID(1); id <= x.m.opened+1; id++ {
		s := x.m.sessions[id]
		if s == nil || s.grants[node] == nil || s.opened > epoch || s.expiry < epoch { // then seldom
			if x.drawNumber("odd session", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1) == 0 {
				continue
			}
		} else if x.drawNumber("session", 1, 0, 1) == 0 {
			continue
		}
		bytes := x.drawNumber("bytes", 2_000, 300, 5_555, 1, 7_000)
		if s != nil && s.grants[node] != nil && x.drawNumber("within", 1, 1, 0, 1) == 1 {
			bytes = max(1, min(bytes, s.grants[node].Left))
		}
		if x.keys[id] == "" {
			x.keys[id] = "nobody"
		}
		list = append(list, x.deliverFile(id, bytes))
	}
	c := x.makeClaim(node, epoch, list...)
	commit := editCommit(c, func(in *remora.CommitClaim) {
		switch x.drawNumber("lie", 0, 0, 0, 0, 0, 0, 1, 2) {
		case 1: // a total that is none
			in.Total += 5
		case 2: // more than the receipts say
			if len(in.Items) > 0 {
				in.Items[0].Bytes += 5
				in.Total += 5
			}
		}
	})
	x.addTx(node, remora.KindCommitClaim, commit, func() remora.Code { return x.m.commitClaim(x.facts, node, c, commit) })
}

// openClaim answers the challenge of a claim, of another one, or falsely.
func (x *trader) openClaim() {
	node, epoch := x.drawName("node", x.caches...), x.facts.epoch-min(x.facts.epoch, remora.Epoch(x.drawNumber("age", 1, 1, 2, 2, 3, 4, 5, 9)))
	keys := x.m.openClaims()
	if x.drawNumber("done", 0, 1, 0, 0) == 1 {
		keys = x.m.sortClaims(func(*modelClaim) bool { return true })
	}
	if len(keys) > 0 && x.drawNumber("any", 1, 1, 1, 1, 0) == 1 {
		key := rapid.SampledFrom(keys).Draw(x.rt, "claim")
		node, epoch = key.node, key.epoch
	}
	c := x.m.claims[modelClaimKey{node, epoch}]
	if c == nil {
		x.addTx(node, remora.KindOpenClaim, remora.OpenClaim{Node: statetest.Address(node), Epoch: epoch}, func() remora.Code { return x.m.openClaim(x.facts, node, epoch, false) })
		return
	}
	seed, fixed := x.m.seeds[c.Step]
	if !fixed {
		seed.hash = x.getSeed().Hash // as if the newest one drew it
	}
	opened := c.claim.Answer(x.t, seed.hash)
	answers := c.drawsNoLie(seed.hash, opened)
	from := node
	switch x.drawNumber("forgery", 0, 0, 0, 0, 0, 1, 2, 3, 4) {
	case 1:
		opened, answers = c.claim.Answer(x.t, remora.Hash{7}), false
	case 2:
		opened.Signature[5] ^= 4
		answers = false
	case 3:
		opened.Echo, answers = remora.Hash{}, false
	case 4: // somebody else carries it
		from = x.drawName("carrier", append(x.clients, x.caches...)...)
	}
	x.addTx(from, remora.KindOpenClaim, opened, func() remora.Code { return x.m.openClaim(x.facts, node, epoch, answers) })
}

// drawsNoLie reports whether a node's evidence answers the challenge of its claim. If it claimed a little more than it has, the
// challenge may draw nothing of that.
func (c *modelClaim) drawsNoLie(seed remora.Hash, opened *remora.OpenClaim) bool {
	challenge := c.claim.Challenge(seed)
	challenge.Claim, challenge.Items = c.Claim, c.commit.Items
	_, err := challenge.Verify(opened)
	return err == nil
}

// replayTx sends an executed transaction again: its nonce is used.
func (x *trader) replayTx() {
	if len(x.sent) > 0 {
		old := rapid.SampledFrom(x.sent).Draw(x.rt, "replay")
		x.txs, x.want = append(x.txs, old.raw), append(x.want, remora.CodeNonceUsed)
	}
}

// runBlock executes the added transactions and compares the chain with the model.
func (x *trader) runBlock(time remora.Millis, seed bool) {
	d := statetest.Draft{Time: time}
	if seed {
		d.Beacon = []remora.Authority{0, 2, 3}
	}
	if len(x.txs) > 0 {
		d.Payload = payload{0: {x.Batch(0, x.txs...)}}
	}
	out := x.Next(d)
	for i, got := range out.Block.Results {
		x.codes[x.want[i]]++
		if remora.Code(got) != x.want[i] {
			x.rt.Fatalf("block %d: transaction %d ends with %s, the model says %s", out.Block.Header.Height, i, remora.Code(got), x.want[i])
		}
	}
	x.txs, x.want = nil, nil
	x.m.endBlock(x.facts, out.Block.Header.Beacon)
	x.m.compareRows(x.rt, x.world)
	x.m.checkBalance(x.rt, x.world)
}

// beginBlock returns the time of the next block and stores its data for the model.
func (x *trader) beginBlock(after remora.Millis) remora.Millis {
	tip := x.View.Tip
	time := tip.Time + after
	x.facts = blockFacts{height: tip.Height + 1, time: time, epoch: x.Epoch().Number, step: x.getSeed().Step}
	return time
}

// openSessions opens sessions in a first block.
func (x *trader) openSessions() {
	time := x.beginBlock(statetest.EpochMillis)
	for range 3 {
		x.openSession()
	}
	x.runBlock(time, true)
}

func (x *trader) runStep() {
	time := x.beginBlock(remora.Millis(x.drawNumber("time", 1_000, 10, 300, 1_000, 1, 2_500)))
	for range rapid.IntRange(0, 5).Draw(x.rt, "transactions") {
		switch x.drawNumber("kind", 2, 3, 2, 3, 0, 2, 3, 4, 1, 0, 3, 2) {
		case 0:
			x.openSession()
		case 1:
			x.closeSession()
		case 2:
			x.commitClaim()
		case 3:
			x.openClaim()
		case 4:
			x.replayTx()
		}
	}
	x.runBlock(time, x.drawNumber("seed", 1, 0, 1) == 1)
	if x.drawNumber("pause", 0, 0, 0, 0, 0, 0, 1) == 1 {
		each := remora.Millis(x.drawNumber("each", 1, 70, 400))
		for range remora.OpenBlocks + 1 {
			x.runBlock(x.beginBlock(each), false)
		}
	}
}

// TestDeliveryModel runs random sessions, claims and openings, true, forged and sent again, through blocks and through
// the model. In the end every coin is back or paid, and nothing is left to do.
func TestDeliveryModel(t *testing.T) {
	codes := make(map[remora.Code]int)
	states := make(map[remora.ClaimState]int)
	rapid.Check(t, func(rt *rapid.T) {
		x := newTrader(t, rt, codes)
		x.openSessions()
		for range rapid.IntRange(8, 25).Draw(rt, "blocks") {
			x.runStep()
		}
		for range remora.OpenBlocks + 20 {
			x.runBlock(x.beginBlock(statetest.EpochMillis), false)
		}
		for _, c := range x.m.claims {
			states[c.State]++
		}
		if x.m.prepaid != x.m.refunded+x.m.paid+x.m.shares {
			rt.Fatalf("%s prepaid, %s refunded, %s paid, %s to the treasury", x.m.prepaid, x.m.refunded, x.m.paid, x.m.shares)
		}
		replayChain(t, x.Chain)
		if n := x.Tables().Len(table.Deadlines) + x.Tables().Len(table.Grants); n != 0 {
			rt.Fatalf("%d deadlines and grants are left", n)
		}
	})
	t.Logf("codes %v, claims %v", codes, states)
	for _, code := range []remora.Code{
		remora.CodeOK, remora.CodeNonceUsed, remora.CodeInsufficientBalance, remora.CodeInvalidSession, remora.CodeSessionExists,
		remora.CodeUnknownSession, remora.CodeSessionNotOwned, remora.CodeUnknownCache, remora.CodeInvalidClaim, remora.CodeClaimExists,
		remora.CodeClaimEpoch, remora.CodeOverAllotment, remora.CodeUnknownClaim, remora.CodeNotChallenged, remora.CodeClaimClosed,
		remora.CodeBadOpening,
	} {
		if codes[code] == 0 {
			t.Errorf("no transaction ended with %s: the sequences are too dull", code)
		}
	}
	for _, state := range []remora.ClaimState{remora.ClaimSettled, remora.ClaimSlashed, remora.ClaimRejected} {
		if states[state] == 0 {
			t.Errorf("no claim was %s: the sequences are too dull", state)
		}
	}
}
