package state_test

import (
	"bytes"
	"cmp"
	"slices"

	"pgregory.net/rapid"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/delivery"
	"github.com/remora-network/remora/state/ledger"
	"github.com/remora-network/remora/state/statetest"
	"github.com/remora-network/remora/state/table"
)

// market is a simple model of deliveries: maps of sessions and claims, and sums that only grow.
type market struct {
	domain           remora.Domain
	balance          map[string]remora.Amount
	treasury, supply remora.Amount
	sessions         map[remora.SessionID]*modelSession
	claims           map[modelClaimKey]*modelClaim
	seeds            map[uint64]modelSeed
	opened           remora.SessionID // number of sessions ever opened

	prepaid, refunded, paid, shares remora.Amount // ever
}

type modelSession struct {
	owner          string
	number         uint64
	opened, expiry remora.Epoch
	grants         map[string]*remora.Grant
	settled        map[string]uint64 // bytes that were paid, by node
}

type modelClaimKey struct {
	node  string
	epoch remora.Epoch
}

type modelClaim struct {
	claim  *statetest.Claim // with the node's evidence
	commit remora.CommitClaim
	remora.Claim
}

type modelSeed struct {
	hash   remora.Hash
	height remora.Height
	time   remora.Millis
}

// blockFacts are the data of the block under way that the model needs.
type blockFacts struct {
	height remora.Height
	time   remora.Millis
	epoch  remora.Epoch
	step   uint64
}

func newMarket(g *remora.Genesis) *market {
	m := &market{
		domain:  g.Domain(),
		balance: make(map[string]remora.Amount), sessions: make(map[remora.SessionID]*modelSession),
		claims: make(map[modelClaimKey]*modelClaim), seeds: make(map[uint64]modelSeed),
	}
	for _, a := range g.Accounts {
		m.supply += a.Balance
	}
	m.supply += remora.Amount(len(g.Validators)) * statetest.Stake
	return m
}

// chargeFee takes a fee, or what there is of it. Every fee of the test is high enough and its sender known.
func (m *market) chargeFee(from string, fee remora.Amount) remora.Code {
	paid := min(fee, m.balance[from])
	m.balance[from] -= paid
	m.treasury += paid
	if paid < fee {
		return remora.CodeInsufficientBalance
	}
	return remora.CodeOK
}

func (m *market) openSession(b blockFacts, owner string, in *remora.OpenSession, caches []string) remora.Code {
	if len(in.Allotments) == 0 || in.Expiry < b.epoch {
		return remora.CodeInvalidSession
	}
	for _, s := range m.sessions {
		if s.owner == owner && s.number == in.Number {
			return remora.CodeSessionExists
		}
	}
	s := &modelSession{
		owner: owner, number: in.Number, opened: b.epoch, expiry: in.Expiry,
		grants: make(map[string]*remora.Grant), settled: make(map[string]uint64),
	}
	var sum remora.Amount
	for _, a := range in.Allotments {
		node := ""
		for _, name := range caches {
			if statetest.Address(name) == a.Node {
				node = name
			}
		}
		if node == "" {
			return remora.CodeUnknownCache
		}
		cost := valueOf(a.Bytes)
		if a.Bytes*uint64(statetest.PricePerMiB)%(1<<20) != 0 {
			cost++
		}
		s.grants[node] = &remora.Grant{Granted: a.Bytes, Left: a.Bytes, Held: cost}
		sum += cost
	}
	if m.balance[owner] < sum {
		return remora.CodeInsufficientBalance
	}
	m.balance[owner] -= sum
	m.prepaid += sum
	m.opened++
	m.sessions[m.opened] = s
	return remora.CodeOK
}

func (m *market) closeSession(b blockFacts, owner string, id remora.SessionID) remora.Code {
	s := m.sessions[id]
	switch {
	case s == nil:
		return remora.CodeUnknownSession
	case s.owner != owner:
		return remora.CodeSessionNotOwned
	case s.expiry <= b.epoch:
		return remora.CodeInvalidSession
	}
	s.expiry = b.epoch
	return remora.CodeOK
}

func (m *market) commitClaim(b blockFacts, node string, c *statetest.Claim, in remora.CommitClaim) remora.Code {
	sum := uint64(0)
	for _, item := range in.Items {
		sum += item.Bytes
	}
	key := modelClaimKey{node, in.Epoch}
	switch {
	case len(in.Items) == 0 || sum != in.Total:
		return remora.CodeInvalidClaim
	case in.Epoch >= b.epoch || in.Epoch+4 < b.epoch:
		return remora.CodeClaimEpoch
	case m.claims[key] != nil:
		return remora.CodeClaimExists
	}
	var value remora.Amount
	for _, item := range in.Items {
		s := m.sessions[item.Session]
		switch {
		case s == nil || s.grants[node] == nil:
			return remora.CodeUnknownSession
		case in.Epoch < s.opened || in.Epoch > s.expiry:
			return remora.CodeClaimEpoch
		case item.Bytes > s.grants[node].Left:
			return remora.CodeOverAllotment
		}
		value += valueOf(item.Bytes)
	}
	if m.balance[node] < value {
		return remora.CodeInsufficientBalance
	}
	m.balance[node] -= value
	for _, item := range in.Items {
		g := m.sessions[item.Session].grants[node]
		g.Left, g.Held = g.Left-item.Bytes, g.Held-valueOf(item.Bytes)
	}
	m.claims[key] = &modelClaim{claim: c, commit: in, Claim: remora.Claim{
		ID: in.ID(m.domain, statetest.Address(node)), Node: statetest.Address(node), Epoch: in.Epoch, Bytes: in.Total,
		Count: uint32(len(in.Items)), Receipts: in.Receipts, Step: b.step + 2, Height: b.height, Time: b.time, Value: value, Deposit: value,
	}}
	return remora.CodeOK
}

// openClaim settles a claim if the opening answers its challenge.
func (m *market) openClaim(b blockFacts, node string, epoch remora.Epoch, answers bool) remora.Code {
	c := m.claims[modelClaimKey{node, epoch}]
	switch {
	case c == nil:
		return remora.CodeUnknownClaim
	case c.State != remora.ClaimCommitted:
		return remora.CodeClaimClosed
	}
	seed, fixed := m.seeds[c.Step]
	switch {
	case !fixed:
		return remora.CodeNotChallenged
	case seed.hasExpired(b):
		return remora.CodeClaimClosed
	case !answers:
		return remora.CodeBadOpening
	}
	c.State, c.Paid, c.Release = remora.ClaimSettled, c.Value-treasuryPartOf(c.Value), b.epoch+2
	m.treasury += treasuryPartOf(c.Value)
	m.shares += treasuryPartOf(c.Value)
	for _, item := range c.commit.Items {
		m.sessions[item.Session].settled[node] += item.Bytes
	}
	return remora.CodeOK
}

func (s modelSeed) hasExpired(b blockFacts) bool {
	return b.height > s.height+remora.OpenBlocks && b.time > s.time+2*statetest.EpochMillis
}

// endBlock does what is due at the end of a block.
func (m *market) endBlock(b blockFacts, newest remora.Seed) {
	if newest.Step > b.step {
		m.seeds[newest.Step] = modelSeed{newest.Hash, b.height, b.time}
	}
	for _, key := range m.openClaims() {
		c := m.claims[key]
		seed, fixed := m.seeds[c.Step]
		if fixed && !seed.hasExpired(b) {
			break // a later claim whose rejection is due waits for this one
		}
		if fixed {
			c.State = remora.ClaimSlashed
			m.supply -= c.Deposit
		} else if b.height > c.Height+remora.OpenBlocks && b.time > c.Time+8*statetest.EpochMillis {
			c.State = remora.ClaimRejected
			m.balance[key.node] += c.Deposit
		} else {
			continue
		}
		for _, item := range c.commit.Items {
			g := m.sessions[item.Session].grants[key.node]
			g.Left, g.Held = g.Left+item.Bytes, g.Held+valueOf(item.Bytes)
		}
	}
	for key, c := range m.claims {
		if c.State == remora.ClaimSettled && !c.Released && c.Release <= b.epoch {
			c.Released = true
			m.balance[key.node] += c.Paid + c.Deposit
			m.paid += c.Paid
		}
	}
	m.refundSessions(b)
}

// openClaims returns the claims without a verdict.
func (m *market) openClaims() []modelClaimKey {
	return m.sortClaims(func(c *modelClaim) bool { return c.State == remora.ClaimCommitted })
}

// sortClaims returns claims in the order of their steps, nodes and epochs.
func (m *market) sortClaims(which func(*modelClaim) bool) []modelClaimKey {
	var keys []modelClaimKey
	for key, c := range m.claims {
		if which(c) {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(x, y modelClaimKey) int {
		a, b := m.claims[x], m.claims[y]
		return cmp.Or(cmp.Compare(a.Step, b.Step), bytes.Compare(a.Node[:], b.Node[:]), cmp.Compare(a.Epoch, b.Epoch))
	})
	return keys
}

// refundSessions ends sessions whose windows are over while no claim for their epochs is open.
func (m *market) refundSessions(b blockFacts) {
	for id, s := range m.sessions {
		open := slices.ContainsFunc(m.openClaims(), func(key modelClaimKey) bool { return key.epoch <= s.expiry })
		if open || b.epoch <= s.expiry+4 {
			continue
		}
		for _, g := range s.grants {
			m.balance[s.owner] += g.Held
			m.refunded += g.Held
		}
		delete(m.sessions, id)
	}
}

// compareRows compares the model's rows with the chain's.
func (m *market) compareRows(rt *rapid.T, w *world) {
	for name, want := range m.balance {
		if got := w.balanceOf(name); got != want {
			rt.Fatalf("block %d: %s holds %s, the model says %s", w.View.Tip.Height, name, got, want)
		}
	}
	if got, want := w.getTotals(), (ledger.Totals{Supply: m.supply, Treasury: m.treasury}); got != want {
		rt.Fatalf("block %d: totals %+v, the model says %+v", w.View.Tip.Height, got, want)
	}
	grants, waiting := 0, 0
	for id, s := range m.sessions {
		got, exists, err := delivery.GetSession(w.Tables(), id)
		if err != nil || !exists || got.Expiry != s.expiry || got.Opened != s.opened || got.Owner != statetest.Address(s.owner) {
			rt.Fatalf("session %+v (exists %v, %v), the model says %+v", got, exists, err, s)
		}
		for node, g := range s.grants {
			grants++
			if got := w.Grant(id, node); got != *g {
				rt.Fatalf("block %d: grant of session %d for %s %+v, the model says %+v", w.View.Tip.Height, id, node, got, *g)
			}
		}
	}
	for key, c := range m.claims {
		got, exists, err := delivery.GetClaim(w.Tables(), c.Node, key.epoch)
		if err != nil || !exists || got != c.Claim {
			rt.Fatalf("block %d: claim %+v (exists %v, %v), the model says %+v", w.View.Tip.Height, got, exists, err, c.Claim)
		}
		if c.State == remora.ClaimCommitted {
			waiting++
		}
	}
	for id, want := range map[table.ID]int{
		table.Grants: grants, table.Claims: len(m.claims), table.ClaimItems: waiting, table.SessionNumbers: len(m.sessions),
		table.Sessions: len(m.sessions) + min(1, int(m.opened)),
	} {
		if got := w.Tables().Len(id); got != want {
			rt.Fatalf("block %d: table %d has %d rows, the model says %d", w.View.Tip.Height, id, got, want)
		}
	}
}

// checkBalance checks on the chain's rows that every prepaid coin and every granted byte is in exactly one place.
func (m *market) checkBalance(rt *rapid.T, w *world) {
	var held, owed remora.Amount
	for id, s := range m.sessions {
		for node := range s.grants {
			g := w.Grant(id, node)
			held += g.Held
			open := uint64(0)
			for _, key := range m.openClaims() {
				for _, item := range m.claims[key].commit.Items {
					if item.Session == id && key.node == node {
						open += item.Bytes
					}
				}
			}
			if g.Granted != g.Left+open+s.settled[node] || g.Left > g.Granted {
				rt.Fatalf("block %d: grant %+v of session %d for %s, %d bytes in open claims and %d settled",
					w.View.Tip.Height, g, id, node, open, s.settled[node])
			}
		}
	}
	for key := range m.claims {
		c, _, _ := w.Claim(key.node, key.epoch)
		switch {
		case c.State == remora.ClaimCommitted || c.State == remora.ClaimChallenged:
			held += c.Value
		case c.State == remora.ClaimSettled && !c.Released:
			owed += c.Paid
		}
	}
	if sum := m.refunded + m.paid + m.shares + held + owed; sum != m.prepaid || m.paid+owed+m.shares > m.prepaid {
		rt.Fatalf("block %d: %s prepaid, %s refunded, %s paid and %s owed to nodes, %s to the treasury, %s held",
			w.View.Tip.Height, m.prepaid, m.refunded, m.paid, owed, m.shares, held)
	}
}
