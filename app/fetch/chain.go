package fetch

import (
	"context"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/transfer"
)

// Quote is the present price of a session.
type Quote struct {
	ChainID string
	Domain  remora.Domain
	Epoch   remora.Epoch
	Price   remora.Amount // of a MiB
	Balance remora.Amount // that the account can spend
}

// Opened is a session as recorded on the chain, with its grants by cache.
type Opened struct {
	Session remora.Session
	Grants  map[remora.Address]remora.Grant
}

// Chain is the chain as a paying client uses it.
type Chain interface {
	// Quote returns the price of a session and the balance of the account.
	Quote(ctx context.Context, account remora.Address) (Quote, error)
	// Caches returns the registered caches.
	Caches(ctx context.Context) ([]transfer.Cache, error)
	// Session returns the session to which its owner gave a number, or remora.ErrNotFound.
	Session(ctx context.Context, owner remora.Address, number uint64) (*Opened, error)
	// Open opens a session, signed by its owner. It returns once the transaction is executed.
	Open(ctx context.Context, body remora.OpenSession) error
}
