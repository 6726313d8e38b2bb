package rpc

import (
	"context"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/head"
	"github.com/remora-network/remora/node/light"
	"github.com/remora-network/remora/state/ledger"
	"github.com/remora-network/remora/state/registry"
)

func (s *Server) readAccount(_ context.Context, q client.AccountQuery) (*client.Account, error) {
	view := s.Head.Newest()
	defer view.Release()
	account, exists, err := ledger.Get(view.Tables, q.Address)
	if err != nil {
		return nil, err
	}
	stake, err := ledger.Stake(view.Tables, q.Address)
	return &client.Account{
		Address: q.Address, Exists: exists, Balance: account.Balance, Nonce: account.Nonce(), Stake: stake,
		Height: view.Tip.Height, StateRoot: view.Tree.Root(),
	}, err
}

// proofWait bounds the time that an answer with proof waits for the first certificate after a start.
const proofWait = 5 * time.Second

func (s *Server) proveAccount(ctx context.Context, q client.AccountQuery) (*light.AccountProof, error) {
	var view *head.View
	found, err := s.waitUntil(ctx, proofWait, func() (ok bool, _ error) {
		view, ok = s.Head.Certified()
		return ok, nil
	})
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, notCertified("no certificate has formed since this node started")
	}
	defer view.Release()
	block, err := s.recentBlock(view.Tip.Height)
	if err != nil {
		return nil, err
	}
	certificate, err := s.Store.BlockCertificate(view.Tip.Height)
	if err != nil {
		return nil, err
	}
	if certificate == nil {
		return nil, notCertified("the certificate of block %d is not stored yet", view.Tip.Height)
	}
	return light.ProveAccount(view.View, light.Certify(&block.Header, certificate, s.committee), q.Address)
}

// reserveNonce reserves a nonce for a sender.
func (s *Server) reserveNonce(_ context.Context, q client.AddressQuery) (*client.Nonce, error) {
	view := s.Head.Newest()
	defer view.Release()
	account, exists, err := ledger.Get(view.Tables, q.Address)
	if err != nil {
		return nil, err
	}
	if !exists {
		return nil, remora.Reject(remora.CodeUnknownAccount, "account %s does not exist: the first transfer to it creates it", q.Address)
	}
	epoch, err := registry.GetEpoch(view.Tables)
	if err != nil {
		return nil, err
	}
	return &client.Nonce{Nonce: s.nonces.reserveNonce(q.Address, &account), Epoch: epoch.Number}, nil
}
