package services

import (
	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/delivery"
	"github.com/remora-network/remora/state/ledger"
	"github.com/remora-network/remora/state/registry"
	"github.com/remora-network/remora/state/table"
)

// deliveries is how the service of paid deliveries reads the state, each call at the newest block.
type deliveries struct {
	chain
	self        remora.Address
	epochMillis remora.Millis // length of an epoch
}

// Epoch returns the epoch of the next block, its age on the active clock and its length.
func (d deliveries) Epoch() (number remora.Epoch, age, length remora.Millis, err error) {
	view := d.head.Newest()
	defer view.Release()
	e, err := registry.GetEpoch(view.Tables)
	if err != nil {
		return 0, 0, 0, err
	}
	clock, err := registry.GetClock(view.Tables)
	return e.Number, clock.Active - e.StartTime, d.epochMillis, err
}

// Session returns a session and its grant to this node, and whether both exist.
func (d deliveries) Session(id remora.SessionID) (s remora.Session, g remora.Grant, found bool, err error) {
	err = d.readTables(func(v table.View) (err error) {
		if s, found, err = delivery.GetSession(v, id); err == nil && found {
			g, found, err = delivery.GetGrant(v, id, d.self)
		}
		return err
	})
	return s, g, found, err
}

// Claim returns this node's claim for an epoch with the seed that challenges it, whose step is 0 until it is fixed.
func (d deliveries) Claim(epoch remora.Epoch) (c remora.Claim, seed remora.Seed, found bool, err error) {
	err = d.readTables(func(v table.View) (err error) {
		if c, found, err = delivery.GetClaim(v, d.self, epoch); err == nil && found {
			c.State, seed, err = delivery.Stage(v, &c)
		}
		return err
	})
	return c, seed, found, err
}

// Balance returns what this node's account holds.
func (d deliveries) Balance() (balance remora.Amount, err error) {
	err = d.readTables(func(v table.View) error {
		account, _, err := ledger.Get(v, d.self)
		balance = account.Balance
		return err
	})
	return balance, err
}
