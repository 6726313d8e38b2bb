package services

import (
	"context"
	"fmt"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/peers"
	"github.com/remora-network/remora/state/registry"
	"github.com/remora-network/remora/state/table"
)

// registerNode sends registrations until the registry has this node's record.
func (s *Services) registerNode(ctx context.Context) error {
	want := s.c.Record
	for ctx.Err() == nil {
		var have remora.Node
		err := s.chain.readTables(func(v table.View) (err error) {
			have, _, err = registry.Get(v, s.c.Key.Public())
			return err
		})
		if err != nil {
			return err
		}
		if string(remora.Encode(have)) == string(remora.Encode(want)) {
			s.listed.Store(true)
			return nil
		}
		err = s.outbox.Send(ctx, remora.KindRegisterNode, want)
		if err != nil && ctx.Err() == nil {
			s.c.Logger.Warn(fmt.Sprintf("could not register this node as %q yet: %v", want.Name, err))
			_ = peers.Pause(ctx, time.Second)
		}
	}
	return nil
}
