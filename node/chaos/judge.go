package chaos

import (
	"fmt"

	"github.com/remora-network/remora"
)

// Run is one execution of a transaction.
type Run struct {
	Tx     remora.Hash
	Height remora.Height
	Code   remora.Code
}

// Verdict holds a history against a chain. Counts are transactions.
type Verdict struct {
	Submitted  int // different ones
	Acked      int
	Unanswered int // that no submission was acknowledged of, and some had no answer
	Executed   int // that took effect
	Lost       int // acknowledged, and without effect
	Duplicated int // that took effect more than once
	Disordered int // transfers that took effect before one that their client had sent earlier
	Foreign    int // executed, and submitted by nobody
	Examples   []string
}

// maxExamples bounds how many faults a verdict names.
const maxExamples = 10

// Err returns nil when everything holds.
func (v *Verdict) Err() error {
	if v.Lost+v.Duplicated+v.Disordered+v.Foreign == 0 {
		return nil
	}
	return fmt.Errorf("%d lost, %d duplicated, %d disordered, %d foreign: %v", v.Lost, v.Duplicated, v.Disordered, v.Foreign, v.Examples)
}

func (v *Verdict) blame(count *int, format string, args ...any) {
	*count++
	if len(v.Examples) < maxExamples {
		v.Examples = append(v.Examples, fmt.Sprintf(format, args...))
	}
}

// known is what clients did with one transaction.
type known struct {
	Submit
	effects int
}

// judge compares what clients did with every execution on the chain, in its order.
func judge(submits []Submit, runs []Run) *Verdict {
	v := new(Verdict)
	txs := make(map[remora.Hash]*known, len(submits))
	for _, s := range submits {
		k := txs[s.Tx]
		if k == nil {
			k = &known{Submit: s}
			txs[s.Tx] = k
		}
		if s.Outcome == Acked || s.Outcome == Unanswered && k.Outcome == Refused {
			k.Outcome = s.Outcome
		}
	}
	v.count(txs)
	next := map[int]uint64{}
	for _, r := range runs {
		if k := txs[r.Tx]; k == nil {
			v.blame(&v.Foreign, "%s in block %d was submitted by nobody", r.Tx, r.Height)
		} else if r.Code == remora.CodeOK {
			v.effect(k, r, next)
		}
	}
	for _, s := range submits { // in order, so that the first losses are the ones named
		if k := txs[s.Tx]; s.Outcome == Acked && k.effects == 0 {
			k.effects = -1 // named once
			v.blame(&v.Lost, "%+v", s)
		}
	}
	return v
}

// effect enters that a transaction took effect. next has, by client, the lowest nonce whose turn it may be.
func (v *Verdict) effect(k *known, r Run, next map[int]uint64) {
	if k.effects++; k.effects == 1 {
		v.Executed++
	} else {
		v.blame(&v.Duplicated, "%s took effect again in block %d: %+v", r.Tx, r.Height, k.Submit)
	}
	if !k.Signed {
		return
	}
	if k.Nonce < next[k.Client] {
		v.blame(&v.Disordered, "nonce %d of client %d in block %d, after nonce %d", k.Nonce, k.Client, r.Height, next[k.Client]-1)
	}
	next[k.Client] = k.Nonce + 1
}

func (v *Verdict) count(txs map[remora.Hash]*known) {
	v.Submitted = len(txs)
	for _, k := range txs {
		switch k.Outcome {
		case Acked:
			v.Acked++
		case Unanswered:
			v.Unanswered++
		case Refused:
		}
	}
}
