package peers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool/admission"
	"github.com/remora-network/remora/node/door"
	"github.com/remora-network/remora/node/p2p"
)

// Bounds of a request that passes transactions on.
const (
	MaxSubmitBytes  = 768 << 10 // of the transactions
	maxSubmitTxs    = 1 << 14
	maxSubmitReason = 256 // bytes of the reason of a refusal
)

// submitAnswer is about all transactions of a request, in order.
type submitAnswer struct {
	_     struct{} `cbor:",toarray"`
	Items []submitItem
}

// submitItem is the batch that took a transaction, or the code and the reason of a refusal.
type submitItem struct {
	_       struct{} `cbor:",toarray"`
	Batch   remora.Hash
	Waiting bool
	Code    string // empty: taken
	Reason  string
}

// SubmitServer takes the transactions that followers pass on to a validator.
type SubmitServer struct{ Door *door.Door }

// Handlers returns the request that passes transactions on.
func (s *SubmitServer) Handlers() map[string]p2p.Handler {
	return map[string]p2p.Handler{ProtocolSubmit: s.serveSubmit}
}

// serveSubmit admits transactions and answers each with its batch, durable here, or a refusal.
func (s *SubmitServer) serveSubmit(ctx context.Context, peer string, request []byte) ([]byte, error) {
	var r ListAnswer
	if err := remora.Decode(request, MaxSubmitBytes, &r); err != nil {
		return nil, &p2p.RemoteError{Code: p2p.CodeInvalid, Message: err.Error()}
	}
	if len(r.Items) > maxSubmitTxs {
		return nil, &p2p.RemoteError{
			Code: p2p.CodeInvalid, Message: fmt.Sprintf("%d transactions in one request, at most %d", len(r.Items), maxSubmitTxs),
		}
	}
	answers, err := s.Door.Submit(ctx, "peer "+peer, r.Items)
	if err != nil {
		return nil, &p2p.RemoteError{Code: p2p.CodeBusy, Message: err.Error()}
	}
	return encodeAnswers(answers), nil
}

func encodeAnswers(answers []door.Answer) []byte {
	items := make([]submitItem, len(answers))
	for i, a := range answers {
		items[i] = submitItem{Batch: a.Batch, Waiting: a.Waiting}
		if r := a.Refusal; r != nil {
			items[i] = submitItem{Code: r.Code, Reason: r.Reason[:min(len(r.Reason), maxSubmitReason)]}
		}
	}
	return remora.Encode(submitAnswer{Items: items})
}

func decodeAnswers(b []byte, want int) ([]door.Answer, error) {
	var a submitAnswer
	if err := remora.Decode(b, MaxAnswer, &a); err != nil {
		return nil, fmt.Errorf("answer: %w", err)
	}
	if len(a.Items) != want {
		return nil, fmt.Errorf("%w: %d answers for %d transactions", remora.ErrInvalid, len(a.Items), want)
	}
	answers := make([]door.Answer, want)
	for i, item := range a.Items {
		answers[i] = door.Answer{Batch: item.Batch, Waiting: item.Waiting}
		if item.Code != "" {
			answers[i] = door.Answer{Refusal: &admission.Refusal{Code: item.Code, Reason: item.Reason}}
		}
	}
	return answers, nil
}

// Submit passes transactions of a follower's clients on to validators, and returns what they answered to each. An error says
// that no validator took any; p2p.ErrNotConnected that none could be reached.
func (c *Client) Submit(ctx context.Context, txs [][]byte) ([]door.Answer, error) {
	var all []door.Answer
	for len(all) < len(txs) {
		rest := txs[len(all):]
		n, size := 0, 0
		for n < min(len(rest), maxSubmitTxs) && size+len(rest[n]) < MaxSubmitBytes-MaxSubmitBytes/8 {
			size += len(rest[n])
			n++
		}
		answers, err := c.passTxs(ctx, rest[:n])
		switch {
		case err != nil && len(all) == 0:
			return nil, err
		case err != nil:
			busy := door.Answer{Refusal: &admission.Refusal{Code: admission.CodeFull, Reason: err.Error()}}
			return append(all, slices.Repeat([]door.Answer{busy}, len(rest))...), nil
		}
		all = append(all, answers...)
	}
	return all, nil
}

// connectWait is how long transactions wait for a validator to be connected, as after a start.
const connectWait = 5 * time.Second

// passTxs hands some transactions to a validator. If one does not answer, the next is tried: a transaction may then be in
// two batches, and its nonce lets it execute once.
func (c *Client) passTxs(ctx context.Context, txs [][]byte) ([]door.Answer, error) {
	for began := time.Now(); ; {
		answers, err := c.tryValidators(ctx, txs)
		if !errors.Is(err, p2p.ErrNotConnected) || ctx.Err() != nil || time.Since(began) > connectWait {
			return answers, err
		}
		if err := Pause(ctx, 50*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// tryValidators asks one validator after the other until none of the transactions lacks room.
func (c *Client) tryValidators(ctx context.Context, txs [][]byte) ([]door.Answer, error) {
	start := int(time.Now().UnixNano() % int64(c.committee.Size()))
	answers, open := make([]door.Answer, len(txs)), make([]int, len(txs))
	for i := range open {
		open[i] = i
	}
	answered := false
	var failures error
	for i := 0; i < c.committee.Size() && len(open) > 0; i++ {
		m := c.committee.Members[(start+i)%c.committee.Size()]
		found, err := c.askToTake(ctx, m.PeerID, txs, open)
		var refused *p2p.RemoteError
		if !answered && (ctx.Err() != nil || errors.As(err, &refused) && refused.Code == p2p.CodeInvalid) {
			return nil, err
		}
		if err != nil {
			failures = errors.Join(failures, fmt.Errorf("validator %q: %w", m.Name, err))
			continue
		}
		answered = true
		var full []int
		for i, place := range open {
			answers[place] = found[i]
			if r := found[i].Refusal; r != nil && r.Code == admission.CodeFull {
				full = append(full, place)
			}
		}
		open = full
	}
	if !answered {
		return nil, fmt.Errorf("no validator took the transactions: %w", failures)
	}
	return answers, nil
}

// askToTake asks a validator to take the transactions at some places.
func (c *Client) askToTake(ctx context.Context, peer string, txs [][]byte, places []int) ([]door.Answer, error) {
	some := make([][]byte, len(places))
	for i, place := range places {
		some[i] = txs[place]
	}
	answer, err := c.call(ctx, peer, ProtocolSubmit, remora.Encode(ListAnswer{Items: some}), MaxAnswer)
	if err != nil {
		return nil, err
	}
	return decodeAnswers(answer, len(some))
}

// Pause waits, at most until the context ends.
func Pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
