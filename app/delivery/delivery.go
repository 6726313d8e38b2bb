// Package delivery sells content for a cache: it serves ranges to clients with a session on the chain, keeps their
// receipts, and claims the payment epoch by epoch. Package session keeps the books of each session.
//
// New returns a Service whose Deliver and ServeHTTP answer delivery requests at once; Run claims what they earn until its
// context ends or the journal fails.
//
// A receipt is in the journal, synced, before its request is answered. The claim of an epoch is planned once and in the
// journal before it is sent; the chain is asked for everything else. So interrupted work is repeated without harm, and no
// epoch is claimed twice. A journal that cannot be written stops the service: every later call returns ErrStopped.
package delivery

import (
	"context"
	"errors"
	"log/slog"

	"golang.org/x/sync/semaphore"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/store"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/node/limits"
)

// ErrStopped says that the journal could not be written.
var ErrStopped = errors.New("deliveries have stopped, the journal of receipts cannot be written: check the disk, then restart")

// Chain is the part of the state that a seller reads, at the newest block.
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

// Config holds the parts of a Service. Nothing else uses the journal.
type Config struct {
	Domain  remora.Domain
	Params  remora.Params // fees of the chain
	Self    remora.Address
	Store   *store.Store
	Journal Journal
	Chain   Chain
	Sender  Sender
	Hits    *limits.Hits // who is held to a limit; may be nil
	Logger  *slog.Logger
}

// Limits of what a service holds in memory.
const (
	// maxServing bounds the requests in progress: each holds one answer and, at worst, the extents of a full receipt.
	maxServing = 24
	maxKeys    = 1024 // parsed keys of sessions
	maxPasses  = 8192
)

// Service sells deliveries and claims what they earn.
type Service struct {
	c        Config
	slots    *semaphore.Weighted // one per request in progress
	writing  *limits.Queue       // one per answer to a web client
	bodies   *limits.Bodies      // of web clients
	verified verified
	accounts *accounts
	journal  *journal
	claimer  *claimer
	counts   counts
}

// New returns a service over what the journal holds. It starts nothing.
func New(c Config) (*Service, error) {
	s := &Service{
		c: c, slots: semaphore.NewWeighted(maxServing), writing: limits.NewQueue(maxWriting, maxOwnWriting, maxWebWaiters),
		bodies: limits.NewBodies(webBodies, webBodies/2, limits.ClientPace),

		verified: newVerified(), journal: newJournal(c),
	}
	s.accounts = newAccounts(s.journal)
	jobs, err := s.journal.loadRows()
	if err != nil {
		return nil, err
	}
	s.claimer = &claimer{config: c, journal: s.journal, jobs: jobs, counts: &s.counts}
	return s, nil
}

// Run claims what the receipts are worth until ctx ends or the journal fails.
func (s *Service) Run(ctx context.Context) error {
	if err := s.claimer.watchBlocks(ctx, s.accounts); err != nil {
		return err
	}
	return s.accounts.flushTotals()
}

// Handlers returns the handlers of other nodes' requests, by protocol.
func (s *Service) Handlers() map[string]func(ctx context.Context, peer string, request []byte) ([]byte, error) {
	return map[string]func(ctx context.Context, peer string, request []byte) ([]byte, error){
		transfer.AskDelivery: s.Deliver,
	}
}

// Needed reports whether an unpaid receipt names a content, which may be needed to open a claim.
func (s *Service) Needed(root remora.Hash) bool { return s.journal.needsRoot(root) }
