package delivery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/store"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/crypto/bls"
	"github.com/remora-network/remora/proofs/content"
)

// order is a request with what the chain says of it.
type order struct {
	*transfer.DeliveryRequest
	epoch   remora.Epoch // the present one
	session remora.Session
	grant   remora.Grant
}

// refusal is an answer that refuses a request.
type refusal struct {
	code   transfer.DeliveryCode
	reason string
}

// Error returns the reason.
func (r *refusal) Error() string { return r.reason }

func refuse(code transfer.DeliveryCode, format string, args ...any) error {
	return &refusal{code, fmt.Sprintf(format, args...)}
}

// Deliver answers a DeliveryRequest. What it does not want to serve it answers with a code; an error says that the
// request is malformed or that this node fails.
func (s *Service) Deliver(ctx context.Context, _ string, request []byte) ([]byte, error) {
	r, err := transfer.DecodeDeliveryRequest(request)
	if err != nil {
		return nil, err
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	o := &order{DeliveryRequest: r}
	answer, err := s.serve(o)
	var no *refusal
	if errors.As(err, &no) {
		s.counts.refused.Add(1)
		head := transfer.DeliveryHead{Code: no.code, Epoch: o.epoch, Reason: no.reason}
		return head.Encode(), nil
	}
	return answer, err
}

func (s *Service) serve(o *order) ([]byte, error) {
	if err := s.stopped(); err != nil {
		return nil, err
	}
	if err := s.look(o); err != nil {
		return nil, err
	}
	if err := s.prove(o); err != nil {
		return nil, err
	}
	a, err := s.accounts.take(o.Session)
	if err != nil {
		return nil, err
	}
	defer s.accounts.leave(a)
	if err := s.admit(o, a); err != nil {
		return nil, err
	}
	answer, err := s.produce(o)
	if err != nil {
		s.takeBack(a, o.Bytes)
		return nil, err
	}
	s.counts.delivered.Add(o.Bytes)
	return answer, nil
}

// look asks the chain about the session.
func (s *Service) look(o *order) error {
	var err error
	if o.epoch, _, _, err = s.c.Chain.Epoch(); err != nil {
		return err
	}
	var found bool
	if o.session, o.grant, found, err = s.c.Chain.Session(o.Session); err != nil {
		return err
	}
	switch {
	case !found:
		return refuse(transfer.SessionUnusable, "session %d is not on the chain, as far as this cache has come: open it, then wait for the block", o.Session)
	case o.session.Scheme != remora.SchemeBLS:
		return refuse(transfer.SessionUnusable, "session %d has receipts of scheme %d, this cache takes %d (BLS)", o.Session, o.session.Scheme, remora.SchemeBLS)
	case o.grant.Granted == 0:
		return refuse(transfer.SessionUnusable, "session %d allots nothing to this cache: ask one that it names", o.Session)
	case o.epoch > o.session.Expiry && len(o.Acks) == 0: // a last receipt is welcome as long as its epoch is open
		return expired(o)
	}
	return nil
}

func expired(o *order) error {
	return refuse(transfer.SessionUnusable, "session %d expired with epoch %d, it is epoch %d: open another one", o.Session, o.session.Expiry, o.epoch)
}

// prove sees to it that the session's client made the pass.
func (s *Service) prove(o *order) error {
	pass := passKey{o.Session, o.Pass}
	if _, proven := s.passes.get(pass); proven {
		return nil
	}
	message := remora.DeliveryMessage(s.c.ChainID, o.Session, s.c.Self, o.Pass)
	if err := s.verify(o, message, o.Proof); err != nil {
		return refuse(transfer.ProofWrong, "proof of the pass: %v: sign it with the key of session %d, for this chain and cache", err, o.Session)
	}
	s.passes.put(pass, struct{}{})
	return nil
}

// verify checks a signature of the session's key.
func (s *Service) verify(o *order, message remora.Hash, signature remora.BLSSignature) error {
	key, found := s.keys.get(o.session.Key)
	if !found {
		var err error
		if key, err = bls.ParsePublicKey(o.session.Key); err != nil {
			return err
		}
		s.keys.put(o.session.Key, key)
	}
	return bls.Verify(key, message[:], signature)
}

// admit takes the request's receipt, then counts its range as outstanding, or refuses it.
func (s *Service) admit(o *order, a *account) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range o.Acks {
		if err := s.acknowledge(o, a, &o.Acks[i]); err != nil {
			return err
		}
	}
	if a.t.begin(o.Pass) {
		a.dirty = true
	}
	if o.Bytes == 0 {
		return nil
	}
	if o.epoch > o.session.Expiry {
		return expired(o)
	}
	if !s.holds(o.Content) {
		return refuse(transfer.NotHeld, "content %s of %d bytes is not here", o.Content.Root, o.Content.Length)
	}
	taken := a.t.Acked + a.t.Outstanding // neither passes 2^48 by more than a window
	if taken > o.grant.Granted || o.Bytes > o.grant.Granted-taken {
		return refuse(transfer.AllotmentSpent, "session %d allots %d bytes to this cache, %d are delivered: open another one", o.Session, o.grant.Granted, taken)
	}
	if window := a.t.window(); a.t.Outstanding+o.Bytes > window {
		return refuse(transfer.WindowClosed, "%d bytes may be delivered ahead of receipts, %d are: acknowledge them first", window, a.t.Outstanding)
	}
	a.t.Outstanding += o.Bytes
	a.dirty = true
	return nil
}

func (s *Service) holds(c remora.Content) bool {
	length, held := s.c.Store.Length(c.Root)
	return held && length == c.Length
}

// takeBack undoes the accounting of a range that was not delivered. A receipt or a new pass may have come in between:
// then the client has the better of it.
func (s *Service) takeBack(a *account, n uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.t.Outstanding -= min(n, a.t.Outstanding)
}

// produce makes the answer in one allocation of its size.
func (s *Service) produce(o *order) ([]byte, error) {
	head := transfer.DeliveryHead{Code: transfer.Delivered, Epoch: o.epoch}
	encoded := head.Encode()
	if o.Bytes == 0 {
		return encoded, nil
	}
	size, err := content.StreamSize(o.Content.Length, o.Range())
	if err != nil {
		return nil, err
	}
	answer := bytes.NewBuffer(make([]byte, 0, uint64(len(encoded))+size))
	_, _ = answer.Write(encoded) // never fails
	err = s.c.Store.Stream(answer, o.Content.Root, o.Range())
	switch {
	case errors.Is(err, store.ErrDamaged):
		s.c.Logger.Error("content is damaged on disk; fetching it again", slog.String("root", o.Content.Root.String()), slog.Any("reason", err))
		return nil, refuse(transfer.NotHeld, "content %s was damaged and is being fetched again", o.Content.Root)
	case errors.Is(err, remora.ErrNotFound): // removed meanwhile
		return nil, refuse(transfer.NotHeld, "content %s is not here any more", o.Content.Root)
	}
	return answer.Bytes(), err
}
