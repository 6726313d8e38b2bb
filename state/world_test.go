package state_test

import (
	"slices"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/beacon"
	"github.com/remora-network/remora/state/delivery"
	"github.com/remora-network/remora/state/ledger"
	"github.com/remora-network/remora/state/statetest"
)

// world is a chain on which clients pay for deliveries: the clients alice and bob, who have coins, and the caches nora
// and olaf, who have some too. It counts nonces, so that transactions made for one block may all be executed.
type world struct {
	*statetest.Chain
	t      testing.TB
	file   *statetest.File
	nonces map[string]uint64
	keys   map[remora.SessionID]string
}

const fileBytes = 5_555

func newWorld(t testing.TB) *world {
	t.Helper()
	return newWorldOf(t, statetest.Genesis(dev, 4, "alice", "bob", "nora", "olaf"))
}

func newWorldOf(t testing.TB, g *remora.Genesis) *world {
	t.Helper()
	w := &world{
		Chain: statetest.NewChain(t, g), t: t, file: statetest.NewFile(t, "film", fileBytes),
		nonces: make(map[string]uint64), keys: make(map[remora.SessionID]string),
	}
	var txs [][]byte
	for _, name := range []string{"nora", "olaf"} {
		txs = append(txs, w.signNext(name, remora.KindRegisterNode, statetest.Node(name, remora.RoleCache)))
	}
	w.requireOK(w.Run(txs...))
	return w
}

// signNext signs a body with the account's next nonce.
func (w *world) signNext(from string, kind remora.Kind, body any) []byte {
	nonce := w.nonces[from]
	w.nonces[from]++
	return statetest.Signed(w.Genesis, statetest.Tx(w.Genesis, from, nonce, kind, body))
}

func (w *world) requireOK(codes []remora.Code) {
	w.t.Helper()
	w.requireCode(remora.CodeOK, codes)
}

func (w *world) requireCode(want remora.Code, codes []remora.Code) {
	w.t.Helper()
	for _, code := range codes {
		if code != want {
			w.t.Fatalf("block %d: codes %v, want %s", w.View.Tip.Height, codes, want)
		}
	}
}

// openSession opens a session in a block of its own and returns its number.
func (w *world) openSession(owner string, expiry remora.Epoch, allotments ...remora.Allotment) remora.SessionID {
	w.t.Helper()
	id := remora.SessionID(len(w.keys) + 1)
	w.keys[id] = owner + "'s key"
	w.requireOK(w.Run(w.signNext(owner, remora.KindOpenSession, statetest.Session(w.keys[id], uint64(id), expiry, allotments...))))
	return id
}

// deliverFile returns a delivery of the given bytes, for which the file is repeated.
func (w *world) deliverFile(id remora.SessionID, bytes uint64) statetest.Delivered {
	d := statetest.Delivered{Session: id, Key: w.keys[id]}
	for bytes > 0 {
		n := min(bytes, w.file.Key.Length)
		d.Parts = append(d.Parts, statetest.Part{File: w.file, Bytes: n})
		bytes -= n
	}
	return d
}

func (w *world) makeClaim(node string, epoch remora.Epoch, list ...statetest.Delivered) *statetest.Claim {
	w.t.Helper()
	return statetest.NewClaim(w.t, w.Genesis.Domain(), node, epoch, list...)
}

func (w *world) commitClaim(node string, c *statetest.Claim) []byte {
	return w.signNext(node, remora.KindCommitClaim, c.Commit)
}

// answerClaim answers the challenge of a claim whose seed is fixed.
func (w *world) answerClaim(node string, c *statetest.Claim) []byte {
	w.t.Helper()
	claim, seed, exists := w.Claim(node, c.Commit.Epoch)
	if !exists || claim.State != remora.ClaimChallenged {
		w.t.Fatalf("the claim for epoch %d is %s (exists %v)", c.Commit.Epoch, claim.State, exists)
	}
	return w.signNext(node, remora.KindOpenClaim, c.Answer(w.t, seed))
}

// advanceTo moves the chain to the start of an epoch.
func (w *world) advanceTo(epoch remora.Epoch) {
	w.t.Helper()
	for w.Epoch().Number < epoch {
		w.EndEpoch()
	}
}

func (w *world) requireStage(want remora.ClaimState, node string, epoch remora.Epoch) remora.Claim {
	w.t.Helper()
	claim, _, exists := w.Claim(node, epoch)
	if !exists || claim.State != want {
		w.t.Fatalf("block %d: the claim of %s for epoch %d is %s (exists %v), want %s",
			w.View.Tip.Height, node, epoch, claim.State, exists, want)
	}
	return claim
}

func (w *world) getTotals() ledger.Totals {
	w.t.Helper()
	totals, err := ledger.GetTotals(w.Tables())
	if err != nil {
		w.t.Fatal(err)
	}
	return totals
}

func (w *world) getSeed() remora.Seed {
	w.t.Helper()
	seed, err := beacon.GetSeed(w.Tables())
	if err != nil {
		w.t.Fatal(err)
	}
	return seed
}

func (w *world) balanceOf(name string) remora.Amount {
	w.t.Helper()
	return w.Account(name).Balance
}

// hasSession reports whether the chain has a session, and checks that its number agrees.
func (w *world) hasSession(id remora.SessionID, owner string) bool {
	w.t.Helper()
	_, exists, err := delivery.GetSession(w.Tables(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	_, numbered, err := delivery.ByNumber(w.Tables(), statetest.Address(owner), uint64(id))
	if err != nil || exists != numbered {
		w.t.Fatalf("session %d exists: %v, its number: %v (%v)", id, exists, numbered, err)
	}
	return exists
}

func feeOf(t testing.TB, raw []byte) remora.Amount {
	t.Helper()
	tx, err := remora.DecodeTx(raw)
	if err != nil {
		t.Fatal(err)
	}
	return tx.Fee
}

// valueOf returns the value of bytes at the price of the tests, rounded down.
func valueOf(bytes uint64) remora.Amount {
	return remora.Amount(bytes * uint64(statetest.PricePerMiB) >> 20)
}

// treasuryPartOf returns the treasury's part of a payment, rounded down.
func treasuryPartOf(v remora.Amount) remora.Amount {
	return v * remora.Amount(statetest.TreasuryPerMille) / 1000
}

// openWorld is a world in its fifth epoch. Alice's session 1, to its end with epoch 3, allots 20,000 bytes to nora and
// 10,000 to olaf; bob's session 2, to epoch 40, allots 40,000 to nora. Nora's claims stand by their epochs: the one for
// epoch 1 is settled, the one for epoch 2 challenged, the one for epoch 3 committed.
type openWorld struct {
	*world
	claims []*statetest.Claim // by epoch
}

func newOpenWorld(t testing.TB) *openWorld {
	t.Helper()
	w := &openWorld{world: newWorld(t), claims: make([]*statetest.Claim, 5)}
	one := w.openSession("alice", 3, statetest.Allot("nora", 20_000), statetest.Allot("olaf", 10_000))
	two := w.openSession("bob", 40, statetest.Allot("nora", 40_000))
	for epoch := remora.Epoch(1); epoch <= 3; epoch++ {
		w.advanceTo(epoch + 1)
		w.claims[epoch] = w.makeClaim("nora", epoch, w.deliverFile(one, 1_000*uint64(epoch)), w.deliverFile(two, 3_001))
		w.requireOK(w.Run(w.commitClaim("nora", w.claims[epoch])))
		if epoch < 3 {
			w.FixSeed()
			w.FixSeed()
		}
		if epoch == 1 {
			w.requireOK(w.Run(w.answerClaim("nora", w.claims[1])))
		}
	}
	w.advanceTo(5)
	w.claims[4] = w.makeClaim("nora", 4, w.deliverFile(two, 2_000))
	return w
}

// editCommit returns a copy of a claim's commitment, changed.
func editCommit(c *statetest.Claim, edit func(*remora.CommitClaim)) remora.CommitClaim {
	commit := c.Commit
	commit.Items = slices.Clone(commit.Items)
	edit(&commit)
	return commit
}
