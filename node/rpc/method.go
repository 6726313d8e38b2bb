package rpc

import (
	"context"
	"encoding/hex"
	"encoding/json"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/client/strict"
)

// method answers a JSON-RPC call with a document.
type method func(ctx context.Context, s *Server, params json.RawMessage) (any, error)

// Parameters by name. Required ones are pointers, so that an absent one differs from zero.
type (
	noParams    struct{}
	heightParam struct {
		Height *remora.Height `json:"height"`
	}
	proofParams struct {
		Height *remora.Height `json:"height"`
		WaitMS int64          `json:"wait_ms"`
	}
	accountParams struct {
		Address *remora.Address `json:"address"`
		Prove   bool            `json:"prove"`
	}
	nonceParams struct {
		Address *remora.Address `json:"address"`
	}
	sendParams struct {
		Txs []string `json:"txs"` // hexadecimal
	}
	txParams struct {
		Hash  *remora.Hash `json:"hash"`
		Batch remora.Hash  `json:"batch"`
	}
	waitParams struct {
		txParams
		TimeoutMS *int64 `json:"timeout_ms"`
	}
	listParams struct {
		After *remora.Address `json:"after"`
		Limit *int            `json:"limit"`
	}
	nodeParams struct {
		Name    string          `json:"name"`
		Address *remora.Address `json:"address"`
	}
)

// methods names the methods of JSON-RPC. openapi.json describes each.
func methods() map[string]method {
	return map[string]method{
		"status":        with(func(_ context.Context, s *Server, _ noParams) (any, error) { return s.status() }),
		"genesis":       with(func(_ context.Context, s *Server, _ noParams) (any, error) { return s.genesis, nil }),
		"block":         with(rpcBlock),
		"block.proof":   with(rpcBlockProof),
		"account":       with(rpcAccount),
		"account.nonce": with(rpcNonce),
		"tx.send":       with(rpcSend),
		"tx.get":        with(rpcTx),
		"tx.wait":       with(rpcWait),
		"node":          with(rpcNode),
		"node.list":     with(rpcNodes),
		"session":       with(rpcSession),
		"session.list":  with(rpcSessions),
		"claim.list":    with(rpcClaims),
	}
}

// with decodes the parameters of a method: an object with known names only, or nothing.
func with[P any](f func(context.Context, *Server, P) (any, error)) method {
	return func(ctx context.Context, s *Server, raw json.RawMessage) (any, error) {
		var p P
		if raw != nil {
			if raw[0] != '{' {
				return nil, errParams("want an object: parameters go by name")
			}
			if err := strict.Decode(raw, &p); err != nil {
				return nil, errParams("%v", err)
			}
		}
		return f(ctx, s, p)
	}
}

func rpcBlock(_ context.Context, s *Server, p heightParam) (any, error) {
	if p.Height == nil {
		return nil, errParams("height is missing")
	}
	return s.block(*p.Height)
}

func rpcBlockProof(ctx context.Context, s *Server, p proofParams) (any, error) {
	if p.Height == nil {
		return nil, errParams("height is missing")
	}
	wait, err := checkWait(p.WaitMS)
	if err != nil {
		return nil, err
	}
	return s.blockProof(ctx, *p.Height, wait)
}

func rpcAccount(ctx context.Context, s *Server, p accountParams) (any, error) {
	switch {
	case p.Address == nil:
		return nil, errParams("address is missing")
	case p.Prove:
		return s.accountProof(ctx, *p.Address)
	}
	return s.account(*p.Address)
}

func rpcNonce(_ context.Context, s *Server, p nonceParams) (any, error) {
	if p.Address == nil {
		return nil, errParams("address is missing")
	}
	return s.nonce(*p.Address)
}

// sentTx is the answer about one transaction of tx.send: the batch that took it, or why none did.
type sentTx struct {
	Hash  remora.Hash  `json:"hash"`
	Batch *remora.Hash `json:"batch,omitempty"`
	Error *errorBody   `json:"error,omitempty"`
}

func rpcSend(ctx context.Context, s *Server, p sendParams) (any, error) {
	if len(p.Txs) == 0 || len(p.Txs) > client.MaxSubmitTxs {
		return nil, errParams("%d transactions, want 1 to %d", len(p.Txs), client.MaxSubmitTxs)
	}
	txs := make([][]byte, len(p.Txs))
	for i, text := range p.Txs {
		raw, err := hex.DecodeString(text)
		if err != nil {
			return nil, errParams("transaction %d: %v", i, err)
		}
		txs[i] = raw
	}
	sent, err := s.submit(ctx, txs)
	if err != nil {
		return nil, err
	}
	results := make([]sentTx, len(txs))
	for i, raw := range txs {
		results[i].Hash = remora.TxHash(raw)
		if place := sent.Tx[i]; place >= 0 {
			results[i].Batch = &sent.Batches[place]
		}
	}
	for _, r := range sent.Rejected {
		results[r.Index].Error = &errorBody{Code: r.Code, Message: r.Message}
	}
	return map[string][]sentTx{"results": results}, nil
}

func rpcTx(ctx context.Context, s *Server, p txParams) (any, error) {
	if p.Hash == nil {
		return nil, errParams("hash is missing")
	}
	return s.awaitTx(ctx, *p.Hash, p.Batch, 0)
}

func rpcWait(ctx context.Context, s *Server, p waitParams) (any, error) {
	if p.Hash == nil {
		return nil, errParams("hash is missing")
	}
	wait := maxWait
	if p.TimeoutMS != nil {
		var err error
		if wait, err = checkWait(*p.TimeoutMS); err != nil {
			return nil, err
		}
	}
	return s.awaitTx(ctx, *p.Hash, p.Batch, wait)
}

func rpcNode(_ context.Context, s *Server, p nodeParams) (any, error) {
	switch {
	case (p.Name == "") == (p.Address == nil):
		return nil, errParams("want name or address")
	case p.Address != nil:
		return s.node(p.Address.String())
	}
	return s.node(p.Name)
}

func rpcNodes(_ context.Context, s *Server, p listParams) (any, error) {
	limit := defaultPage
	if p.Limit != nil {
		limit = *p.Limit
	}
	return s.nodes(p.After, limit)
}
