package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/ed25519"
)

const (
	// staleTries bounds the attempts to send a transaction whose nonce other transactions use first, or that expires on its way.
	staleTries = 8
	// takenTries bounds the attempts to find a nonce that no transaction at the node waits with. With the pauses between them
	// they take about ten seconds.
	takenTries = 64
	takenPause = 10 * time.Millisecond // grows with each attempt
)

// errNonceTaken says that another transaction which waits at the node has the nonce.
var errNonceTaken = errors.New("the nonce is taken by a transaction that waits at the node")

// A transaction is valid for eight epochs, and for five minutes of block time if these are longer: what was refused or lost dies,
// and what is on its way does not expire, whether epochs take a second or a day.
const (
	validEpochs = 8
	validTime   = 5 * time.Minute
)

// Sent is a submitted transaction, with its execution if the caller waited for it.
type Sent struct {
	Hash  remora.Hash
	Batch remora.Hash
	Tx    *Tx // nil without waiting, and if it was not executed in time
}

// Transfer sends amount from key's account to another. With wait it returns when the transfer is executed; if execution
// rejected it, a *remora.Rejection comes with the *Sent.
func (c *Client) Transfer(ctx context.Context, key *ed25519.PrivateKey, to remora.Address, amount remora.Amount, wait bool) (*Sent, error) {
	return c.Send(ctx, key, Draft{Kind: remora.KindTransfer, Body: remora.Transfer{To: to, Amount: amount}}, wait)
}

// Draft is a transaction before it has a nonce, a last epoch, a fee and a signature.
type Draft struct {
	Kind     remora.Kind
	Body     any           // such as remora.Transfer
	Fee      remora.Amount // zero: the minimum of the chain
	ValidFor time.Duration // of block time, at least
}

// Send signs a draft with an unused nonce and submits it; it is valid for as long as ctx may wait. If another transaction uses
// the nonce first, or the transaction expires, Send signs the draft again, at submission and, with wait, at execution: a
// transaction that is rejected for its nonce or its last epoch has no effect.
func (c *Client) Send(ctx context.Context, key *ed25519.PrivateKey, draft Draft, wait bool) (*Sent, error) {
	genesis, err := c.Genesis(ctx)
	if err != nil {
		return nil, err
	}
	if deadline, limited := ctx.Deadline(); limited {
		draft.ValidFor = max(draft.ValidFor, time.Until(deadline))
	}
	for stale, taken := 0, 0; ; {
		sent, err := c.sendDraft(ctx, key, genesis, draft, wait)
		switch {
		case CodeOf(err) == remora.CodeNonceUsed.String(), CodeOf(err) == remora.CodeExpired.String():
			stale++
		case errors.Is(err, errNonceTaken):
			taken++
			if pauseErr := pause(ctx, time.Duration(min(taken, 20))*takenPause); pauseErr != nil {
				return sent, errors.Join(err, pauseErr)
			}
		default:
			return sent, err
		}
		if stale == staleTries || taken == takenTries {
			return sent, err
		}
	}
}

// pause waits, at most until the context ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *Client) sendDraft(ctx context.Context, key *ed25519.PrivateKey, g *remora.Genesis, draft Draft, wait bool) (*Sent, error) {
	nonce, err := c.Nonce(ctx, key.Public())
	if err != nil {
		return nil, err
	}
	raw := Sign(key, g, draft, *nonce)
	batch, err := c.sendOnce(ctx, raw)
	if err != nil {
		return nil, err
	}
	sent := &Sent{Hash: remora.TxHash(raw), Batch: batch}
	if !wait {
		return sent, nil
	}
	tx, err := c.WaitTx(ctx, sent.Hash, batch)
	if err != nil {
		return sent, fmt.Errorf("transaction %s was submitted; waiting for its execution: %w", sent.Hash, err)
	}
	sent.Tx = tx
	return sent, tx.Err()
}

// sendOnce submits a transaction that nobody submitted before: equal bytes that wait at the node are another sender's, who
// was handed the same nonce.
func (c *Client) sendOnce(ctx context.Context, raw []byte) (remora.Hash, error) {
	s, err := c.SendTxs(ctx, [][]byte{raw})
	switch {
	case err != nil:
		return remora.Hash{}, err
	case len(s.Rejected) > 0 && s.Rejected[0].Code == CodeNoncePending:
		return remora.Hash{}, fmt.Errorf("%w: %w", errNonceTaken, s.Rejected[0].Err())
	case len(s.Rejected) > 0:
		return remora.Hash{}, s.Rejected[0].Err()
	case len(s.Waiting) > 0:
		return remora.Hash{}, fmt.Errorf("%w: %w", errNonceTaken, &Error{Code: CodeNoncePending, Message: "another sender submitted the same transaction"})
	}
	return s.Batches[s.Tx[0]], nil
}

// Sign returns the signed bytes of a draft with a nonce, valid from the epoch that came with it.
func Sign(key *ed25519.PrivateKey, g *remora.Genesis, draft Draft, at Nonce) []byte {
	tx := remora.Tx{
		Kind: draft.Kind, ChainID: g.ChainID, From: key.Public(), Nonce: at.Nonce, Fee: draft.Fee, Body: remora.Encode(draft.Body),
		ValidUntil: at.Epoch + epochsIn(max(draft.ValidFor, validTime), &g.Params),
	}
	if tx.Fee == 0 {
		tx.Fee = g.Params.FeeOf(&tx)
	}
	message := tx.Message(g.Domain())
	tx.Signature = key.Sign(message[:])
	return remora.Encode(&tx)
}

// epochsIn returns how many epochs may end within a time, at least validEpochs. An epoch that has begun counts.
func epochsIn(d time.Duration, p *remora.Params) remora.Epoch {
	ended := remora.Millis(d.Milliseconds())/max(p.EpochMillis, 1) + 1
	return max(remora.Epoch(ended), validEpochs)
}
