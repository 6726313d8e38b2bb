package admission_test

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool/admission"
)

// naive is a model of what waits: a list, searched from the start each time.
type naive struct {
	limits admission.Limits
	txs    []admission.Tx
}

// judge returns the code with which tx is refused beside the transactions of another list, empty if it is not.
func (n *naive) judge(tx admission.Tx, balance remora.Amount, more []admission.Tx) string {
	count, bytes, all := 0, tx.Bytes, tx.Bytes
	for _, o := range n.txs {
		if o.Hash == tx.Hash {
			return admission.CodeWaiting
		}
		all += o.Bytes
	}
	for _, o := range slices.Concat(n.txs, more) {
		if o.Hash == tx.Hash {
			return admission.CodeWaiting
		}
	}
	cost := uint64(tx.Cost)
	for _, o := range slices.Concat(n.txs, more) {
		if o.From != tx.From {
			continue
		}
		if o.Nonce == tx.Nonce {
			return admission.CodeNoncePending
		}
		count, bytes, cost = count+1, bytes+o.Bytes, cost+uint64(o.Cost)
	}
	switch {
	case count >= n.limits.AccountTxs || bytes > n.limits.AccountBytes:
		return admission.CodeAccountFull
	case len(n.txs) >= n.limits.Txs || all > n.limits.Bytes:
		return admission.CodeFull
	case cost > uint64(balance):
		return admission.CodeBalancePending
	}
	return ""
}

func (n *naive) remove(drop func(admission.Tx) bool) { n.txs = slices.DeleteFunc(n.txs, drop) }

func codeOf(err error) string {
	var r *admission.Refusal
	if errors.As(err, &r) {
		return r.Code
	}
	return ""
}

func drawTx(t *rapid.T) admission.Tx {
	small := func(name string, most int) int { return rapid.IntRange(0, most).Draw(t, name) }
	nonce, from, version := small("nonce", 5), small("from", 2), small("version", 2)
	return admission.Tx{
		Hash: remora.Hash{byte(nonce), byte(from), byte(version)}, From: remora.Address{byte(from)}, Nonce: uint64(nonce),
		Cost: remora.Amount(1 + version*7 + nonce), Bytes: 10 + version, Until: remora.Epoch(version * 2),
	}
}

// TestPendingIsAList compares random submissions, executions and expiries with a naive list.
func TestPendingIsAList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := admission.Limits{AccountTxs: 4, AccountBytes: 45, Txs: 7, Bytes: 80}
		p, model := admission.NewPending(l), &naive{limits: l}
		epoch := remora.Epoch(0)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			tx, balance := drawTx(t), remora.Amount(rapid.IntRange(0, 60).Draw(t, "balance"))
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0:
				had := slices.ContainsFunc(model.txs, func(o admission.Tx) bool { return o.Hash == tx.Hash })
				if got := p.Release(tx.Hash); got != had {
					t.Fatalf("released %v, want %v", got, had)
				}
				model.remove(func(o admission.Tx) bool { return o.Hash == tx.Hash })
			case 1:
				epoch++
				expired := p.ReleaseExpired(epoch)
				model.remove(func(o admission.Tx) bool {
					if o.Until < epoch != slices.Contains(expired, o.Hash) {
						t.Fatalf("%x valid until %d, expired in epoch %d: %x", o.Hash[:3], o.Until, epoch, expired)
					}
					return o.Until < epoch
				})
			case 2:
				p.Restore(tx)
				if !slices.ContainsFunc(model.txs, func(o admission.Tx) bool {
					return o.Hash == tx.Hash || o.From == tx.From && o.Nonce == tx.Nonce
				}) {
					model.txs = append(model.txs, tx)
				}
			default:
				want := model.judge(tx, balance, nil)
				if got := codeOf(p.Reserve(tx, balance)); got != want {
					t.Fatalf("%+v with a balance of %s: %q, want %q", tx, balance, got, want)
				}
				if want == "" {
					model.txs = append(model.txs, tx)
				}
			}
			if p.Count() != len(model.txs) {
				t.Fatalf("%d wait, want %d", p.Count(), len(model.txs))
			}
			for _, o := range model.txs {
				if !p.Holds(o.Hash) {
					t.Fatalf("%x does not wait", o.Hash[:3])
				}
			}
		}
	})
}

// TestRequestCountsItsOwn has the transactions of one request judged against what waits and against each other, and confirms
// some of them while another request comes in between.
func TestRequestCountsItsOwn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := admission.Limits{AccountTxs: 4, AccountBytes: 45, Txs: 7, Bytes: 80}
		p, model := admission.NewPending(l), &naive{limits: l}
		r, own := admission.NewRequest(p), &naive{limits: l}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			tx, balance := drawTx(t), remora.Amount(rapid.IntRange(0, 60).Draw(t, "balance"))
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0: // somebody else's request
				if p.Reserve(tx, balance) == nil {
					model.txs = append(model.txs, tx)
				}
			case 1: // a signature holds
				if len(own.txs) == 0 {
					continue
				}
				good := own.txs[0]
				own.txs = own.txs[1:]
				want := model.judge(good, balance, nil)
				if got := codeOf(r.Confirm(good, balance)); got != want {
					t.Fatalf("confirmed %+v: %q, want %q", good, got, want)
				}
				if want == "" {
					model.txs = append(model.txs, good)
				}
			default:
				want := model.judge(tx, balance, own.txs)
				if got := codeOf(r.Reserve(tx, balance)); got != want {
					t.Fatalf("%+v with a balance of %s: %q, want %q", tx, balance, got, want)
				}
				if want == "" {
					own.txs = append(own.txs, tx)
				}
			}
		}
	})
}

// TestRequestsAreApart has an unverified request reserve a nonce: it is free for everybody else.
func TestRequestsAreApart(t *testing.T) {
	p := admission.NewPending(admission.DefaultLimits())
	bogus, honest := admission.NewRequest(p), admission.NewRequest(p)
	if err := bogus.Reserve(admission.Tx{Hash: remora.Hash{1}, Nonce: 5, Cost: 1}, 1); err != nil {
		t.Fatal(err)
	}
	tx := admission.Tx{Hash: remora.Hash{2}, Nonce: 5, Cost: 1}
	if err := honest.Reserve(tx, 1); err != nil {
		t.Error(err)
	}
	if err := honest.Confirm(tx, 1); err != nil {
		t.Error(err)
	}
	if code := codeOf(bogus.Confirm(admission.Tx{Hash: remora.Hash{1}, Nonce: 5, Cost: 1}, 1)); code != admission.CodeNoncePending {
		t.Errorf("the nonce was given away twice: %q", code)
	}
}

// TestGroups follows the number of signatures that are verified together.
func TestGroups(t *testing.T) {
	const limit = 64
	verify := func(verdicts func(i int) bool) (checked, bad int) {
		r := admission.NewRequest(admission.NewPending(admission.DefaultLimits()))
		for checked < 16_384 {
			n := min(r.NextGroup(limit), 16_384-checked)
			if n == 0 {
				break
			}
			wrong := 0
			for i := range n {
				if !verdicts(checked + i) {
					wrong++
				}
			}
			r.CountVerdicts(n-wrong, wrong)
			checked, bad = checked+n, bad+wrong
		}
		return checked, bad
	}
	if checked, _ := verify(func(int) bool { return false }); checked != admission.MaxBad {
		t.Errorf("all bad: %d verified", checked)
	}
	if checked, _ := verify(func(int) bool { return true }); checked != 16_384 {
		t.Errorf("all good: %d verified", checked)
	}
	if _, bad := verify(func(i int) bool { return i%2 == 0 }); bad > admission.MaxBad {
		t.Errorf("every other one bad: %d bad ones verified", bad)
	}
	if _, bad := verify(func(i int) bool { return i < 3000 }); bad > limit {
		t.Errorf("bad after 3,000 good ones: %d bad ones verified", bad)
	}
}
