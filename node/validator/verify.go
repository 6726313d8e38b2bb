package validator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/node/p2p"
	"github.com/remora-network/remora/node/peers"
	"github.com/remora-network/remora/node/trust"
)

// verifyBatch is the most messages that are verified together: certificates of members in good standing share one pairing
// equation.
const verifyBatch = 16

// verifier turns frames of members into messages for the mempool: decoded, bounded in size, with valid signatures. Several
// goroutines share one.
type verifier struct {
	committee *trust.Committee
	network   <-chan p2p.Message
	messages  chan<- mempool.Message
	judge     *judge
	log       *slog.Logger
}

// verifyFrames is the loop of a verifier.
func (v *verifier) verifyFrames(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Stop()
		if off, ok := v.judge.nextDue(); ok {
			timer.Reset(off)
		}
		var err error
		select {
		case m := <-v.network:
			err = v.passValid(ctx, v.admitFrames(ctx, v.drainNetwork(m)))
		case <-timer.C:
			err = v.passValid(ctx, v.judge.takeDue())
		case <-ctx.Done():
			return nil
		}
		if err != nil {
			return nil //nolint:nilerr // only the context ends it
		}
	}
}

func (v *verifier) drainNetwork(first p2p.Message) []p2p.Message {
	batch := []p2p.Message{first}
	for len(batch) < verifyBatch {
		select {
		case m := <-v.network:
			batch = append(batch, m)
		default:
			return batch
		}
	}
	return batch
}

// admitFrames returns the frames to check now. Those of no known kind are dropped.
func (v *verifier) admitFrames(ctx context.Context, batch []p2p.Message) []p2p.Message {
	var admitted []p2p.Message
	for _, m := range batch {
		from, known := v.committee.ByPeer(m.Peer)
		if !known || len(m.Payload) == 0 {
			continue
		}
		switch m.Payload[0] {
		case peers.FrameVote: // costs nothing before a quorum is together, and the committee may need it
			admitted = append(admitted, m)
		case peers.FrameHeader:
			if v.judge.admitFrame(from, ClassHeader, m) {
				admitted = append(admitted, m)
			}
		case peers.FrameCertificate:
			if v.judge.admitFrame(from, ClassCertificate, m) {
				admitted = append(admitted, m)
			}
		default:
			v.judge.blameMember(ctx, from, fmt.Errorf("%w: unknown kind of frame %q", remora.ErrMalformed, m.Payload[0]))
		}
	}
	return admitted
}

// passValid passes valid messages on and blames who sent the others. Its only error is the context's.
func (v *verifier) passValid(ctx context.Context, batch []p2p.Message) error {
	var unproven []sealed
	for _, m := range batch {
		from, known := v.committee.ByPeer(m.Peer)
		if !known {
			continue
		}
		msg, cert, err := v.decodeFrame(from, m.Payload)
		switch {
		case errors.Is(err, errOtherTerm): // its sender's committee may be another one
			v.log.DebugContext(ctx, "dropped a member's message", slog.String("peer", m.Peer), slog.Any("reason", err))
		case err != nil:
			v.judge.blameMember(ctx, from, err)
		case msg != nil:
			if err := sendTo(ctx, v.messages, msg); err != nil {
				return err
			}
		default:
			unproven = append(unproven, sealed{from: from, certificate: cert, frame: m})
		}
	}
	return v.passProven(ctx, unproven)
}

// passProven checks aggregates: those of members in good standing together, the others one by one.
func (v *verifier) passProven(ctx context.Context, unproven []sealed) error {
	var mixed, apart []sealed
	for _, m := range unproven {
		if v.judge.isAlone(m.from) {
			apart = append(apart, m)
			continue
		}
		mixed = append(mixed, m)
	}
	sorted := sortBatch(mixed, v.proveTogether)
	for _, m := range sorted.bad {
		v.judge.blameMember(ctx, m.from, errAggregate)
	}
	if err := v.passCertificates(ctx, sorted.good); err != nil {
		return err
	}
	for _, m := range append(apart, sorted.aside...) {
		if !v.judge.admitFrame(m.from, ClassCertificate, m.frame) { // one before it has failed
			continue
		}
		if !v.proveTogether([]sealed{m}) {
			v.judge.blameMember(ctx, m.from, errAggregate)
			continue
		}
		if err := v.passCertificates(ctx, []sealed{m}); err != nil {
			return err
		}
	}
	return nil
}

var (
	errAggregate = fmt.Errorf("certificate: %w", trust.ErrSignature)
	errOtherTerm = errors.New("message of another term")
)

func (v *verifier) proveTogether(list []sealed) bool {
	certificates := make([]*remora.Certificate, len(list))
	for i, m := range list {
		certificates[i] = m.certificate
	}
	return v.committee.ProveTogether(certificates)
}

func (v *verifier) passCertificates(ctx context.Context, list []sealed) error {
	for _, m := range list {
		if err := sendTo(ctx, v.messages, mempool.Message(mempool.CertificateReceived{Certificate: m.certificate})); err != nil {
			return err
		}
	}
	return nil
}

// decodeFrame returns a message for the mempool, or a certificate whose aggregate is not proven yet.
func (v *verifier) decodeFrame(from remora.Authority, frame []byte) (mempool.Message, *remora.Certificate, error) {
	body := frame[1:]
	switch frame[0] {
	case peers.FrameHeader:
		h, err := v.openHeader(from, body)
		if err != nil {
			return nil, nil, err
		}
		return mempool.HeaderReceived{Header: h}, nil, nil
	case peers.FrameVote:
		vote, err := remora.DecodeVote(body)
		if err != nil {
			return nil, nil, err
		}
		if vote.Voter != from {
			return nil, nil, fmt.Errorf("%w: vote of authority %d sent by %d", remora.ErrInvalid, vote.Voter, from)
		}
		return mempool.VoteReceived{Vote: *vote}, nil, nil
	}
	cert, err := remora.DecodeCertificate(v.committee.Domain, body)
	if err != nil {
		return nil, nil, err
	}
	if cert.Header.Term != v.committee.Term {
		return nil, nil, fmt.Errorf("%w: certificate of term %d, this is %d", errOtherTerm, cert.Header.Term, v.committee.Term)
	}
	proven, err := v.committee.CheckUnproven(cert)
	if err == nil && proven {
		return mempool.CertificateReceived{Certificate: cert}, nil, nil
	}
	return nil, cert, err
}

func (v *verifier) openHeader(from remora.Authority, body []byte) (*remora.Header, error) {
	h, err := remora.DecodeHeader(v.committee.Domain, body)
	if err != nil {
		return nil, err
	}
	if h.Author != from {
		return nil, fmt.Errorf("%w: header of authority %d sent by %d", remora.ErrInvalid, h.Author, from)
	}
	if h.Term != v.committee.Term {
		return nil, fmt.Errorf("%w: header of term %d, this is %d", errOtherTerm, h.Term, v.committee.Term)
	}
	return h, v.committee.CheckHeader(h)
}
