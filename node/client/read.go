package client

import (
	"context"
	"errors"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/light"
)

// Status returns the state of the node.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	return callMethod(ctx, c, GetStatus, None{})
}

// Block returns an executed block.
func (c *Client) Block(ctx context.Context, h remora.Height) (*Block, error) {
	return callMethod(ctx, c, GetBlock, BlockQuery{h})
}

// BlockProof returns a block header with its certificate, or ErrNotCertified if that does not form within wait. The caller
// verifies it with light.VerifyBlock.
func (c *Client) BlockProof(ctx context.Context, h remora.Height, wait time.Duration) (*light.BlockProof, error) {
	b, err := fetchAnswer(ctx, c, ProveBlock, CertifiedQuery{h, milliseconds(wait)}, light.MaxDocument)
	if err != nil {
		return nil, err
	}
	return light.ParseBlock(b)
}

// Account returns the account of an address after the newest block.
func (c *Client) Account(ctx context.Context, address remora.Address) (*Account, error) {
	return callMethod(ctx, c, GetAccount, AccountQuery{Address: address})
}

// AccountProof returns the account of an address after the newest certified block, with the proof. The caller verifies it
// with light.VerifyAccount.
func (c *Client) AccountProof(ctx context.Context, address remora.Address) (*light.AccountProof, error) {
	b, err := fetchAnswer(ctx, c, GetAccount, AccountQuery{address, ProofQuery{Prove: true}}, light.MaxDocument)
	if err != nil {
		return nil, err
	}
	return light.ParseAccount(b)
}

// AwaitAccountProof is AccountProof that waits up to wait for the node to have a certified state, which it lacks for a
// moment after its start.
func (c *Client) AwaitAccountProof(ctx context.Context, address remora.Address, wait time.Duration) (*light.AccountProof, error) {
	limited, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		proof, err := c.AccountProof(ctx, address)
		if !errors.Is(err, ErrNotCertified) {
			return proof, err
		}
		select {
		case <-ticker.C:
		case <-limited.Done():
			return nil, err
		}
	}
}

// Nonce returns an unused nonce of an account, which the node reserves for some seconds, so that senders that share the
// account do not use one twice.
func (c *Client) Nonce(ctx context.Context, address remora.Address) (*Nonce, error) {
	return callMethod(ctx, c, ReserveNonce, AddressQuery{address})
}

// Genesis returns the genesis of the node's chain. It is well-formed but not trusted: a verifier brings its own.
func (c *Client) Genesis(ctx context.Context) (*remora.Genesis, error) {
	b, err := fetchAnswer(ctx, c, GetGenesis, None{}, remora.MaxGenesisBytes)
	if err != nil {
		return nil, err
	}
	return remora.ParseGenesis(b)
}

// Nodes returns a page of the registry: at most limit nodes (1 to 1000) whose accounts follow after, which is nil for
// the first page.
func (c *Client) Nodes(ctx context.Context, after *remora.Address, limit int) (*Nodes, error) {
	return callMethod(ctx, c, ListNodes, NodeListQuery{Page[remora.Address]{after, uint64(limit)}})
}

// AllNodes returns the whole registry, by account.
func (c *Client) AllNodes(ctx context.Context) ([]Node, error) {
	return collectPages(func(p Page[remora.Address]) ([]Node, *remora.Address, error) {
		n, err := callMethod(ctx, c, ListNodes, NodeListQuery{p})
		return n.Nodes, n.Next, err
	})
}

// collectPages returns the items of all pages of a list.
func collectPages[T, K any](page func(Page[K]) (items []T, next *K, err error)) ([]T, error) {
	all := []T{}
	for p := (Page[K]{Limit: 1000}); ; {
		items, next, err := page(p)
		if err != nil {
			return nil, err
		}
		if all = append(all, items...); next == nil {
			return all, nil
		}
		p.After = next
	}
}

// Node returns the registered node with a name or an account.
func (c *Client) Node(ctx context.Context, nameOrAddress string) (*Node, error) {
	return callMethod(ctx, c, GetNode, NodeQuery{Name: &nameOrAddress})
}

// Tx returns the place of an executed transaction, or remora.ErrNotFound. A transaction without signature is found by its
// batch, which is zero for others.
func (c *Client) Tx(ctx context.Context, hash, batch remora.Hash) (*Tx, error) {
	return c.awaitTx(ctx, hash, batch, 0)
}

// serverWait is the time for which a node is asked to hold one request. Longer waits repeat it.
const serverWait = 20 * time.Second

// WaitTx waits until a transaction is executed or ctx ends.
func (c *Client) WaitTx(ctx context.Context, hash, batch remora.Hash) (*Tx, error) {
	for {
		tx, err := c.awaitTx(ctx, hash, batch, serverWait)
		if !errors.Is(err, remora.ErrNotFound) {
			return tx, err
		}
	}
}

func (c *Client) awaitTx(ctx context.Context, hash, batch remora.Hash, wait time.Duration) (*Tx, error) {
	q := TxQuery{Hash: hash, WaitMS: milliseconds(wait)}
	if !batch.IsZero() {
		q.Batch = &batch
	}
	return callMethod(ctx, c, GetTx, q)
}

func milliseconds(d time.Duration) uint64 { return uint64(max(d.Milliseconds(), 0)) }
