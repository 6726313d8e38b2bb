package door_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/ed25519"
	"github.com/remora-network/remora/mempool/admission"
	"github.com/remora-network/remora/node/door"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/replay/replaytest"
	"github.com/remora-network/remora/state"
	"github.com/remora-network/remora/state/statetest"
	"github.com/remora-network/remora/state/verdict"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a door before a chain whose blocks the test makes, with counters of what was verified.
type rig struct {
	*replaytest.Chain
	*door.Door
	verifier *exec.Verifier

	signatures atomic.Int64 // verified
	bad        atomic.Int64 // of these
	proofs     atomic.Int64 // statements that are no signatures

	mu    sync.Mutex
	room  int // transactions that fit; negative: any number
	taken [][]byte
	batch remora.Batch // of the newest request
}

func newRig(tb testing.TB, change func(*door.Config)) *rig {
	tb.Helper()
	r := &rig{Chain: replaytest.New(tb, "dev-door"), verifier: exec.NewVerifier(), room: -1}
	machine, err := state.NewMachine(r.Genesis)
	if err != nil {
		tb.Fatal(err)
	}
	c := door.Config{
		Machine: machine, Genesis: r.Genesis, Head: r.Head, Verifier: r, VerifySigned: r.verifySigned, Pass: r.pass,
		Owns: func(b *remora.Batch) bool { return b.Author == 0 },
	}
	if change != nil {
		change(&c)
	}
	r.Door = door.New(c)
	r.Executor.Observe = r.NoteBlock
	return r
}

// Holds implements verdict.Verifier.
func (r *rig) Holds(s verdict.Statement) bool {
	r.proofs.Add(1)
	return r.verifier.Holds(s)
}

func (r *rig) verifySigned(items []ed25519.Item) []bool {
	verdicts := ed25519.VerifyAll(items)
	r.signatures.Add(int64(len(items)))
	for _, holds := range verdicts {
		if !holds {
			r.bad.Add(1)
		}
	}
	return verdicts
}

func (r *rig) pass(_ context.Context, txs [][]byte) ([]door.Answer, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	answers := make([]door.Answer, len(txs))
	n := len(txs)
	if r.room >= 0 && n > r.room {
		n = r.room
	}
	if n == 0 {
		return nil, door.ErrBusy
	}
	r.batch = r.Batch(txs[:n]...)
	r.taken = append(r.taken, txs[:n]...)
	for i := range answers {
		answers[i].Batch = r.batch.Digest
		if i >= n {
			answers[i] = door.Answer{Refusal: &admission.Refusal{Code: admission.CodeFull, Reason: "full"}}
		}
	}
	return answers, nil
}

// submit submits transactions and returns how many answers have each code; those that were taken have "ok", those that
// waited already "waiting".
func (r *rig) submit(tb testing.TB, txs ...[]byte) map[string]int {
	tb.Helper()
	answers, err := r.Submit(context.Background(), "127.0.0.1", txs)
	if err != nil || len(answers) != len(txs) {
		tb.Fatalf("%d answers to %d transactions, %v", len(answers), len(txs), err)
	}
	codes := map[string]int{}
	for i := range answers {
		switch {
		case answers[i].Refusal != nil:
			codes[answers[i].Refusal.Code]++
		case answers[i].Waiting:
			codes["waiting"]++
		default:
			codes["ok"]++
		}
	}
	return codes
}

func wantCodes(tb testing.TB, got map[string]int, want map[string]int) {
	tb.Helper()
	for code, n := range want {
		if got[code] != n {
			tb.Errorf("answers %v, want %v", got, want)
			return
		}
	}
	for code := range got {
		if want[code] == 0 {
			tb.Errorf("answers %v, want %v", got, want)
			return
		}
	}
}

// forge spoils the signature of a transaction.
func forge(tb testing.TB, raw []byte) []byte {
	tb.Helper()
	tx, err := remora.DecodeTx(raw)
	if err != nil {
		tb.Fatal(err)
	}
	tx.Signature[3]++
	return remora.Encode(tx)
}

// TestCopiesAreOne sends one transfer 16,000 times in one request, and then again: one is taken, the others wait for it.
func TestCopiesAreOne(t *testing.T) {
	r := newRig(t, nil)
	copies := slices.Repeat([][]byte{r.Transfer(0, 1, 0, 1)}, 16_000)
	wantCodes(t, r.submit(t, copies...), map[string]int{"ok": 1, "waiting": 15_999})
	wantCodes(t, r.submit(t, copies...), map[string]int{"waiting": 16_000})
	if len(r.taken) != 1 || r.signatures.Load() != 1 {
		t.Errorf("%d taken, %d signatures verified", len(r.taken), r.signatures.Load())
	}
	r.Execute(r.batch)
	wantCodes(t, r.submit(t, copies[:5]...), map[string]int{"TX_NONCE_USED": 5})
	if r.Pending() != 0 {
		t.Errorf("%d wait after the execution", r.Pending())
	}
}

// TestNonceIsTakenOnce sends 12,000 transfers with one nonce, in one request and then one by one.
func TestNonceIsTakenOnce(t *testing.T) {
	r := newRig(t, nil)
	txs := make([][]byte, 12_000)
	for i := range txs {
		txs[i] = r.Transfer(0, 1, 7, remora.Amount(1+i))
	}
	wantCodes(t, r.submit(t, txs...), map[string]int{"ok": 1, admission.CodeNoncePending: 11_999})
	for _, tx := range txs[1:20] {
		wantCodes(t, r.submit(t, tx), map[string]int{admission.CodeNoncePending: 1})
	}
	if len(r.taken) != 1 || r.signatures.Load() != 1 {
		t.Errorf("%d taken, %d signatures verified", len(r.taken), r.signatures.Load())
	}
}

// TestBalanceIsReserved sends 64 transfers of an account that can pay for one, in one request and one by one.
func TestBalanceIsReserved(t *testing.T) {
	r := newRig(t, nil)
	txs := make([][]byte, 64)
	for i := range txs {
		txs[i] = r.Transfer(0, 1, uint64(i), replaytest.Balance-5_000)
	}
	wantCodes(t, r.submit(t, txs...), map[string]int{"ok": 1, admission.CodeBalancePending: 63})
	wantCodes(t, r.submit(t, txs[5]), map[string]int{admission.CodeBalancePending: 1})
	r.Execute(r.batch)
	wantCodes(t, r.submit(t, txs[5]), map[string]int{"TX_INSUFFICIENT_BALANCE": 1})
	if len(r.taken) != 1 || r.signatures.Load() != 1 {
		t.Errorf("%d taken, %d signatures verified", len(r.taken), r.signatures.Load())
	}
}

// TestAccountHasTheNonceWindow fills what one account may have waiting; others go on.
func TestAccountHasTheNonceWindow(t *testing.T) {
	r := newRig(t, nil)
	txs := make([][]byte, 80)
	for i := range txs {
		txs[i] = r.Transfer(0, 1, uint64(i), 1)
	}
	wantCodes(t, r.submit(t, txs...), map[string]int{"ok": 64, "TX_NONCE_TOO_FAR": 16})
	wantCodes(t, r.submit(t, r.Transfer(1, 0, 0, 1)), map[string]int{"ok": 1})
}

// TestBadSignaturesEndARequest sends 16,384 transfers whose signatures are bad: few are verified, and the same bytes again
// cost nothing.
func TestBadSignaturesEndARequest(t *testing.T) {
	r := newRig(t, nil)
	txs := make([][]byte, 16_384)
	for i := range txs {
		// Each from an account's next nonce would be stopped by the nonce window: they are unsigned transfers of few accounts.
		txs[i] = forge(t, r.Transfer(i%4, 1, uint64(i/4%64), remora.Amount(1+i)))
	}
	got := r.submit(t, txs...)
	if r.signatures.Load() > admission.MaxBad || got["TX_BAD_SIGNATURE"] != admission.MaxBad {
		t.Errorf("%d signatures verified, answers %v", r.signatures.Load(), got)
	}
	before := r.signatures.Load()
	wantCodes(t, r.submit(t, txs[:admission.MaxBad]...), map[string]int{"TX_BAD_SIGNATURE": admission.MaxBad})
	if r.signatures.Load() != before || r.Pending() != 0 {
		t.Errorf("%d verified again, %d wait", r.signatures.Load()-before, r.Pending())
	}
	wantCodes(t, r.submit(t, r.Transfer(0, 1, 0, 1)), map[string]int{"ok": 1})
}

// register returns a registration with wrong proofs of possession.
func register(r *rig, from int, nonce uint64) []byte {
	key := r.Keys.Accounts[from]
	node := statetest.Node("door-node", remora.RoleCache)
	node.BeaconPoP[5] = byte(nonce)
	tx := remora.Tx{
		Kind: remora.KindRegisterNode, ChainID: r.Genesis.ChainID, From: key.Public(), Nonce: nonce, Fee: 100_000, ValidUntil: 1 << 20, Body: remora.Encode(node),
	}
	message := tx.Message(r.Genesis.Domain())
	tx.Signature = key.Sign(message[:])
	return remora.Encode(&tx)
}

// TestWrongProofsEndARequest sends 2,000 registrations with wrong proofs of possession in one request: one is verified.
func TestWrongProofsEndARequest(t *testing.T) {
	r := newRig(t, nil)
	var txs [][]byte
	for i := range 250 {
		txs = append(txs, register(r, i%4, uint64(i/4)))
	}
	got := r.submit(t, slices.Concat(slices.Repeat(txs, 8))...)
	if r.proofs.Load() != 1 || got["TX_BAD_POSSESSION"] == 0 || r.Pending() != 0 {
		t.Errorf("%d proofs verified, answers %v", r.proofs.Load(), got)
	}
	before := r.proofs.Load()
	r.submit(t, txs[0])
	if r.proofs.Load() != before {
		t.Error("the same wrong proof was verified again")
	}
}

// TestStrangersReserveNothing has somebody send transactions of an account without its key: its nonces stay free.
func TestStrangersReserveNothing(t *testing.T) {
	r := newRig(t, nil)
	for i := range uint64(8) {
		r.submit(t, forge(t, r.Transfer(0, 1, i, 9)))
	}
	for i := range uint64(8) {
		wantCodes(t, r.submit(t, r.Transfer(0, 1, i, 1)), map[string]int{"ok": 1})
	}
}

// TestNoRoomReservesNothing has the batches take some of the transactions, or none: the nonces of the others are free again.
func TestNoRoomReservesNothing(t *testing.T) {
	r := newRig(t, nil)
	txs := [][]byte{r.Transfer(0, 1, 0, 1), r.Transfer(0, 1, 1, 1), r.Transfer(0, 1, 2, 1)}
	r.room = 0
	if _, err := r.Submit(t.Context(), "a", txs); !errors.Is(err, door.ErrBusy) || r.Pending() != 0 {
		t.Errorf("%v, %d wait", err, r.Pending())
	}
	r.room = 2
	wantCodes(t, r.submit(t, txs...), map[string]int{"ok": 2, admission.CodeFull: 1})
	r.room = -1
	wantCodes(t, r.submit(t, txs...), map[string]int{"ok": 1, "waiting": 2})
}

// TestUnpaidExecutionIsAnswered has a rival take the nonce elsewhere: whoever waits for the refused transaction learns it,
// although no index has it.
func TestUnpaidExecutionIsAnswered(t *testing.T) {
	r := newRig(t, nil)
	mine := r.Transfer(0, 1, 0, 1)
	r.submit(t, mine)
	batch := r.batch
	r.Block(r.Transfer(0, 2, 0, 9))
	if _, ended := r.Executed(remora.TxHash(mine)); ended {
		t.Fatal("ended before its batch was executed")
	}
	block := r.Execute(batch)
	got, ended := r.Executed(remora.TxHash(mine))
	if !ended || got.Height != block.Header.Height || remora.Code(block.Results[got.Position]) != remora.CodeNonceUsed {
		t.Errorf("ended %v: %+v", ended, got)
	}
	if r.Pending() != 0 {
		t.Errorf("%d wait", r.Pending())
	}
}

// TestOthersBatchesEndNothing has another author's batch carry the same bytes: here they wait until the own batch is
// executed.
func TestOthersBatchesEndNothing(t *testing.T) {
	r := newRig(t, func(c *door.Config) { c.Owns = nil })
	mine := r.Transfer(0, 1, 0, 1)
	r.submit(t, mine)
	own := r.batch
	r.Block(mine)
	if r.submit(t, mine); r.Pending() != 1 {
		t.Errorf("%d wait after another author's batch", r.Pending())
	}
	r.Execute(own)
	if r.submit(t, mine); r.Pending() != 0 {
		t.Errorf("%d wait after the own batch", r.Pending())
	}
}

// TestRestoredBatchesWait restarts a node with a batch that was acknowledged: what is in it waits, until it is dropped.
func TestRestoredBatchesWait(t *testing.T) {
	r := newRig(t, nil)
	tx, rival := r.Transfer(0, 1, 0, 1), r.Transfer(0, 1, 0, 2)
	batch := r.Batch(tx, remora.EncodeOpaque([]byte("x")), []byte("junk"))
	r.Restore(batch)
	answers, err := r.Submit(t.Context(), "a", [][]byte{tx, rival})
	if err != nil || !answers[0].Waiting || answers[0].Batch != batch.Digest || answers[1].Refusal == nil || answers[1].Refusal.Code != admission.CodeNoncePending {
		t.Fatalf("%+v, %v", answers, err)
	}
	r.DropTx(tx)
	got, ended := r.Executed(remora.TxHash(tx))
	if !ended || got.Refusal == nil || got.Refusal.Code != remora.CodeExpired.String() {
		t.Errorf("ended %v: %+v", ended, got)
	}
	wantCodes(t, r.submit(t, rival), map[string]int{"ok": 1})
}

// TestPatience has a validator lose what a follower passed on: after some blocks the same bytes are passed on again.
func TestPatience(t *testing.T) {
	r := newRig(t, func(c *door.Config) { c.Patience, c.Owns = 3, nil })
	tx := r.Transfer(0, 1, 0, 1)
	wantCodes(t, r.submit(t, tx), map[string]int{"ok": 1})
	for range 3 {
		r.Block()
		wantCodes(t, r.submit(t, tx), map[string]int{"waiting": 1})
	}
	r.Block()
	wantCodes(t, r.submit(t, tx), map[string]int{"ok": 1})
}

// TestSecondWaitsForTheFirst submits a transaction while its first submission is under way: both get the same answer.
func TestSecondWaitsForTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan error)
		r := newRig(t, nil)
		tx := r.Transfer(0, 1, 0, 1)
		var d *door.Door
		c := r.Config
		c.Pass = func(ctx context.Context, txs [][]byte) ([]door.Answer, error) {
			if err := <-release; err != nil {
				return nil, err
			}
			return []door.Answer{{Batch: remora.Hash{7}}}, nil
		}
		d = door.New(c)
		for _, failure := range []error{errors.New("no room"), nil} {
			results := make(chan door.Answer, 2)
			for range 2 {
				go func() {
					answers, err := d.Submit(t.Context(), "a", [][]byte{tx})
					if err != nil {
						answers = []door.Answer{{Refusal: &admission.Refusal{Code: err.Error()}}}
					}
					results <- answers[0]
				}()
				synctest.Wait()
			}
			release <- failure
			a, b := <-results, <-results
			if failure != nil && (a.Refusal == nil || b.Refusal == nil) || failure == nil && (a.Batch != b.Batch || a.Waiting == b.Waiting) {
				t.Errorf("%v: %+v and %+v", failure, a, b)
			}
		}
	})
}

// TestClientsHaveTheirPart fills what one owner may have under way: it is told so, and others are served.
func TestClientsHaveTheirPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		c, hold := r.Config, make(chan struct{})
		c.Pass = func(_ context.Context, txs [][]byte) ([]door.Answer, error) {
			<-hold
			return make([]door.Answer, len(txs)), nil
		}
		d := door.New(c)
		opaque := [][]byte{remora.EncodeOpaque([]byte("x"))}
		var group sync.WaitGroup
		for range 256 {
			group.Go(func() {
				if _, err := d.Submit(t.Context(), "greedy", opaque); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if _, err := d.Submit(t.Context(), "greedy", opaque); !errors.Is(err, door.ErrOverdrawn) {
			t.Errorf("one more: %v", err)
		}
		group.Go(func() {
			if _, err := d.Submit(t.Context(), "modest", opaque); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		close(hold)
		group.Wait()
	})
}
