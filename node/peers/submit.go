package peers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/head"
	"github.com/remora-network/remora/node/p2p"
	"github.com/remora-network/remora/state"
)

// SubmitServer takes the transactions that followers pass on to a validator.
type SubmitServer struct {
	Head    *head.Head
	Machine *state.Machine
	Submit  func(ctx context.Context, txs [][]byte) ([]remora.Hash, error)
}

// Handlers returns the request that passes transactions on.
func (s *SubmitServer) Handlers() map[string]p2p.Handler {
	return map[string]p2p.Handler{ProtocolSubmit: s.serveSubmit}
}

// serveSubmit admits transactions and answers with the digest of each one's batch, durable here. If one is not admitted,
// all are refused.
func (s *SubmitServer) serveSubmit(ctx context.Context, _ string, request []byte) ([]byte, error) {
	var r ListAnswer
	if err := remora.Decode(request, MaxSubmitBytes, &r); err != nil {
		return nil, &p2p.RemoteError{Code: p2p.CodeInvalid, Message: err.Error()}
	}
	view := s.Head.Newest()
	defer view.Release() //nolint:errcheck // the engine reports what freeing a snapshot may fail with
	verifier := exec.NewVerifier()
	for _, raw := range r.Items {
		if err := s.Machine.Admit(view.View, raw, verifier); err != nil {
			return nil, &p2p.RemoteError{Code: p2p.CodeInvalid, Message: err.Error()}
		}
	}
	digests, err := s.Submit(ctx, r.Items)
	if err != nil {
		return nil, &p2p.RemoteError{Code: p2p.CodeBusy, Message: err.Error()}
	}
	items := make([][]byte, len(digests))
	for i := range digests {
		items[i] = digests[i][:]
	}
	return encodeItems(items), nil
}

// Submit passes transactions of a follower's clients on to validators. It returns the batches that took the transactions, durable at the validators that answered. On failure it returns
// those of the first transactions, up to the failure. p2p.ErrNotConnected says that no validator could be reached.
func (c *Client) Submit(ctx context.Context, txs [][]byte) ([]remora.Hash, error) {
	var taken []remora.Hash
	for len(txs) > 0 {
		n, size := 0, 0
		for n < len(txs) && size+len(txs[n]) < MaxSubmitBytes-MaxSubmitBytes/8 {
			size += len(txs[n])
			n++
		}
		digests, err := c.passTxs(ctx, txs[:n])
		taken = append(taken, digests...)
		if err != nil {
			return taken, err
		}
		txs = txs[n:]
	}
	return taken, nil
}

// connectWait is how long transactions wait for a validator to be connected, as after a start.
const connectWait = 5 * time.Second

// passTxs hands some transactions to a validator. If one does not answer, the next is tried: a transaction may then be in
// two batches, and its nonce lets it execute once.
func (c *Client) passTxs(ctx context.Context, txs [][]byte) ([]remora.Hash, error) {
	request := remora.Encode(ListAnswer{Items: txs})
	for began := time.Now(); ; {
		digests, err := c.tryValidators(ctx, request, len(txs))
		if !errors.Is(err, p2p.ErrNotConnected) || ctx.Err() != nil || time.Since(began) > connectWait {
			return digests, err
		}
		if err := Pause(ctx, 50*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

func (c *Client) tryValidators(ctx context.Context, request []byte, count int) ([]remora.Hash, error) {
	start := int(time.Now().UnixNano() % int64(c.committee.Size()))
	var failures error
	for i := range c.committee.Size() {
		m := c.committee.Members[(start+i)%c.committee.Size()]
		answer, err := c.call(ctx, m.PeerID, ProtocolSubmit, request, MaxAnswer)
		if err == nil {
			return decodeDigests(answer, count)
		}
		var refused *p2p.RemoteError
		if ctx.Err() != nil || errors.As(err, &refused) && refused.Code == p2p.CodeInvalid {
			return nil, err
		}
		failures = errors.Join(failures, fmt.Errorf("validator %q: %w", m.Name, err))
	}
	return nil, fmt.Errorf("no validator took the transactions: %w", failures)
}

func decodeDigests(answer []byte, want int) ([]remora.Hash, error) {
	items, err := DecodeItems(answer)
	if err != nil {
		return nil, err
	}
	if len(items) != want {
		return nil, fmt.Errorf("%w: %d digests for %d transactions", remora.ErrInvalid, len(items), want)
	}
	digests := make([]remora.Hash, want)
	for i, item := range items {
		if len(item) != remora.HashSize {
			return nil, fmt.Errorf("%w: digest of %d bytes", remora.ErrInvalid, len(item))
		}
		digests[i] = remora.Hash(item)
	}
	return digests, nil
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
