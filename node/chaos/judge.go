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

// Verdict is the comparison of a history with a chain. Counts are transactions.
type Verdict struct {
	Submitted  int // distinct
	Acked      int
	Unanswered int // never acknowledged, at least once without an answer
	Executed   int // with effect
	Lost       int // acknowledged, without effect
	Duplicated int // with effect more than once
	Disordered int // transfers in effect before one that their client had sent earlier
	Foreign    int // executed, never submitted
	Examples   []string
}

// maxExamples bounds the faults that a verdict names.
const maxExamples = 10

// Err returns nil if the verdict has no fault.
func (v *Verdict) Err() error {
	if v.Lost+v.Duplicated+v.Disordered+v.Foreign == 0 {
		return nil
	}
	return fmt.Errorf("%d lost, %d duplicated, %d disordered, %d foreign: %v", v.Lost, v.Duplicated, v.Disordered, v.Foreign, v.Examples)
}

func (v *Verdict) noteFault(count *int, format string, args ...any) {
	*count++
	if len(v.Examples) < maxExamples {
		v.Examples = append(v.Examples, fmt.Sprintf(format, args...))
	}
}

// known is one transaction as its clients know it.
type known struct {
	Submit
	effects int
}

// judgeRuns compares the submissions with the executions on the chain, in their order.
func judgeRuns(submits []Submit, runs []Run) *Verdict {
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
	v.countOutcomes(txs)
	next := map[int]uint64{}
	for _, r := range runs {
		if k := txs[r.Tx]; k == nil {
			v.noteFault(&v.Foreign, "%s in block %d was never submitted", r.Tx, r.Height)
		} else if r.Code == remora.CodeOK {
			v.countEffect(k, r, next)
		}
	}
	for _, s := range submits { // in order, so that the first losses are named
		if k := txs[s.Tx]; s.Outcome == Acked && k.effects == 0 {
			k.effects = -1 // named once
			v.noteFault(&v.Lost, "%+v", s)
		}
	}
	return v
}

// countEffect counts that a transaction took effect. next holds, by client, the lowest nonce that may follow.
func (v *Verdict) countEffect(k *known, r Run, next map[int]uint64) {
	if k.effects++; k.effects == 1 {
		v.Executed++
	} else {
		v.noteFault(&v.Duplicated, "%s took effect again in block %d: %+v", r.Tx, r.Height, k.Submit)
	}
	if !k.Signed {
		return
	}
	if k.Nonce < next[k.Client] {
		v.noteFault(&v.Disordered, "nonce %d of client %d in block %d, after nonce %d", k.Nonce, k.Client, r.Height, next[k.Client]-1)
	}
	next[k.Client] = k.Nonce + 1
}

func (v *Verdict) countOutcomes(txs map[remora.Hash]*known) {
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
