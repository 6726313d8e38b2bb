package client

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net/http"

	"github.com/remora-network/remora"
)

// Limits of one submission.
const (
	MaxSubmitBytes = 4 << 20 // of the framed body
	MaxSubmitTxs   = 1 << 14
	FrameOverhead  = 4 // bytes before each transaction
)

// SendTxs submits transactions. Without an error, those that Submitted does not list as rejected are durable at the node.
// The error is ErrBusy if the node had no room for any.
func (c *Client) SendTxs(ctx context.Context, txs [][]byte) (*Submitted, error) {
	size := 0
	for _, tx := range txs {
		size += FrameOverhead + len(tx)
	}
	if size > MaxSubmitBytes || len(txs) > MaxSubmitTxs {
		return nil, fmt.Errorf("%w: %d transactions of %d bytes in one submission, at most %d and %d",
			remora.ErrTooLarge, len(txs), size, MaxSubmitTxs, MaxSubmitBytes)
	}
	body := make([]byte, 0, size)
	for _, tx := range txs {
		body = append(binary.BigEndian.AppendUint32(body, uint32(len(tx))), tx...)
	}
	return c.SendFramed(ctx, body, len(txs))
}

// SendFramed is SendTxs for a body of count framed transactions, each after its length as four bytes, big endian.
func (c *Client) SendFramed(ctx context.Context, body []byte, count int) (*Submitted, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+"/v1/txs", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/octet-stream")
	answer, err := c.sendRequest(ctx, r)
	if err != nil {
		return nil, err
	}
	b, err := readBody(answer, maxDocument)
	if err != nil {
		return nil, err
	}
	s := new(Submitted)
	if err := decodeAnswer(b, s); err != nil {
		return nil, err
	}
	return s, s.checkCount(count)
}

// checkCount checks that an answer is about count transactions, so that callers may index by it.
func (s *Submitted) checkCount(count int) error {
	if len(s.Tx) != count {
		return unusableAnswer("it is about %d transactions, %d were sent", len(s.Tx), count)
	}
	rejected := 0
	for _, place := range s.Tx {
		if place < -1 || place >= len(s.Batches) {
			return unusableAnswer("batch %d of %d", place, len(s.Batches))
		}
		if place == -1 {
			rejected++
		}
	}
	if rejected != len(s.Rejected) {
		return unusableAnswer("%d transactions were rejected, %d with a reason", rejected, len(s.Rejected))
	}
	for _, i := range s.Waiting {
		if i < 0 || i >= count || s.Tx[i] == -1 {
			return unusableAnswer("transaction %d waits, which was not taken", i)
		}
	}
	last := -1
	for _, r := range s.Rejected {
		if r.Index <= last || r.Index >= count || s.Tx[r.Index] != -1 {
			return unusableAnswer("a reason for transaction %d, which was not rejected", r.Index)
		}
		last = r.Index
	}
	return nil
}

// SendTx submits one transaction and returns the batch that holds it. The error is a *remora.Rejection if the state
// machine would reject the transaction.
func (c *Client) SendTx(ctx context.Context, raw []byte) (batch remora.Hash, err error) {
	s, err := c.SendTxs(ctx, [][]byte{raw})
	if err != nil {
		return remora.Hash{}, err
	}
	if len(s.Rejected) > 0 {
		return remora.Hash{}, s.Rejected[0].Err()
	}
	return s.Batches[s.Tx[0]], nil
}
