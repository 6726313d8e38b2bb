// Package delivery is the seller's side of paid deliveries: a cache serves ranges to clients with a session on the chain,
// keeps their receipts, and claims the payment epoch by epoch.
//
// A receipt is in the journal, synced, before anything is answered to who sent it. The claim of an epoch is planned once
// and in the journal before it is sent; the chain is asked for everything else. So whatever is interrupted is done again
// without harm, and two claims of an epoch are never made.
package delivery

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/store"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/crypto/bls"
)

// ErrStopped says that the journal could not be written. What is not durable is not sold.
var ErrStopped = errors.New("deliveries are stopped, the journal of receipts cannot be written: look at the disk, then restart")

// Chain is what a seller reads of the state, at the newest block.
type Chain interface {
	// Epoch returns the present epoch, its age in block time, and how long an epoch is.
	Epoch() (number remora.Epoch, age, length remora.Millis, err error)
	// Session returns a session with what it grants this node, and whether there is such a session.
	Session(id remora.SessionID) (remora.Session, remora.Grant, bool, error)
	// Claim returns this node's claim of an epoch with the seed that challenges it, and whether there is such a claim.
	// A seed of step 0 is not fixed yet.
	Claim(epoch remora.Epoch) (claim remora.Claim, seed remora.Seed, found bool, err error)
	// Balance returns what this node's account can spend.
	Balance() (remora.Amount, error)
	// WaitBlock returns after the next block, or with the context's error.
	WaitBlock(ctx context.Context) error
}

// Sender submits transactions of this node's account.
type Sender interface {
	// Send returns once the transaction is executed. A *remora.Rejection says that the chain refused it.
	Send(ctx context.Context, kind remora.Kind, body any) error
}

// Journal is an ordered key-value store.
type Journal interface {
	// Write removes every key that begins with one of drops, then sets puts, all or nothing. It is durable on return.
	Write(puts map[string][]byte, drops [][]byte) error
	// Get returns a value, nil where there is none.
	Get(key []byte) ([]byte, error)
	// Ascend visits the keys with a prefix in order until visit returns false.
	Ascend(prefix []byte, visit func(key, value []byte) bool) error
}

// Config is what a Service needs. The journal is its alone.
type Config struct {
	ChainID string
	Params  remora.Params // fees of the chain
	Self    remora.Address
	Store   *store.Store
	Journal Journal
	Chain   Chain
	Sender  Sender
	Logger  *slog.Logger
}

// Limits of what a service holds in memory.
const (
	// maxServing bounds the requests in work: each holds one answer and, at worst, the extents of a full receipt.
	maxServing = 24
	maxKeys    = 1024 // parsed keys of sessions
	maxPasses  = 8192 // passes whose proof was verified
)

// Service sells deliveries. Its handlers work as soon as it is built; Run claims what they earn.
type Service struct {
	c        Config
	slots    chan struct{} // one per request in work
	writing  chan struct{} // one per answer to a web client
	keys     *recent[remora.BLSPublicKey, *bls.PublicKey]
	passes   *recent[passKey, struct{}]
	accounts *accounts
	kept     *kept
	counts   counts

	// closing is held for reading while a receipt is judged and written, and for writing to close an epoch: what a plan
	// reads after that is all there will ever be of its epoch.
	closing sync.RWMutex
	open    remora.Epoch // the first epoch that takes receipts

	claims map[remora.Epoch]*job // Run's own, at most one per epoch in the journal
	swept  remora.Epoch          // Run's own: the epoch in which rows of old sessions were last looked for

	failing sync.Once
	failed  chan struct{} // closed when the journal failed
	failure atomic.Pointer[error]
}

// passKey names a pass: it is the client's choice, so it counts in its session only.
type passKey struct {
	session remora.SessionID
	pass    remora.Hash
}

// New returns a service over what the journal holds. It starts nothing.
func New(c Config) (*Service, error) {
	s := &Service{
		c: c, slots: make(chan struct{}, maxServing), writing: make(chan struct{}, maxWriting), failed: make(chan struct{}),
		keys: newRecent[remora.BLSPublicKey, *bls.PublicKey](maxKeys), passes: newRecent[passKey, struct{}](maxPasses),
		kept: newKept(), claims: map[remora.Epoch]*job{},
	}
	s.accounts = newAccounts(c.Journal, s.write)
	if err := s.load(); err != nil {
		return nil, err
	}
	return s, nil
}

// Handlers returns what answers other nodes, by request protocol.
func (s *Service) Handlers() map[string]func(ctx context.Context, peer string, request []byte) ([]byte, error) {
	return map[string]func(ctx context.Context, peer string, request []byte) ([]byte, error){
		transfer.AskDelivery: s.Deliver,
	}
}

// Needed reports whether a receipt that is not paid yet names content: a claim may have to be opened with it.
func (s *Service) Needed(root remora.Hash) bool { return s.kept.needs(root) }

// write is the only way into the journal. Once it failed nobody knows what is durable, and the service stops for good.
func (s *Service) write(puts map[string][]byte, drops [][]byte) error {
	if err := s.stopped(); err != nil {
		return err
	}
	if err := s.c.Journal.Write(puts, drops); err != nil {
		return s.fail(err)
	}
	return nil
}

// fail stops the service.
func (s *Service) fail(cause error) error {
	s.failing.Do(func() {
		err := errors.Join(ErrStopped, cause)
		s.failure.Store(&err)
		close(s.failed)
		s.c.Logger.Error("deliveries are stopped", slog.Any("reason", cause))
	})
	return s.stopped()
}

// stopped returns why the service does not serve any more, nil while it does.
func (s *Service) stopped() error {
	if err := s.failure.Load(); err != nil {
		return *err
	}
	return nil
}
