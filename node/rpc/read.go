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

// readStatus answers from one view, so that height, epoch and root are of the same block.
func (s *Server) readStatus(context.Context, client.None) (*client.Status, error) {
	own := s.Status()
	view := s.Head.Newest()
	defer view.Release()
	doc := &client.Status{
		ChainID: s.Genesis.ChainID, Genesis: s.origin,
		Node: own.Name, Roles: own.Roles.String(), Version: own.Version,
		Height: view.Tip.Height, Hash: view.Tip.Hash, Time: view.Tip.Time,
		Term: s.committee.Term, Round: own.Round,
		StateRoot: view.Tree.Root(), CommitteeSize: s.committee.Size(), Peers: own.Peers, Synced: own.Synced,
		Observer: own.Observer != "", ObserverReason: own.Observer,
	}
	var err error
	if doc.Epoch, err = epochOfView(view); err != nil {
		return nil, err
	}
	doc.CertifiedHeight, err = s.certifiedHeight(view.Tip.Height)
	return doc, err
}

// epochOfView returns the epoch of the view's block, before the first block that of the genesis.
func epochOfView(view *head.View) (remora.Epoch, error) {
	if view.Block != nil {
		return view.Block.Header.Epoch, nil
	}
	epoch, err := registry.GetEpoch(view.Tables)
	return epoch.Number, err
}

// certifiedSearch bounds the blocks below the newest that are searched for a certificate after a start.
const certifiedSearch = 256

// certifiedHeight returns the highest certified height, at most newest.
func (s *Server) certifiedHeight(newest remora.Height) (remora.Height, error) {
	if view, ok := s.Head.Certified(); ok {
		defer view.Release()
		return min(view.Tip.Height, newest), nil
	}
	for h := newest; h > 0 && newest-h < certifiedSearch; h-- {
		certificate, err := s.Store.BlockCertificate(h)
		if certificate != nil || err != nil {
			return h, err
		}
	}
	return 0, nil
}

func (s *Server) readGenesis(context.Context, client.None) (*remora.Genesis, error) {
	return s.Genesis, nil
}

func (s *Server) readBlock(_ context.Context, q client.BlockQuery) (*client.Block, error) {
	h := q.Height
	if h == 0 {
		return nil, notFound("height 0 is the genesis; blocks start at 1")
	}
	block, err := s.Store.Block(h)
	if err != nil {
		return nil, err
	}
	certificate, err := s.Store.BlockCertificate(h)
	if err != nil {
		return nil, err
	}
	header := &block.Header
	doc := &client.Block{
		Version: header.Version, ChainID: header.ChainID,
		Height: header.Height, Epoch: header.Epoch, Term: header.Term, Time: header.Time,
		Hash: header.Hash(), Parent: header.Parent, SubDAG: header.SubDAG,
		TxRoot: header.TxRoot, ResultsRoot: header.ResultsRoot, StateRoot: header.StateRoot,
		Beacon: client.Seed{Step: header.Beacon.Step, Hash: header.Beacon.Hash},
		Txs:    len(block.Results), Results: map[string]int{}, Batches: emptyIfNil(block.Batches),
		Headers: len(block.DAG), Leader: s.memberName(block.DAG[len(block.DAG)-1].Author),
		Certificate: s.certificateDocument(certificate),
	}
	if !header.NextCommittee.IsZero() {
		doc.NextCommittee = &header.NextCommittee
	}
	for _, code := range block.Results {
		doc.Results[remora.Code(code).String()]++
	}
	return doc, nil
}

func emptyIfNil(hashes []remora.Hash) []remora.Hash {
	if hashes == nil {
		return []remora.Hash{}
	}
	return hashes
}

func (s *Server) memberName(a remora.Authority) string {
	if !s.committee.Has(a) {
		return ""
	}
	return s.committee.Members[a].Name
}

func (s *Server) certificateDocument(c *remora.BlockCertificate) *client.Certificate {
	if c == nil || c.Signers.Check(s.committee.Size()) != nil {
		return nil
	}
	doc := &client.Certificate{Signers: []string{}, Stake: s.committee.StakeOf(c.Signers), Quorum: s.committee.Quorum()}
	for a := range c.Signers.Members() {
		doc.Signers = append(doc.Signers, s.memberName(a))
	}
	return doc
}

func milliseconds(n uint64) time.Duration { return time.Duration(n) * time.Millisecond }

// waitUntil waits until ready holds, for at most wait; then it returns false. It fails when too many requests wait.
func (s *Server) waitUntil(ctx context.Context, wait time.Duration, ready func() (bool, error)) (bool, error) {
	ok, err := ready()
	if ok || err != nil || wait <= 0 {
		return ok, err
	}
	if !s.waiting.acquireSlot() {
		return false, serverBusy("%d requests are waiting already", maxWaiting)
	}
	defer s.waiting.releaseSlot()
	limited, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	err = s.Head.Until(limited, func() (bool, error) {
		ok, err = ready()
		return ok, err
	})
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return false, nil
	}
	return ok, err
}

// awaitCertificate returns the certificate of a block, waiting for it.
func (s *Server) awaitCertificate(ctx context.Context, h remora.Height, wait time.Duration) (*remora.BlockCertificate, error) {
	if h == 0 {
		return nil, notFound("height 0 is the genesis; blocks start at 1")
	}
	var certificate *remora.BlockCertificate
	found, err := s.waitUntil(ctx, wait, func() (bool, error) {
		var err error
		certificate, err = s.Store.BlockCertificate(h)
		return certificate != nil && h <= s.Store.Height(), err
	})
	if err == nil && !found {
		if newest := s.Store.Height(); h > newest {
			return nil, notFound("block %d: the newest is %d", h, newest)
		}
		err = notCertified("no certificate of block %d has formed yet", h)
	}
	return certificate, err
}

func notCertified(format string, args ...any) *client.Error {
	return newError(409, client.CodeNotCertified, format, args...)
}

func (s *Server) proveBlock(ctx context.Context, q client.CertifiedQuery) (*light.BlockProof, error) {
	certificate, err := s.awaitCertificate(ctx, q.Height, milliseconds(q.WaitMS))
	if err != nil {
		return nil, err
	}
	block, err := s.Store.Block(q.Height)
	if err != nil {
		return nil, err
	}
	return light.ProveBlock(&block.Header, light.Certify(&block.Header, certificate, s.committee)), nil
}

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
	nonce, ok := s.nonces.reserveLowest(q.Address, &account)
	if !ok {
		return nil, serverBusy("every nonce that account %s can use is reserved: retry in some seconds", q.Address)
	}
	return &client.Nonce{Nonce: nonce}, nil
}
