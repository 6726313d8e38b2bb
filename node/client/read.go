package client

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/light"
)

// Status returns where the node stands.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	s := new(Status)
	return s, c.get(ctx, "/v1/status", nil, s)
}

// Block returns an executed block.
func (c *Client) Block(ctx context.Context, h remora.Height) (*Block, error) {
	b := new(Block)
	return b, c.get(ctx, "/v1/blocks/"+decimal(h), nil, b)
}

// BlockProof returns a block header with its certificate, waiting for that up to wait (ErrNotCertified). The caller
// verifies it with light.VerifyBlock.
func (c *Client) BlockProof(ctx context.Context, h remora.Height, wait time.Duration) (*light.BlockProof, error) {
	body, err := c.open(ctx, call{method: "GET", path: "/v1/blocks/" + decimal(h) + "/proof", query: waiting(wait)})
	if err != nil {
		return nil, err
	}
	b, err := readAll(body, light.MaxDocument)
	if err = errors.Join(err, body.Close()); err != nil {
		return nil, err
	}
	return light.ParseBlock(b)
}

// Account returns what an address holds after the newest block.
func (c *Client) Account(ctx context.Context, address remora.Address) (*Account, error) {
	a := new(Account)
	return a, c.get(ctx, "/v1/accounts/"+address.String(), nil, a)
}

// AccountProof returns what an address holds after the newest certified block, with the proof. The caller verifies it
// with light.VerifyAccount.
func (c *Client) AccountProof(ctx context.Context, address remora.Address) (*light.AccountProof, error) {
	query := url.Values{"prove": {"1"}}
	body, err := c.open(ctx, call{method: "GET", path: "/v1/accounts/" + address.String(), query: query})
	if err != nil {
		return nil, err
	}
	b, err := readAll(body, light.MaxDocument)
	if err = errors.Join(err, body.Close()); err != nil {
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

// Genesis returns the genesis of the node's chain, checked but not trusted: whoever verifies has one of his own.
func (c *Client) Genesis(ctx context.Context) (*remora.Genesis, error) {
	body, err := c.open(ctx, call{method: "GET", path: "/v1/genesis"})
	if err != nil {
		return nil, err
	}
	b, err := readAll(body, remora.MaxGenesisBytes)
	if err = errors.Join(err, body.Close()); err != nil {
		return nil, err
	}
	return remora.ParseGenesis(b)
}

// Nodes returns a page of the registry: up to limit nodes (1 to 1000) whose accounts follow after, which is nil for the
// first page.
func (c *Client) Nodes(ctx context.Context, after *remora.Address, limit int) (*Nodes, error) {
	query := url.Values{"limit": {strconv.Itoa(limit)}}
	if after != nil {
		query.Set("after", after.String())
	}
	n := new(Nodes)
	return n, c.get(ctx, "/v1/nodes", query, n)
}

// AllNodes returns the whole registry, by account.
func (c *Client) AllNodes(ctx context.Context) ([]Node, error) {
	const page = 1000
	var all []Node
	var after *remora.Address
	for {
		some, err := c.Nodes(ctx, after, page)
		if err != nil {
			return nil, err
		}
		all = append(all, some.Nodes...)
		if after = some.Next; after == nil {
			return all, nil
		}
	}
}

// Node returns the registered node with a name or an account.
func (c *Client) Node(ctx context.Context, nameOrAddress string) (*Node, error) {
	n := new(Node)
	return n, c.get(ctx, "/v1/nodes/"+url.PathEscape(nameOrAddress), nil, n)
}

// Tx returns where a transaction was executed, remora.ErrNotFound when it was not. Transactions without signature are
// found by their batch only, which is zero for others.
func (c *Client) Tx(ctx context.Context, hash, batch remora.Hash) (*Tx, error) {
	return c.tx(ctx, hash, batch, 0)
}

// serverWait is how long a node is asked to hold one request; longer waits repeat it.
const serverWait = 20 * time.Second

// WaitTx waits until a transaction is executed or ctx ends.
func (c *Client) WaitTx(ctx context.Context, hash, batch remora.Hash) (*Tx, error) {
	for {
		tx, err := c.tx(ctx, hash, batch, serverWait)
		if !errors.Is(err, remora.ErrNotFound) {
			return tx, err
		}
	}
}

func (c *Client) tx(ctx context.Context, hash, batch remora.Hash, wait time.Duration) (*Tx, error) {
	query := waiting(wait)
	if !batch.IsZero() {
		query.Set("batch", batch.String())
	}
	tx := new(Tx)
	return tx, c.get(ctx, "/v1/txs/"+hash.String(), query, tx)
}

func waiting(d time.Duration) url.Values {
	if d <= 0 {
		return url.Values{}
	}
	return url.Values{"wait": {strconv.FormatInt(d.Milliseconds(), 10)}}
}

func decimal[T ~uint64](n T) string { return strconv.FormatUint(uint64(n), 10) }
