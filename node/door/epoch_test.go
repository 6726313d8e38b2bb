package door_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool/admission"
	"github.com/remora-network/remora/node/door"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/limits"
	"github.com/remora-network/remora/node/replay/replaytest"
	"github.com/remora-network/remora/state"
	"github.com/remora-network/remora/state/registry"
)

// signed returns a transfer of the first account, as changed before it is signed.
func signed(r *rig, change func(*remora.Tx)) []byte {
	key := r.Keys.Accounts[0]
	tx := remora.Tx{
		Kind: remora.KindTransfer, ChainID: r.Genesis.ChainID, From: key.Public(), Fee: 5_000, ValidUntil: 1 << 20,
		Body: remora.Encode(remora.Transfer{To: r.Keys.Accounts[1].Public(), Amount: 1}),
	}
	change(&tx)
	message := tx.Message(r.Genesis.Domain())
	tx.Signature = key.Sign(message[:])
	return remora.Encode(&tx)
}

// validUntil returns a transfer with a last epoch.
func validUntil(r *rig, until remora.Epoch) []byte {
	return signed(r, func(tx *remora.Tx) { tx.ValidUntil = until })
}

// passEpochs executes blocks until the state is in an epoch.
func (r *rig) passEpochs(tb testing.TB, until remora.Epoch) {
	tb.Helper()
	for range 1_000 {
		epoch, err := registry.GetEpoch(r.Executor.View().Tables)
		if err != nil {
			tb.Fatal(err)
		}
		if epoch.Number >= until {
			return
		}
		r.Block()
	}
	tb.Fatalf("no epoch %d after 1,000 blocks", until)
}

// TestDoorWantsTime refuses a transfer that may expire before its batch is ordered, by the newest ordered epoch, of which
// execution may be behind.
func TestDoorWantsTime(t *testing.T) {
	r := newRig(t, nil)
	wantCodes(t, r.submit(t, validUntil(r, 2)), map[string]int{"TX_EXPIRED": 1}) // this is epoch 1
	wantCodes(t, r.submit(t, validUntil(r, 3)), map[string]int{"ok": 1})
	r.NoteEpoch(6)
	r.NoteEpoch(2)
	next := func(until remora.Epoch) []byte {
		return signed(r, func(tx *remora.Tx) { tx.Nonce, tx.ValidUntil = 1, until })
	}
	wantCodes(t, r.submit(t, next(7)), map[string]int{"TX_EXPIRED": 1})
	wantCodes(t, r.submit(t, next(8)), map[string]int{"ok": 1})
}

// TestExpiredTxsEnd lets a transaction that waits here expire while no block has it: its nonce is free in the third epoch
// after its last one, and not before, because a batch that was sealed in its last one may still be executed.
func TestExpiredTxsEnd(t *testing.T) {
	r := newRig(t, nil)
	wantCodes(t, r.submit(t, validUntil(r, 3), signed(r, func(tx *remora.Tx) { tx.Nonce, tx.ValidUntil = 1, 9 })), map[string]int{"ok": 2})
	rival := r.Transfer(0, 1, 0, 1)
	r.passEpochs(t, 5)
	wantCodes(t, r.submit(t, rival), map[string]int{admission.CodeNoncePending: 1})
	r.passEpochs(t, 6)
	wantCodes(t, r.submit(t, rival), map[string]int{"ok": 1})
	if r.Pending() != 2 {
		t.Errorf("%d wait", r.Pending())
	}
}

// TestDroppedAndSentAgain drops a transaction and takes it again: the newest outcome is the one that is told.
func TestDroppedAndSentAgain(t *testing.T) {
	r := newRig(t, nil)
	tx := r.Transfer(0, 1, 0, 1)
	r.submit(t, tx)
	r.DropTx(tx)
	r.submit(t, tx)
	block := r.Execute(r.batch)
	if got, ended := r.Executed(remora.TxHash(tx)); !ended || got.Refusal != nil || got.Height != block.Header.Height {
		t.Errorf("ended %v: %+v", ended, got)
	}
}

// faults returns transactions that could never execute, by what is wrong with them.
func faults(tb testing.TB, r *rig) map[string][]byte {
	good := r.Transfer(0, 1, 0, 1)
	opaque := remora.EncodeOpaque([]byte("opaque"))
	cut := slices.Clone(opaque)
	cut[2]++ // claims a byte more than there is
	return map[string][]byte{
		"nothing":            {},
		"junk":               []byte("junk"),
		"cut":                good[:len(good)-1],
		"longer":             append(slices.Clone(good), 0),
		"forged":             forge(tb, good),
		"of another chain":   signed(r, func(tx *remora.Tx) { tx.ChainID = "dev-other" }),
		"of an unknown kind": signed(r, func(tx *remora.Tx) { tx.Kind = 200 }),
		"too large":          signed(r, func(tx *remora.Tx) { tx.Body = make([]byte, remora.MaxTxBytes) }),
		"opaque, cut":        cut,
		"opaque, longer":     append(slices.Clone(opaque), 0),
		"opaque, too large":  remora.EncodeOpaque(make([]byte, remora.MaxTxBytes)),
	}
}

// TestFaultsStayOut sends faults one by one and among good transactions: each is refused with the code that execution would
// give it, and of what is handed on nothing is a fault.
func TestFaultsStayOut(t *testing.T) {
	r := newRig(t, nil)
	wrong := faults(t, r)
	for name, raw := range wrong {
		var fault *remora.Rejection
		if !errors.As(r.Machine.CheckFault(raw, r.verifier), &fault) {
			t.Fatalf("%s: no fault", name)
		}
		wantCodes(t, r.submit(t, raw), map[string]int{fault.Code.String(): 1})
		got := r.submit(t, raw, remora.EncodeOpaque([]byte(name)))
		wantCodes(t, got, map[string]int{fault.Code.String(): 1, "ok": 1})
	}
	wantCodes(t, r.submit(t, r.Transfer(0, 1, 0, 1)), map[string]int{"ok": 1})
	if len(r.taken) != len(wrong)+1 {
		t.Errorf("%d were handed on, want %d", len(r.taken), len(wrong)+1)
	}
	for _, raw := range r.taken {
		if err := r.Machine.CheckFault(raw, r.verifier); err != nil || !r.Machine.MayExecute(raw, 1) {
			t.Errorf("handed on: %v", err)
		}
	}
}

// TestNoOpaqueOnARealChain has a chain whose id does not start with dev: there an opaque transaction is a fault.
func TestNoOpaqueOnARealChain(t *testing.T) {
	genesis, _ := replaytest.Genesis(t, "main-door")
	machine, err := state.NewMachine(genesis)
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, func(c *door.Config) { c.Machine = machine })
	raw := remora.EncodeOpaque([]byte("opaque"))
	if machine.CheckFault(raw, exec.NewVerifier()) == nil || machine.MayExecute(raw, 1) {
		t.Fatal("no fault")
	}
	wantCodes(t, r.submit(t, raw), map[string]int{remora.CodeKindNotAllowed.String(): 1})
}

// hitsOf returns the totals of hits by limit and name.
func hitsOf(h *limits.Hits) map[string]uint64 {
	totals := map[string]uint64{}
	for _, hit := range h.All() {
		totals[hit.Limit+" "+hit.Who] = hit.Total
	}
	return totals
}

// TestMassesAreNamed sends copies, used and held nonces, and transfers beyond the balance in mass, from one address each: the
// address and the account are named, for what is beyond 64. Fewer name nobody, however they are spread over blocks.
func TestMassesAreNamed(t *testing.T) {
	var log bytes.Buffer
	h := limits.NewHits(func() time.Time { return time.Unix(1, 0) }, slog.New(slog.NewTextHandler(&log, nil)))
	r := newRig(t, func(c *door.Config) { c.Hits = h })
	r.Block(r.Transfer(0, 1, 0, 1))
	held := r.Transfer(1, 0, 0, 1)
	r.submit(t, held)
	poor := func(nonce int) []byte {
		return r.Transfer(2, 0, uint64(nonce%64), replaytest.Balance)
	}
	attacks := []struct {
		limit   string
		account int
		tx      func(i int) []byte
	}{
		{"copies of transactions", 1, func(int) []byte { return held }},
		{"used or held nonces", 0, func(i int) []byte { return r.Transfer(0, 1, 0, remora.Amount(i+2)) }},
		{"used or held nonces", 1, func(i int) []byte { return r.Transfer(1, 0, 0, remora.Amount(i+2)) }},
		{"transactions beyond a balance", 2, poor},
	}
	for i, a := range attacks {
		owner := fmt.Sprintf("192.0.2.%d", i)
		send := func(n int) {
			for k := range n {
				if _, err := r.Submit(t.Context(), owner, [][]byte{a.tx(k)}); err != nil {
					t.Fatal(err)
				}
			}
		}
		byOwner, byAccount := a.limit+" "+owner, a.limit+" "+r.Keys.Accounts[a.account].Public().String()
		send(64)
		if got := hitsOf(h); got[byOwner] != 0 || got[byAccount] != 0 {
			t.Errorf("%s: 64 name somebody: %v", a.limit, got)
		}
		send(100)
		if got := hitsOf(h); got[byOwner] != 100 || got[byAccount] != 100 {
			t.Errorf("%s: %v", a.limit, got)
		}
		for range 64 {
			r.Block()
		}
		before := hitsOf(h)
		send(64)
		if got := hitsOf(h); got[byOwner] != before[byOwner] {
			t.Errorf("%s: 64 in later blocks name somebody: %v", a.limit, got)
		}
	}
}
