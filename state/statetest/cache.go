package statetest

import (
	"encoding/binary"
	"sync"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/bls"
	"github.com/remora-network/remora/state/delivery"
	"github.com/remora-network/remora/state/ledger"
	"github.com/remora-network/remora/state/registry"
	"github.com/remora-network/remora/state/table"
	"github.com/remora-network/remora/state/verdict"
)

// Cache is the chain as one cache's deliveries see it: the rules of package state/delivery over tables in memory, with real
// BLS signatures of clients. A test sets time, seeds, sessions and balance. Reads and transactions may be concurrent.
type Cache struct {
	tb     testing.TB
	domain remora.Domain
	node   remora.Address
	params remora.Params

	mu     sync.Mutex
	tables table.Memory
	height remora.Height
	time   remora.Millis // since epoch 0
	step   uint64        // of the beacon, before the present block
	next   uint64        // and after it
}

// NewCache returns the chain of an account's cache, at the beginning of an epoch.
func NewCache(tb testing.TB, d remora.Domain, node remora.Address, epoch remora.Epoch, p remora.Params) *Cache {
	tb.Helper()
	c := &Cache{tb: tb, domain: d, node: node, params: p, time: remora.Millis(epoch) * p.EpochMillis}
	record := Node("cache", remora.RoleCache)
	if err := c.change(func(o *table.Overlay, _ *delivery.Block) error {
		return registry.Register(o, new(Verifier), node, &record)
	}); err != nil {
		tb.Fatal(err)
	}
	return c
}

// change applies the changes of a rule in the present block, unless it returns an error.
func (c *Cache) change(rule func(o *table.Overlay, b *delivery.Block) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := table.NewOverlay(&c.tables)
	err := rule(o, &delivery.Block{
		Domain: c.domain, Params: &c.params, Height: c.height, Time: c.time, Epoch: c.epoch(), Step: c.step,
	})
	if err == nil {
		c.tables.Apply(o.Changes())
	}
	return err
}

func (c *Cache) epoch() remora.Epoch { return remora.Epoch(c.time / c.params.EpochMillis) }

// Epoch implements app/delivery's Chain.
func (c *Cache) Epoch() (number remora.Epoch, age, length remora.Millis, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.epoch(), c.time % c.params.EpochMillis, c.params.EpochMillis, nil
}

// Session implements app/delivery's Chain.
func (c *Cache) Session(id remora.SessionID) (s remora.Session, g remora.Grant, found bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s, found, err = delivery.GetSession(&c.tables, id); err == nil && found {
		g, _, err = delivery.GetGrant(&c.tables, id, c.node)
	}
	return s, g, found, err
}

// Claim implements app/delivery's Chain.
func (c *Cache) Claim(epoch remora.Epoch) (claim remora.Claim, seed remora.Seed, found bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if claim, found, err = delivery.GetClaim(&c.tables, c.node, epoch); err == nil && found {
		claim.State, seed, err = delivery.Stage(&c.tables, &claim)
	}
	return claim, seed, found, err
}

// Balance implements app/delivery's Chain.
func (c *Cache) Balance() (remora.Amount, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a, _, err := ledger.Get(&c.tables, c.node)
	return a.Balance, err
}

// Claims returns the cache's claims by epoch.
func (c *Cache) Claims() map[remora.Epoch]remora.Claim {
	c.mu.Lock()
	defer c.mu.Unlock()
	claims := map[remora.Epoch]remora.Claim{}
	if err := delivery.ClaimsOf(&c.tables, c.node, func(claim remora.Claim) bool {
		claims[claim.Epoch] = claim
		return true
	}); err != nil {
		c.tb.Error(err)
	}
	return claims
}

// SetBalance sets what the cache's account can spend.
func (c *Cache) SetBalance(balance remora.Amount) {
	_ = c.change(func(o *table.Overlay, _ *delivery.Block) error {
		ledger.Put(o, c.node, ledger.Account{Balance: balance})
		return nil
	})
}

// SetSession writes a session and its grant for the cache. A session without an id is deleted.
func (c *Cache) SetSession(id remora.SessionID, s remora.Session, g remora.Grant) {
	key := binary.BigEndian.AppendUint64(nil, uint64(id))
	_ = c.change(func(o *table.Overlay, _ *delivery.Block) error {
		if s.ID == 0 {
			o.Delete(table.Sessions, key)
			return nil
		}
		o.Put(table.Sessions, key, remora.Encode(s))
		o.Put(table.Grants, append(key, c.node[:]...), remora.Encode(g))
		return nil
	})
}

// Execute executes a transaction of the cache's account, without a fee.
func (c *Cache) Execute(body any) error {
	return c.change(func(o *table.Overlay, b *delivery.Block) error {
		switch body := body.(type) {
		case remora.CommitClaim:
			return delivery.Commit(o, b, c.node, &body)
		case remora.OpenClaim:
			return delivery.Settle(o, b, sessionVerifier{}, &body)
		}
		c.tb.Errorf("a transaction of %T", body)
		return nil
	})
}

// FixSeed has the present block fix the next step of the beacon.
func (c *Cache) FixSeed() { c.next = c.step + 1 }

// EndBlock does what is due at the end of the present block and begins the next one, later by a time.
func (c *Cache) EndBlock(later remora.Millis) {
	seed := remora.Seed{Step: c.next, Hash: remora.SumBLAKE3(binary.BigEndian.AppendUint64(nil, c.next))}
	if err := c.change(func(o *table.Overlay, b *delivery.Block) error { return delivery.Advance(o, b, seed) }); err != nil {
		c.tb.Error(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.step = seed.Step
	c.height++
	c.time += later
}

// Pass lets time pass within the present block.
func (c *Cache) Pass(time remora.Millis) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.time += time
}

// sessionVerifier verifies what keys of sessions sign.
type sessionVerifier struct{}

// Holds implements verdict.Verifier.
func (sessionVerifier) Holds(s verdict.Statement) bool {
	a, is := s.(verdict.Aggregate)
	if !is {
		return false
	}
	keys, messages := make([]*bls.PublicKey, len(a.Parts)), make([][]byte, len(a.Parts))
	for i := range a.Parts {
		key, err := bls.ParsePublicKey(a.Parts[i].Public)
		if err != nil {
			return false
		}
		keys[i], messages[i] = key, a.Parts[i].Message[:]
	}
	return bls.VerifyDistinct(keys, messages, a.Signature) == nil
}
