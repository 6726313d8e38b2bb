package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/replay"
)

// patient is a node that may lack a certificate below its newest one for a moment: a node that was down while a
// certificate formed asks the others for it when it is back.
type patient struct{ replay.Remote }

// Blocks implements replay.Source. It waits for certificates that are missing.
func (s patient) Blocks(ctx context.Context, from, to remora.Height, visit func(*remora.CertifiedBlock) error) error {
	next := from
	counted := func(cb *remora.CertifiedBlock) error {
		next++
		return visit(cb)
	}
	for next <= to {
		err := s.Remote.Blocks(ctx, next, to, counted)
		if !errors.Is(err, client.ErrNotCertified) {
			return err
		}
		cb, err := s.Client.CertifiedBlock(ctx, next, certificateWait)
		if err != nil {
			return err
		}
		if h := cb.Block.Header.Height; h != next {
			return fmt.Errorf("%w: block %d where block %d was asked for", client.ErrAnswer, h, next)
		}
		if err := counted(cb); err != nil {
			return err
		}
	}
	return nil
}
