package services

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/ed25519"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/state/ledger"
	"github.com/remora-network/remora/state/registry"
	"github.com/remora-network/remora/state/table"
)

// sendWait bounds one attempt to have a transaction executed.
const sendWait = 10 * time.Second

// outbox sends the node's own transactions one after another: each takes the lowest unused nonce.
type outbox struct {
	key     *ed25519.PrivateKey // of the node's account
	genesis *remora.Genesis
	store   *store.Store
	chain   chain
	submit  func(ctx context.Context, txs [][]byte) error

	mu sync.Mutex
}

// Send signs a transaction with the node's account, submits it and waits until it is executed here. A refusal is a
// *remora.Rejection. After another error the transaction may still be executed.
func (b *outbox) Send(ctx context.Context, kind remora.Kind, body any) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, sendWait)
	defer cancel()
	var account ledger.Account
	var epoch registry.Epoch
	err := b.chain.readTables(func(v table.View) (err error) {
		if account, _, err = ledger.Get(v, b.key.Public()); err != nil {
			return err
		}
		epoch, err = registry.GetEpoch(v)
		return err
	})
	if err != nil {
		return err
	}
	raw := client.Sign(b.key, b.genesis, client.Draft{Kind: kind, Body: body}, client.Nonce{Nonce: account.Nonce(), Epoch: epoch.Number})
	if err := b.submit(ctx, [][]byte{raw}); err != nil {
		return err
	}
	hash := remora.TxHash(raw)
	return b.chain.head.Until(ctx, func() (bool, error) {
		place, err := b.store.Tx(hash)
		if errors.Is(err, remora.ErrNotFound) {
			return false, nil
		}
		if err != nil || place.Height > b.chain.head.Tip().Height {
			return false, err
		}
		block, err := b.store.Block(place.Height)
		if err != nil {
			return false, err
		}
		if code := remora.Code(block.Results[place.Position]); code != remora.CodeOK {
			return false, remora.Reject(code, "block %d refused a %s of this node", place.Height, kind)
		}
		return true, nil
	})
}
