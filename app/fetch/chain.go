package fetch

import (
	"context"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/transfer"
)

// Terms are what a session costs now.
type Terms struct {
	ChainID string
	Epoch   remora.Epoch
	Price   remora.Amount // of a MiB
	Balance remora.Amount // that the account can spend
}

// Opened is a session as the chain has it, with what it grants to whom.
type Opened struct {
	Session remora.Session
	Grants  map[remora.Address]remora.Grant
}

// Chain is what a paying client needs of the chain.
type Chain interface {
	// Terms returns what a session costs, and what the account has.
	Terms(ctx context.Context, account remora.Address) (Terms, error)
	// Caches returns the registered caches.
	Caches(ctx context.Context) ([]transfer.Cache, error)
	// Session returns the session that its owner gave a number, or remora.ErrNotFound.
	Session(ctx context.Context, owner remora.Address, number uint64) (*Opened, error)
	// Open opens a session, signed by its owner. It returns once that is executed.
	Open(ctx context.Context, body remora.OpenSession) error
}
