package validator

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/mempool/worker"
	"github.com/remora-network/remora/node/p2p"
	"github.com/remora-network/remora/node/peers"
	"github.com/remora-network/remora/node/trust"
)

// verifyBatch is the most messages that are verified together: their certificates share one pairing equation.
const verifyBatch = 16

// verifier turns frames of peers into messages for the cores: decoded, bounded in size, with valid signatures. Several
// goroutines share one.
type verifier struct {
	committee *trust.Committee
	network   <-chan p2p.Message
	messages  chan<- mempool.Message
	acks      chan<- worker.Message
	log       *slog.Logger
}

// verifyFrames is the loop of a verifier.
func (v *verifier) verifyFrames(ctx context.Context) error {
	for {
		select {
		case m := <-v.network:
			if err := v.passValid(ctx, v.drainNetwork(m)); err != nil {
				return nil //nolint:nilerr // only the context ends it
			}
		case <-ctx.Done():
			return nil
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

// passValid passes valid messages on and drops the others. Its only error is the context's.
func (v *verifier) passValid(ctx context.Context, batch []p2p.Message) error {
	var certificates []*remora.Certificate
	for _, m := range batch {
		msg, err := v.decodeFrame(m)
		if err != nil {
			v.log.DebugContext(ctx, "dropped a peer's message", slog.Any("peer", m.Peer), slog.Any("reason", err))
			continue
		}
		switch t := msg.(type) {
		case nil:
		case *remora.Certificate:
			certificates = append(certificates, t)
		case worker.Message:
			err = sendTo(ctx, v.acks, t)
		case mempool.Message:
			err = sendTo(ctx, v.messages, t)
		}
		if ctx.Err() != nil {
			return err
		}
	}
	for i, err := range v.committee.CheckCertificates(certificates) {
		if err != nil {
			v.log.DebugContext(ctx, "dropped a certificate", slog.Any("reason", err))
			continue
		}
		if err := sendTo(ctx, v.messages, mempool.Message(mempool.CertificateReceived{Certificate: certificates[i]})); err != nil {
			return err
		}
	}
	return nil
}

// decodeFrame returns a message for a core, or a certificate that still has to be verified.
func (v *verifier) decodeFrame(m p2p.Message) (any, error) {
	from, known := v.committee.ByPeer(m.Peer)
	if !known || len(m.Payload) == 0 {
		return nil, fmt.Errorf("%w: sender is not in the committee, or the frame is empty", remora.ErrInvalid)
	}
	body := m.Payload[1:]
	switch m.Payload[0] {
	case peers.FrameHeader:
		return v.openHeader(from, body)
	case peers.FrameVote:
		vote, err := remora.DecodeVote(body)
		if err != nil {
			return nil, err
		}
		if vote.Voter != from {
			return nil, fmt.Errorf("%w: vote of authority %d sent by %d", remora.ErrInvalid, vote.Voter, from)
		}
		return mempool.VoteReceived{Vote: *vote}, nil
	case peers.FrameCertificate:
		return remora.DecodeCertificate(v.committee.Domain, body)
	case peers.FrameAck:
		if len(body) != remora.HashSize {
			return nil, fmt.Errorf("ack: %w: %d bytes", remora.ErrMalformed, len(body))
		}
		return worker.Acked{From: from, Digest: remora.Hash(body)}, nil
	}
	return nil, fmt.Errorf("%w: unknown kind of frame %q", remora.ErrMalformed, m.Payload[0])
}

func (v *verifier) openHeader(from remora.Authority, body []byte) (any, error) {
	h, err := remora.DecodeHeader(v.committee.Domain, body)
	if err != nil {
		return nil, err
	}
	if h.Author != from {
		return nil, fmt.Errorf("%w: header of authority %d sent by %d", remora.ErrInvalid, h.Author, from)
	}
	if err := v.committee.CheckHeader(h); err != nil {
		return nil, err
	}
	return mempool.HeaderReceived{Header: h}, nil
}
