package state_test

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/ledger"
	"github.com/remora-network/remora/state/statetest"
	"github.com/remora-network/remora/state/table"
)

// deliveryCase is a transaction on the chain of newOpenWorld. Every one is charged.
type deliveryCase struct {
	name string
	want remora.Code
	tx   func(*openWorld) []byte
}

// editedOpenSession has alice open a session that is valid except for the edit.
func editedOpenSession(edit func(*remora.OpenSession)) func(*openWorld) []byte {
	return func(w *openWorld) []byte {
		s := statetest.Session("key", 9, 7, statetest.Allot("nora", 500), statetest.Allot("olaf", 1))
		edit(&s)
		return w.signNext("alice", remora.KindOpenSession, s)
	}
}

// editedCommitClaim has nora claim for epoch 4, valid except for the edit.
func editedCommitClaim(edit func(*remora.CommitClaim)) func(*openWorld) []byte {
	return func(w *openWorld) []byte {
		return w.signNext("nora", remora.KindCommitClaim, editCommit(w.claims[4], edit))
	}
}

// editedOpenClaim has nora open the challenged claim, valid except for the edit.
func editedOpenClaim(edit func(*openWorld, *remora.OpenClaim)) func(*openWorld) []byte {
	return func(w *openWorld) []byte {
		_, seed, _ := w.Claim("nora", 2)
		o := w.claims[2].Answer(w.t, seed)
		edit(w, o)
		return w.signNext("nora", remora.KindOpenClaim, o)
	}
}

func closeSessionOf(from string, id remora.SessionID) func(*openWorld) []byte {
	return func(w *openWorld) []byte {
		return w.signNext(from, remora.KindCloseSession, remora.CloseSession{Session: id})
	}
}

// withItems sets the items of a claim, and the total to their sum.
func withItems(list ...remora.ClaimItem) func(*remora.CommitClaim) {
	return func(c *remora.CommitClaim) {
		c.Items, c.Total = list, 0
		for _, item := range list {
			c.Total += item.Bytes
		}
	}
}

func claimItem(id remora.SessionID, bytes uint64) remora.ClaimItem {
	return remora.ClaimItem{Session: id, Bytes: bytes}
}

// spendAllAnd has alice open a session for all bytes that she can pay, and more.
func (w *openWorld) spendAllAnd(more uint64) []byte {
	rest, bytes := w.balanceOf("alice")-statetest.Fee, uint64(0)
	for bit := uint64(1 << 40); bit > 0; bit >>= 1 {
		if cost, _ := remora.Cost(bytes+bit, statetest.PricePerMiB); cost <= rest {
			bytes += bit
		}
	}
	return editedOpenSession(func(s *remora.OpenSession) {
		s.Allotments = []remora.Allotment{statetest.Allot("nora", bytes+more)}
	})(w)
}

var deliveryCases = []deliveryCase{
	{"session", remora.CodeOK, editedOpenSession(func(*remora.OpenSession) {})},
	{"session of this epoch only", remora.CodeOK, editedOpenSession(func(s *remora.OpenSession) { s.Expiry = 5 })},
	{"longest session", remora.CodeOK, editedOpenSession(func(s *remora.OpenSession) { s.Expiry = 5 + remora.MaxSessionEpochs })},
	{"session with another's number", remora.CodeOK, editedOpenSession(func(s *remora.OpenSession) { s.Number = 2 })},
	{"session of all the coins", remora.CodeOK, func(w *openWorld) []byte { return w.spendAllAnd(0) }},
	{"session of a byte more", remora.CodeInsufficientBalance, func(w *openWorld) []byte { return w.spendAllAnd(1) }},
	{"session without a byte", remora.CodeInvalidSession, editedOpenSession(func(s *remora.OpenSession) { s.Allotments[0].Bytes = 0 })},
	{"session without a node", remora.CodeInvalidSession, editedOpenSession(func(s *remora.OpenSession) { s.Allotments = nil })},
	{"session with a node twice", remora.CodeInvalidSession, editedOpenSession(func(s *remora.OpenSession) { s.Allotments[1] = s.Allotments[0] })},
	{"session with nodes out of order", remora.CodeInvalidSession, editedOpenSession(func(s *remora.OpenSession) { slices.Reverse(s.Allotments) })},
	{"session with too many nodes", remora.CodeInvalidSession, editedOpenSession(func(s *remora.OpenSession) {
		s.Allotments = make([]remora.Allotment, remora.MaxAllotments+1)
	})},
	{"session of an unknown scheme", remora.CodeInvalidSession, editedOpenSession(func(s *remora.OpenSession) { s.Scheme = 2 })},
	{"session of the past", remora.CodeInvalidSession, editedOpenSession(func(s *remora.OpenSession) { s.Expiry = 4 })},
	{"session too long", remora.CodeInvalidSession, editedOpenSession(func(s *remora.OpenSession) { s.Expiry = 6 + remora.MaxSessionEpochs })},
	{"session without end", remora.CodeInvalidSession, editedOpenSession(func(s *remora.OpenSession) { s.Expiry = math.MaxUint64 })},
	{"session whose key is not proven", remora.CodeInvalidSession, editedOpenSession(func(s *remora.OpenSession) { s.Possession[5] ^= 1 })},
	{"session with another's key", remora.CodeInvalidSession, editedOpenSession(func(s *remora.OpenSession) { s.Key = statetest.SessionKey("other") })},
	{"session number again", remora.CodeSessionExists, editedOpenSession(func(s *remora.OpenSession) { s.Number = 1 })},
	{"session with no cache", remora.CodeUnknownCache, editedOpenSession(func(s *remora.OpenSession) {
		s.Allotments = []remora.Allotment{statetest.Allot("bob", 1)}
	})},
	{"session with a validator", remora.CodeUnknownCache, editedOpenSession(func(s *remora.OpenSession) {
		s.Allotments = []remora.Allotment{statetest.Allot("v0", 1)}
	})},
	{"session above the balance", remora.CodeInsufficientBalance, editedOpenSession(func(s *remora.OpenSession) {
		s.Allotments[0].Bytes = remora.MaxContentBytes
	})},

	{"close", remora.CodeOK, closeSessionOf("bob", 2)},
	{"close an unknown session", remora.CodeUnknownSession, closeSessionOf("bob", 3)},
	{"close session 0", remora.CodeUnknownSession, closeSessionOf("bob", 0)},
	{"close another's session", remora.CodeSessionNotOwned, closeSessionOf("alice", 2)},
	{"close another's session as its cache", remora.CodeSessionNotOwned, closeSessionOf("nora", 2)},
	{"close what has ended", remora.CodeInvalidSession, closeSessionOf("alice", 1)},

	{"claim", remora.CodeOK, editedCommitClaim(func(*remora.CommitClaim) {})},
	{"claim of all that is left", remora.CodeOK, editedCommitClaim(withItems(claimItem(2, 40_000-3*3_001)))},
	{"claim of a byte", remora.CodeOK, editedCommitClaim(withItems(claimItem(2, 1)))},
	{"claim of nothing", remora.CodeInvalidClaim, editedCommitClaim(withItems())},
	{"claim of no bytes", remora.CodeInvalidClaim, editedCommitClaim(withItems(claimItem(2, 0)))},
	{"claim with a false total", remora.CodeInvalidClaim, editedCommitClaim(func(c *remora.CommitClaim) { c.Total++ })},
	{"claim with a session twice", remora.CodeInvalidClaim, editedCommitClaim(withItems(claimItem(2, 1), claimItem(2, 1)))},
	{"claim with sessions out of order", remora.CodeInvalidClaim, editedCommitClaim(withItems(claimItem(2, 1), claimItem(1, 1)))},
	{"claim with more than bytes can be", remora.CodeInvalidClaim, editedCommitClaim(withItems(claimItem(2, remora.MaxContentBytes+1)))},
	{"claim with too many items", remora.CodeInvalidClaim, editedCommitClaim(func(c *remora.CommitClaim) {
		c.Items = make([]remora.ClaimItem, remora.MaxClaimItems+1)
	})},
	{"claim by no cache", remora.CodeUnknownCache, func(w *openWorld) []byte { return w.commitClaim("bob", w.claims[4]) }},
	{"claim again", remora.CodeClaimExists, func(w *openWorld) []byte { return w.commitClaim("nora", w.claims[3]) }},
	{"claim what is challenged", remora.CodeClaimExists, func(w *openWorld) []byte { return w.commitClaim("nora", w.claims[2]) }},
	{"claim what is settled", remora.CodeClaimExists, func(w *openWorld) []byte { return w.commitClaim("nora", w.claims[1]) }},
	{"claim other bytes of the epoch", remora.CodeClaimExists, editedCommitClaim(func(c *remora.CommitClaim) { c.Epoch = 1 })},
	{"claim for the present", remora.CodeClaimEpoch, editedCommitClaim(func(c *remora.CommitClaim) { c.Epoch = 5 })},
	{"claim for the future", remora.CodeClaimEpoch, editedCommitClaim(func(c *remora.CommitClaim) { c.Epoch = math.MaxUint64 })},
	{"claim too late", remora.CodeClaimEpoch, editedCommitClaim(func(c *remora.CommitClaim) { c.Epoch = 0 })},
	{"claim after the session's end", remora.CodeClaimEpoch, editedCommitClaim(withItems(claimItem(1, 1)))},
	{"claim over the allotment", remora.CodeOverAllotment, editedCommitClaim(withItems(claimItem(2, 40_000-3*3_001+1)))},
	{"claim of an unknown session", remora.CodeUnknownSession, editedCommitClaim(withItems(claimItem(2, 1), claimItem(3, 1)))},
	{"claim without an allotment", remora.CodeUnknownSession, func(w *openWorld) []byte {
		return w.signNext("olaf", remora.KindCommitClaim, editCommit(w.claims[4], withItems(claimItem(2, 1))))
	}},

	{"opening", remora.CodeOK, editedOpenClaim(func(*openWorld, *remora.OpenClaim) {})},
	{"opening of nothing", remora.CodeUnknownClaim, editedOpenClaim(func(_ *openWorld, o *remora.OpenClaim) { o.Epoch = 4 })},
	{"opening by another", remora.CodeOK, func(w *openWorld) []byte {
		_, seed, _ := w.Claim("nora", 2)
		return w.signNext("olaf", remora.KindOpenClaim, w.claims[2].Answer(w.t, seed))
	}},
	{"opening as another's", remora.CodeUnknownClaim, editedOpenClaim(func(_ *openWorld, o *remora.OpenClaim) { o.Node = statetest.Address("olaf") })},
	{"opening before the challenge", remora.CodeNotChallenged, func(w *openWorld) []byte {
		return w.signNext("nora", remora.KindOpenClaim, w.claims[3].Answer(w.t, w.getSeed().Hash))
	}},
	{"opening what is settled", remora.CodeClaimClosed, editedOpenClaim(func(_ *openWorld, o *remora.OpenClaim) { o.Epoch = 1 })},
	{"opening for another seed", remora.CodeBadOpening, editedOpenClaim(func(w *openWorld, o *remora.OpenClaim) {
		*o = *w.claims[2].Answer(w.t, remora.Hash{1})
	})},
	{"opening of another claim", remora.CodeBadOpening, editedOpenClaim(func(w *openWorld, o *remora.OpenClaim) {
		_, seed, _ := w.Claim("nora", 2)
		*o = *w.claims[3].Answer(w.t, seed)
		o.Epoch = 2
	})},
	{"opening with a false signature", remora.CodeBadOpening, editedOpenClaim(func(_ *openWorld, o *remora.OpenClaim) { o.Signature[3] ^= 1 })},
	{"opening with a false echo", remora.CodeBadOpening, editedOpenClaim(func(_ *openWorld, o *remora.OpenClaim) { o.Echo[3] ^= 1 })},
	{"opening with a false chunk", remora.CodeBadOpening, editedOpenClaim(func(_ *openWorld, o *remora.OpenClaim) { o.Chunks[0].Data[3] ^= 1 })},
	{"opening without a chunk", remora.CodeBadOpening, editedOpenClaim(func(_ *openWorld, o *remora.OpenClaim) { o.Chunks = o.Chunks[1:] })},
	{"empty opening", remora.CodeBadOpening, editedOpenClaim(func(_ *openWorld, o *remora.OpenClaim) { *o = remora.OpenClaim{Node: o.Node, Epoch: 2} })},
}

// TestDeliveryCodes is TestCodes for deliveries: a rejection leaves nothing but fee and nonce.
func TestDeliveryCodes(t *testing.T) {
	for _, tt := range deliveryCases {
		t.Run(tt.name, func(t *testing.T) {
			w := newOpenWorld(t)
			raw := tt.tx(w)
			if got := codeOf(t, w.Machine.Admit(w.View, raw, w.Verifier)); got != tt.want {
				t.Errorf("admitted as %s, want %s", got, tt.want)
			}
			before := w.Tables().Clone()
			if got := w.Run(raw); !slices.Equal(got, []remora.Code{tt.want}) {
				t.Errorf("executed as %v, want %s", got, tt.want)
			}
			if tt.want != remora.CodeOK {
				checkOnlyFee(t, before, w.Tables(), raw)
			}
		})
	}
}

// checkOnlyFee compares a state with the one after a transaction that failed.
func checkOnlyFee(t *testing.T, before, now table.View, raw []byte) {
	t.Helper()
	tx, err := remora.DecodeTx(raw)
	if err != nil {
		t.Fatal(err)
	}
	want, _, err := ledger.Get(before, tx.From)
	if err != nil {
		t.Fatal(err)
	}
	want.Balance -= tx.Fee
	want.UseNonce(tx.Nonce)
	if got, _, err := ledger.Get(now, tx.From); err != nil || got != want {
		t.Errorf("account %+v (%v), want %+v", got, err, want)
	}
	was, err := ledger.GetTotals(before)
	if err != nil {
		t.Fatal(err)
	}
	was.Treasury += tx.Fee
	if got, err := ledger.GetTotals(now); err != nil || got != was {
		t.Errorf("totals %+v (%v), want %+v", got, err, was)
	}
	for _, id := range table.All() {
		if slices.Contains([]table.ID{table.Money, table.Chain, table.Beacon, table.Accepted}, id) {
			continue
		}
		old, is := readRowsBut(t, before, id, tx.From), readRowsBut(t, now, id, tx.From)
		if !cmp.Equal(old, is) {
			t.Errorf("table %d changed by more than fee and nonce:\n%s", id, cmp.Diff(old, is))
		}
	}
}
