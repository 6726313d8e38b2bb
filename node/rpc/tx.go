package rpc

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/door"
	"github.com/remora-network/remora/node/web"
)

func (s *Server) readTx(ctx context.Context, q client.TxQuery) (*client.Tx, error) {
	return s.awaitTx(ctx, q.Hash, q.Batch, milliseconds(q.WaitMS))
}

func (s *Server) waitTx(ctx context.Context, q client.WaitTxQuery) (*client.Tx, error) {
	return s.awaitTx(ctx, q.Hash, q.Batch, milliseconds(q.TimeoutMS))
}

// awaitTx waits until a transaction is executed and returns the place. A transaction without signature is found by its
// batch, which is nil for others.
func (s *Server) awaitTx(ctx context.Context, hash remora.Hash, in *remora.Hash, wait time.Duration) (*client.Tx, error) {
	var batch remora.Hash
	if in != nil {
		batch = *in
	}
	found, err := s.waitUntil(ctx, wait, func() (bool, error) { return s.isExecuted(hash, batch) })
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, notFound("transaction %s is not executed; one without signature is found by its batch only", hash)
	}
	place, err := s.Store.Tx(hash)
	if errors.Is(err, remora.ErrNotFound) {
		return s.findUnpaid(ctx, hash, batch)
	}
	if err != nil {
		return nil, err
	}
	block, err := s.Store.Block(place.Height)
	if err != nil {
		return nil, err
	}
	return txDocument(block, hash, int(place.Position))
}

func txDocument(block *remora.Block, hash remora.Hash, position int) (*client.Tx, error) {
	if position >= len(block.Results) {
		return nil, fmt.Errorf("%w: transaction %s is at place %d of %d", remora.ErrCorrupt, hash, position, len(block.Results))
	}
	return &client.Tx{
		Hash: hash, Height: block.Header.Height, Position: position,
		Result: remora.Code(block.Results[position]), Time: block.Header.Time,
	}, nil
}

// isExecuted reports whether reads see the effects of a transaction: its block is durable a moment before the view after
// it is published.
func (s *Server) isExecuted(hash, batch remora.Hash) (bool, error) {
	place, err := s.Store.Tx(hash)
	if err == nil || !errors.Is(err, remora.ErrNotFound) {
		return err == nil && place.Height <= s.Head.Tip().Height, err
	}
	if _, ended := s.Door.Executed(hash); ended {
		return true, nil
	}
	if batch.IsZero() {
		return false, nil
	}
	height, done, err := s.Store.BatchHeight(batch)
	return done && height <= s.Head.Tip().Height, err
}

// findUnpaid finds a transaction for which nobody was charged: one that came in here, or one in a named batch.
func (s *Server) findUnpaid(ctx context.Context, hash, batch remora.Hash) (*client.Tx, error) {
	outcome, ended := s.Door.Executed(hash)
	switch {
	case !ended:
		return s.findInBatch(ctx, hash, batch)
	case outcome.Refusal != nil:
		return nil, newError(http.StatusUnprocessableEntity, outcome.Refusal.Code, "%s", outcome.Refusal.Reason)
	}
	block, err := s.Store.Block(outcome.Height)
	if err != nil {
		return nil, err
	}
	return txDocument(block, hash, outcome.Position)
}

// serveSubmit accepts transactions in binary, each after its length as four bytes, big endian.
func (s *Server) serveSubmit(w http.ResponseWriter, r *http.Request) error {
	body, refused := readBody(w, r, client.MaxSubmitBytes, "application/octet-stream")
	if refused != nil {
		return refused
	}
	txs, refused := splitFrames(body)
	if refused != nil {
		return refused
	}
	doc, err := s.submitTxs(r.Context(), txs)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, doc)
	return nil
}

// sendTxs accepts transactions in hexadecimal.
func (s *Server) sendTxs(ctx context.Context, q client.SendQuery) (*client.SentTxs, error) {
	if len(q.Txs) == 0 || len(q.Txs) > client.MaxSubmitTxs {
		return nil, badRequest("%d transactions, want 1 to %d", len(q.Txs), client.MaxSubmitTxs)
	}
	txs := make([][]byte, len(q.Txs))
	for i, tx := range q.Txs {
		txs[i] = tx
	}
	sent, err := s.submitTxs(ctx, txs)
	if err != nil {
		return nil, err
	}
	results := make([]client.SentTx, len(txs))
	for i, tx := range txs {
		results[i].Hash = remora.TxHash(tx)
		if place := sent.Tx[i]; place >= 0 {
			results[i].Batch = &sent.Batches[place]
		}
	}
	for _, i := range sent.Waiting {
		results[i].Waiting = true
	}
	for _, r := range sent.Rejected {
		results[r.Index].Error = &client.ErrorBody{Code: r.Code, Message: r.Message}
	}
	return &client.SentTxs{Results: results}, nil
}

// splitFrames splits a body into transactions, which are slices of it.
func splitFrames(body []byte) ([][]byte, *client.Error) {
	if len(body) == 0 {
		return nil, badRequest("the body holds no transactions")
	}
	var txs [][]byte
	for rest := body; len(rest) > 0; {
		if len(txs) == client.MaxSubmitTxs {
			return nil, tooLarge("more than %d transactions in one request", client.MaxSubmitTxs)
		}
		if len(rest) < client.FrameOverhead {
			return nil, badRequest("%d bytes after transaction %d", len(rest), len(txs))
		}
		size := int64(binary.BigEndian.Uint32(rest))
		rest = rest[client.FrameOverhead:]
		if size > int64(len(rest)) {
			return nil, badRequest("transaction %d claims %d bytes, %d are left", len(txs), size, len(rest))
		}
		if txs == nil {
			txs = make([][]byte, 0, min(len(body)/(client.FrameOverhead+int(size))+1, client.MaxSubmitTxs))
		}
		txs = append(txs, rest[:size:size])
		rest = rest[size:]
	}
	return txs, nil
}

// submitTxs has the transactions of a request admitted, and returns when those that were are durable.
func (s *Server) submitTxs(ctx context.Context, txs [][]byte) (*client.Submitted, error) {
	answers, err := s.Door.Submit(ctx, web.ClientOf(ctx).Owner(), txs)
	if err != nil {
		return nil, err
	}
	return submittedDocument(answers), nil
}

// submittedDocument lists batches, waiting transactions and refusals.
func submittedDocument(answers []door.Answer) *client.Submitted {
	doc := &client.Submitted{Batches: []remora.Hash{}, Tx: make([]int, len(answers)), Waiting: []int{}, Rejected: []client.Rejected{}}
	places := map[remora.Hash]int{}
	for i, a := range answers {
		if a.Refusal != nil {
			doc.Tx[i] = -1
			doc.Rejected = append(doc.Rejected, client.Rejected{Index: i, Code: a.Refusal.Code, Message: a.Refusal.Reason})
			continue
		}
		place, known := places[a.Batch]
		if !known {
			place = len(doc.Batches)
			places[a.Batch] = place
			doc.Batches = append(doc.Batches, a.Batch)
		}
		doc.Tx[i] = place
		if a.Waiting {
			doc.Waiting = append(doc.Waiting, i)
		}
	}
	return doc
}
