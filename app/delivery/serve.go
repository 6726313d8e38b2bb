package delivery

import (
	"bytes"
	"context"
	"errors"
	"log/slog"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/session"
	"github.com/remora-network/remora/app/store"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/proofs/content"
)

// Deliver answers a DeliveryRequest. The answer to a request that it refuses is a code; an error says that the request is
// malformed or that this node failed.
func (s *Service) Deliver(ctx context.Context, _ string, request []byte) ([]byte, error) {
	wire, err := transfer.DecodeDeliveryRequest(request)
	if err != nil {
		return nil, err
	}
	if err := s.slots.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer s.slots.Release(1)
	r := wire.ForSeller()
	answer, err := s.serveRequest(&r, wire.Range())
	var no *session.Refusal
	if errors.As(err, &no) {
		s.counts.refused.Add(1)
		head := transfer.DeliveryHead{Code: no.Code, Epoch: r.Epoch, Reason: no.Reason}
		return head.Encode(), nil
	}
	return answer, err
}

func (s *Service) serveRequest(r *session.Request, rng content.Range) ([]byte, error) {
	if err := s.journal.stopCause(); err != nil {
		return nil, err
	}
	if err := s.checkSession(r); err != nil {
		return nil, err
	}
	if err := s.verified.checkPass(r); err != nil {
		return nil, err
	}
	a, err := s.accounts.takeAccount(r.ID)
	if err != nil {
		return nil, err
	}
	defer s.accounts.leaveAccount(a)
	if err := s.admitRequest(r, a); err != nil {
		return nil, err
	}
	answer, err := s.encodeAnswer(r, rng)
	if err != nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.seller.TakeBack(r.Bytes)
		return nil, err
	}
	s.counts.delivered.Add(r.Bytes)
	return answer, nil
}

// checkSession looks up the request's session on the chain and checks it.
func (s *Service) checkSession(r *session.Request) (err error) {
	if r.Epoch, _, _, err = s.c.Chain.Epoch(); err != nil {
		return err
	}
	of, grant, found, err := s.c.Chain.Session(r.ID)
	if err != nil {
		return err
	}
	if found {
		r.Deal = session.Deal{
			Domain: s.c.Domain, Session: r.ID, Node: s.c.Self, Scheme: of.Scheme, Granted: grant.Granted, Expiry: of.Expiry,
		}
	}
	r.Verify = func(message remora.Hash, signature remora.BLSSignature) error {
		return s.verified.checkSignature(of.Key, message, signature)
	}
	return r.CheckSession()
}

// admitRequest passes the request to the session's books. No epoch is closed meanwhile.
func (s *Service) admitRequest(r *session.Request, a *account) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	s.journal.closing.RLock()
	defer s.journal.closing.RUnlock()
	r.Open = s.journal.open
	before := a.seller.Totals()
	err := a.seller.Admit(r)
	s.accounts.weighAccount(a)
	s.counts.acked.Add(a.seller.Totals().Acked - before.Acked)
	return err
}

// encodeAnswer encodes the answer in a single allocation.
func (s *Service) encodeAnswer(r *session.Request, rng content.Range) ([]byte, error) {
	head := transfer.DeliveryHead{Code: session.Delivered, Epoch: r.Epoch}
	encoded := head.Encode()
	if r.Bytes == 0 {
		return encoded, nil
	}
	size, err := content.StreamSize(r.Content.Length, rng)
	if err != nil {
		return nil, err
	}
	answer := bytes.NewBuffer(make([]byte, 0, uint64(len(encoded))+size))
	_, _ = answer.Write(encoded) // never fails
	err = s.c.Store.Stream(answer, r.Content.Root, rng)
	switch {
	case errors.Is(err, store.ErrDamaged):
		s.c.Logger.Error("content is damaged on disk; fetching it again", slog.String("root", r.Content.Root.String()), slog.Any("reason", err))
		return nil, session.Refuse(session.NotHeld, "content %s was damaged and is being fetched again", r.Content.Root)
	case errors.Is(err, remora.ErrNotFound): // removed meanwhile
		return nil, session.Refuse(session.NotHeld, "content %s was removed", r.Content.Root)
	}
	return answer.Bytes(), err
}
