package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/devnet"
)

const (
	// stride is the interval at which an open-loop load submits transactions.
	stride = 10 * time.Millisecond
	// closedBytes is the size of a closed-loop request, closedRequests the number of requests in flight per validator.
	closedBytes    = 128 << 10
	closedRequests = 4
	// maxUnderWay bounds the open-loop requests in flight per validator; transactions beyond it count as refused.
	maxUnderWay = 256
	backOff     = 20 * time.Millisecond
)

// load submits opaque transactions of one size, each with a unique number, to validators.
type load struct {
	size    int
	counter atomic.Uint64
	ledger  *ledger
}

// makeFrames returns a framed submission of n new transactions and the number of the first. All other bytes come from a
// cheap generator, so that nothing on the way can compress or deduplicate them.
func (l *load) makeFrames(n int) ([]byte, uint64) {
	first := l.counter.Add(uint64(n)) - uint64(n)
	source := rand.NewPCG(first, 1)
	payload := make([]byte, l.size)
	body := make([]byte, 0, n*(l.size+client.FrameOverhead+8))
	for i := range n {
		for at := 8; at+8 <= len(payload); at += 8 {
			binary.LittleEndian.PutUint64(payload[at:], source.Uint64())
		}
		binary.BigEndian.PutUint64(payload, first+uint64(i))
		tx := remora.EncodeOpaque(payload)
		body = binary.BigEndian.AppendUint32(body, uint32(len(tx)))
		body = append(body, tx...)
	}
	return body, first
}

// txNumber returns the number in an opaque transaction of a load.
func txNumber(raw []byte) (uint64, bool) {
	payload, err := remora.DecodeOpaque(raw)
	if err != nil || len(payload) < 8 {
		return 0, false
	}
	return binary.BigEndian.Uint64(payload), true
}

// submitTxs submits n new transactions to one validator and enters the answer into the ledger. It reports whether the
// validator refused any.
func (l *load) submitTxs(ctx context.Context, target *target, n int) (busy bool) {
	body, first := l.makeFrames(n)
	at := time.Now()
	answer, err := target.client.SendFramed(ctx, body, n)
	switch {
	case errors.Is(err, client.ErrBusy):
		l.ledger.notePushedBack(n)
		return true
	case err != nil:
		l.ledger.noteUnanswered(first, n, at)
		return true
	}
	l.ledger.noteAcknowledged(target.index, first, at, answer)
	return len(answer.Rejected) > 0
}

// driveOpenLoop submits rate transactions per second, spread over the validators, independently of earlier answers.
func (l *load) driveOpenLoop(ctx context.Context, targets []*target, rate int) {
	var group sync.WaitGroup
	defer group.Wait()
	ticker := time.NewTicker(stride)
	defer ticker.Stop()
	begin, made := time.Now(), 0
	for turn := 0; ; turn++ {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		due := int(time.Since(begin).Seconds()*float64(rate)) - made
		made += due
		for i := range targets {
			t := targets[(turn+i)%len(targets)]
			n := due / (len(targets) - i)
			due -= n
			if n == 0 {
				continue
			}
			if t.underWay.Add(1) > maxUnderWay {
				t.underWay.Add(-1)
				l.ledger.notePushedBack(n)
				continue
			}
			group.Go(func() {
				defer t.underWay.Add(-1)
				l.submitTxs(context.WithoutCancel(ctx), t, n)
			})
		}
	}
}

// driveClosedLoop keeps a fixed number of requests in flight at every validator, and backs off when refused.
func (l *load) driveClosedLoop(ctx context.Context, targets []*target) {
	var group sync.WaitGroup
	defer group.Wait()
	n := max(1, closedBytes/(l.size+client.FrameOverhead))
	for _, t := range targets {
		for range closedRequests {
			group.Go(func() {
				for ctx.Err() == nil {
					if l.submitTxs(context.WithoutCancel(ctx), t, n) {
						devnet.Pause(ctx, backOff)
					}
				}
			})
		}
	}
}
