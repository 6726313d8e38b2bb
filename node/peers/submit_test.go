package peers

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/ed25519"
	"github.com/remora-network/remora/mempool/admission"
	"github.com/remora-network/remora/node/door"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/p2p"
	"github.com/remora-network/remora/node/replay/replaytest"
	"github.com/remora-network/remora/node/trust/trusttest"
	"github.com/remora-network/remora/state"
)

var errHangs = errors.New("no answer")

// takingTxs answers a request that passes transactions on, with a digest for each one: the hash of its bytes.
func takingTxs(t *testing.T, request []byte) []byte {
	t.Helper()
	var r ListAnswer
	if err := remora.Decode(request, MaxSubmitBytes, &r); err != nil {
		t.Fatal(err)
	}
	answers := make([]door.Answer, len(r.Items))
	for i, tx := range r.Items {
		answers[i].Batch = remora.SumBLAKE3(tx)
	}
	return encodeAnswers(answers)
}

// TestForwarderPassesEverythingOn has transactions that need several requests while only one validator answers.
func TestForwarderPassesEverythingOn(t *testing.T) {
	committee, _, _ := trusttest.Committee(t)
	answering := committee.Members[2].PeerID
	taken := 0
	c := NewClient(committee, func(_ context.Context, peer, protocol string, request []byte, _ int) ([]byte, error) {
		if protocol != ProtocolSubmit || peer != answering {
			return nil, errHangs
		}
		taken++
		return takingTxs(t, request), nil
	})
	txs := make([][]byte, 20)
	for i := range txs {
		txs[i] = append(make([]byte, 100_000), byte(i))
	}
	answers, err := c.Submit(t.Context(), txs)
	if err != nil || len(answers) != len(txs) || taken != 4 {
		t.Fatalf("%d answers in %d requests, %v", len(answers), taken, err)
	}
	for i := range txs {
		if answers[i].Batch != remora.SumBLAKE3(txs[i]) {
			t.Errorf("answer %d is about another transaction", i)
		}
	}
}

// TestForwarderStopsAtARefusal asks nobody else once a validator refuses a request, and says of the rest that there is no
// room for it.
func TestForwarderStopsAtARefusal(t *testing.T) {
	committee, _, _ := trusttest.Committee(t)
	asked := 0
	c := NewClient(committee, func(_ context.Context, _, _ string, request []byte, _ int) ([]byte, error) {
		if asked++; asked > 1 {
			return nil, &p2p.RemoteError{Code: p2p.CodeInvalid, Message: "frame"}
		}
		return takingTxs(t, request), nil
	})
	txs := [][]byte{make([]byte, 600_000), make([]byte, 600_000)}
	answers, err := c.Submit(t.Context(), txs)
	if err != nil || len(answers) != 2 || asked != 2 || answers[0].Refusal != nil || answers[1].Refusal == nil || answers[1].Refusal.Code != admission.CodeFull {
		t.Errorf("%+v after %d requests, %v", answers, asked, err)
	}
}

// TestForwarderAsksForTheRest has a validator with room for the first transaction, and a refusal of the second: only the
// third goes to another validator.
func TestForwarderAsksForTheRest(t *testing.T) {
	committee, _, _ := trusttest.Committee(t)
	full := door.Answer{Refusal: &admission.Refusal{Code: admission.CodeFull, Reason: "full"}}
	used := door.Answer{Refusal: &admission.Refusal{Code: "TX_NONCE_USED", Reason: "used"}}
	asked := 0
	c := NewClient(committee, func(_ context.Context, _, _ string, request []byte, _ int) ([]byte, error) {
		if asked++; asked == 1 {
			return encodeAnswers([]door.Answer{{Batch: remora.Hash{9}, Waiting: true}, used, full}), nil
		}
		return takingTxs(t, request), nil
	})
	answers, err := c.Submit(t.Context(), [][]byte{{1}, {2}, {3}})
	want := []door.Answer{{Batch: remora.Hash{9}, Waiting: true}, used, {Batch: remora.SumBLAKE3([]byte{3})}}
	if diff := cmp.Diff(want, answers); diff != "" || err != nil || asked != 2 {
		t.Errorf("%d validators asked, %v (-want +got):\n%s", asked, err, diff)
	}
}

// TestForwarderDistrustsAnswers has all validators answer with something else than an answer for each transaction.
func TestForwarderDistrustsAnswers(t *testing.T) {
	committee, _, _ := trusttest.Committee(t)
	for name, b := range map[string][]byte{
		"none": encodeAnswers(nil), "too many": encodeAnswers(make([]door.Answer, 2)), "no answers": encodeItems([][]byte{{1}}), "nothing": nil,
	} {
		c := NewClient(committee, func(context.Context, string, string, []byte, int) ([]byte, error) { return b, nil })
		if answers, err := c.Submit(t.Context(), [][]byte{{1}}); len(answers) != 0 || !errors.Is(err, remora.ErrInvalid) && !errors.Is(err, remora.ErrMalformed) {
			t.Errorf("%s: %d answers, %v", name, len(answers), err)
		}
	}
}

// FuzzAnswers decodes answers of validators: what decodes has one answer for each transaction, and its encoding decodes to
// the same.
func FuzzAnswers(f *testing.F) {
	f.Add(encodeAnswers([]door.Answer{{Batch: remora.Hash{1}}, {Refusal: &admission.Refusal{Code: "TX_NONCE_USED", Reason: "used"}}}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		answers, err := decodeAnswers(b, 2)
		if err != nil {
			return
		}
		again, err := decodeAnswers(encodeAnswers(answers), 2)
		for i := range answers {
			if r := answers[i].Refusal; r != nil {
				r.Reason = r.Reason[:min(len(r.Reason), maxSubmitReason)]
			}
		}
		if diff := cmp.Diff(answers, again); diff != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	})
}

// TestSubmitIsAdmitted has another node pass on copies of a transfer, transfers with one nonce, and bad signatures.
func TestSubmitIsAdmitted(t *testing.T) {
	chain := replaytest.New(t, "dev-submit")
	machine, err := state.NewMachine(chain.Genesis)
	if err != nil {
		t.Fatal(err)
	}
	verified := 0
	server := SubmitServer{Door: door.New(door.Config{
		Machine: machine, Genesis: chain.Genesis, Head: chain.Head, Verifier: exec.NewVerifier(),
		VerifySigned: func(items []ed25519.Item) []bool {
			verified += len(items)
			return ed25519.VerifyAll(items)
		},
		Pass: func(_ context.Context, txs [][]byte) ([]door.Answer, error) {
			return slices.Repeat([]door.Answer{{Batch: remora.Hash{1}}}, len(txs)), nil
		},
	})}
	var nonces, bad [][]byte
	for i := range 4_000 {
		nonces = append(nonces, chain.Transfer(1, 0, 0, remora.Amount(1+i)))
		forged := chain.Transfer(2, 0, uint64(i%64), remora.Amount(1+i))
		forged[len(forged)-1]++
		bad = append(bad, forged)
	}
	for name, tt := range map[string]struct {
		txs      [][]byte
		taken    int
		verified int
	}{
		"copies":         {slices.Repeat([][]byte{chain.Transfer(0, 1, 0, 1)}, 4_000), 1, 1},
		"one nonce":      {nonces, 1, 1},
		"bad signatures": {bad, 0, admission.MaxBad},
	} {
		verified = 0
		b, err := server.serveSubmit(t.Context(), "peer", remora.Encode(ListAnswer{Items: tt.txs}))
		if err != nil {
			t.Fatal(err)
		}
		answers, err := decodeAnswers(b, len(tt.txs))
		if err != nil {
			t.Fatal(err)
		}
		taken := 0
		for _, a := range answers {
			if a.Refusal == nil && !a.Waiting {
				taken++
			}
		}
		if taken != tt.taken || verified != tt.verified {
			t.Errorf("%s: %d taken, %d signatures verified", name, taken, verified)
		}
	}
	var refused *p2p.RemoteError
	for name, request := range map[string][]byte{"nothing": nil, "too many": remora.Encode(ListAnswer{Items: make([][]byte, maxSubmitTxs+1)})} {
		if _, err := server.serveSubmit(t.Context(), "peer", request); !errors.As(err, &refused) || refused.Code != p2p.CodeInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}
