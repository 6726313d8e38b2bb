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
		return s.findInBatch(hash, batch)
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
	if batch.IsZero() {
		return false, nil
	}
	height, done, err := s.Store.BatchHeight(batch)
	return done && height <= s.Head.Tip().Height, err
}

// findInBatch finds a transaction in an executed batch. Its place among the block's results follows from the batches
// before it.
func (s *Server) findInBatch(hash, batch remora.Hash) (*client.Tx, error) {
	height, _, err := s.Store.BatchHeight(batch)
	if err != nil {
		return nil, err
	}
	block, err := s.Store.Block(height)
	if err != nil {
		return nil, err
	}
	position := 0
	for _, digest := range block.Batches {
		raw, err := s.Store.Batch(digest)
		if err != nil {
			return nil, err
		}
		parsed, err := remora.ParseBatch(raw)
		if err != nil {
			return nil, fmt.Errorf("%w: batch %s: %v", remora.ErrCorrupt, digest, err)
		}
		if digest != batch {
			position += parsed.Count
			continue
		}
		for i, tx := range parsed.Txs() {
			if remora.TxHash(tx) == hash {
				return txDocument(block, hash, position+i)
			}
		}
		break
	}
	return nil, notFound("transaction %s is not in batch %s", hash, batch)
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
	doc, err := s.submitValid(r.Context(), txs)
	if err != nil {
		return err
	}
	extendDeadline(w, writeTimeout)
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
	sent, err := s.submitValid(ctx, txs)
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

// submitValid checks each transaction against the newest state and submits the valid ones. It returns when they are durable.
func (s *Server) submitValid(ctx context.Context, txs [][]byte) (*client.Submitted, error) {
	good, refusals, err := s.admitTxs(ctx, txs)
	if err != nil {
		return nil, err
	}
	var digests []remora.Hash
	if len(good) > 0 {
		if !s.submitting.TryAcquire(1) {
			return nil, ErrBusy
		}
		defer s.submitting.Release(1)
		digests, err = s.Submitter.Submit(ctx, good)
		if err != nil && (len(digests) == 0 || !errors.Is(err, ErrBusy)) {
			return nil, err
		}
	}
	return submittedDocument(len(txs), digests, refusals), nil
}

// admitTxs returns the valid transactions, and the reasons to reject the others by ascending index.
func (s *Server) admitTxs(ctx context.Context, txs [][]byte) ([][]byte, []client.Rejected, error) {
	view := s.Head.Newest()
	defer view.Release()
	good := make([][]byte, 0, len(txs))
	var refused []client.Rejected
	for i, tx := range txs {
		err := s.Admit(view.View, tx)
		if err == nil {
			good = append(good, tx)
			continue
		}
		var rejection *remora.Rejection
		if !errors.As(err, &rejection) {
			return nil, nil, err
		}
		refused = append(refused, client.Rejected{Index: i, Code: rejection.Code.String(), Message: rejection.Reason})
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
	}
	return good, refused, nil
}

// submittedDocument merges the digests of the submitted transactions with the reasons to reject others. Valid transactions
// beyond the digests found no room.
func submittedDocument(count int, digests []remora.Hash, refused []client.Rejected) *client.Submitted {
	doc := &client.Submitted{Batches: []remora.Hash{}, Tx: make([]int, count), Rejected: make([]client.Rejected, 0, len(refused))}
	places := map[remora.Hash]int{}
	for i := range doc.Tx {
		doc.Tx[i] = -1
		if len(refused) > 0 && refused[0].Index == i {
			doc.Rejected = append(doc.Rejected, refused[0])
			refused = refused[1:]
			continue
		}
		if len(digests) == 0 {
			doc.Rejected = append(doc.Rejected, client.Rejected{Index: i, Code: client.CodeServerBusy, Message: ErrBusy.Error()})
			continue
		}
		place, known := places[digests[0]]
		if !known {
			place = len(doc.Batches)
			places[digests[0]] = place
			doc.Batches = append(doc.Batches, digests[0])
		}
		doc.Tx[i] = place
		digests = digests[1:]
	}
	return doc
}
