// Package door is the one way by which transactions of others enter a node: over JSON-RPC, over HTTP and from other nodes.
//
// # Usage
//
// A node has one [Door]. Whoever receives transactions calls [Door.Submit] and passes each answer on; the executor calls
// [Door.NoteBlock] after each block; a validator calls [Door.Restore] with its batches of an earlier run, [Door.NoteEpoch]
// when its ordering reaches an epoch, and [Door.DropTx] for what it seals no more. [Door.Executed] finds what became of a transaction that waited here, whatever code execution
// gave.
//
// # Promises
//
// Work comes after checks that cost less, and after a slot for it: decode, chain, nonce, fee and balance against the newest
// state and against what waits here (mempool/admission), then a slot, then signatures in groups, then costly proofs one at a
// time. Who sends them is an owner: the address of a client, or a peer. No owner has all slots, and those that wait are
// served in turn. A request of bad signatures costs admission.MaxBad verifications, one of refused costly proofs costs one.
// Everything that is remembered is bounded. All methods may be called from any goroutine.
package door

import (
	"context"
	"errors"
	"runtime"
	"sync"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/ed25519"
	"github.com/remora-network/remora/mempool/admission"
	"github.com/remora-network/remora/node/head"
	"github.com/remora-network/remora/node/limits"
	"github.com/remora-network/remora/state"
	"github.com/remora-network/remora/state/verdict"
)

// Bounds of what is remembered, and of waiting.
const (
	maxRefused        = 4096 // refusals, by the hash of the transaction
	maxOutcomes       = 8192 // executions of transactions that waited here
	maxVisits         = 1024 // requests that are here
	maxOwnerVisits    = 256  // those of one owner
	maxAccountWaiting = 4    // transactions of one account that wait until a costly one is verified
	// refusedBlocks is the number of blocks for which a refusal that depends on the state is remembered.
	refusedBlocks = 4
)

// ErrBusy says that the node as a whole has no room. Clients are told to retry later.
var ErrBusy = errors.New("too many transactions wait to be ordered")

// ErrOverdrawn says that the client has more requests waiting here than one client may. Its other requests go on.
var ErrOverdrawn = errors.New("this client has too many submissions under way: wait for the answers to some")

// Answer is the batch that took a transaction, durable, or the reason why none did.
type Answer struct {
	Batch   remora.Hash
	Waiting bool // the transaction waited here already: it is answered like the first time
	Refusal *admission.Refusal
}

// Err returns the refusal in an answer, as a *remora.Rejection where a block could give it too, nil if there is none.
func (a *Answer) Err() error {
	if a.Refusal == nil {
		return nil
	}
	var code remora.Code
	if code.UnmarshalText([]byte(a.Refusal.Code)) == nil {
		return &remora.Rejection{Code: code, Reason: a.Refusal.Reason}
	}
	return a.Refusal
}

// Config holds the parts that a Door works with.
type Config struct {
	Machine *state.Machine
	Genesis *remora.Genesis
	Head    *head.Head
	// Verifier gives verdicts on costly proofs.
	Verifier verdict.Verifier
	// VerifySigned gives verdicts on signatures; nil: ed25519.VerifyAll.
	VerifySigned func([]ed25519.Item) []bool
	// Pass hands transactions on, to the batches of this node or to validators. An answer belongs to each; an error says
	// that none was taken. It keeps the slices.
	Pass func(ctx context.Context, txs [][]byte) ([]Answer, error)
	// Owns reports whether this node made a batch; nil: it makes none.
	Owns func(*remora.Batch) bool
	// Patience is the number of blocks after which a transaction that was passed on waits here no more; 0: it waits until it
	// is executed or dropped.
	Patience remora.Height
	Hits     *limits.Hits // optional
}

// Door admits transactions.
type Door struct {
	Config
	domain  remora.Domain // of signatures
	slots   *turnstile    // for signatures and cheap rules
	costly  *turnstile    // for proofs of pairings, and long claims
	proving *turnstile    // for the same, by account instead of owner

	mu       sync.Mutex
	ordered  remora.Epoch   // the newest that the shell noted
	executed remora.Epoch   // the newest up to which what expired has ended
	visits   int            // requests that are here
	visitors map[string]int // the same, by owner
	pending  *admission.Pending
	tickets  map[remora.Hash]*ticket // of those that wait
	batches  map[remora.Hash]int     // that hold some of them, with their number
	refused  remora.Recent[remora.Hash, refused]
	outcomes remora.Recent[remora.Hash, Outcome]
	ended    []ended // executed in blocks that the newest view may not show yet
	passed   []passed
	masses   *masses // of refusals
}

// ticket is the answer that a transaction which waits has, or will have.
type ticket struct {
	hash   remora.Hash
	done   chan struct{} // closed when answer is final
	answer Answer
}

// refused is a remembered refusal.
type refused struct {
	refusal *admission.Refusal
	until   remora.Height // the last height at which it is remembered
}

// New returns the door of a node.
func New(c Config) *Door {
	if c.VerifySigned == nil {
		c.VerifySigned = ed25519.VerifyAll
	}
	if c.Owns == nil {
		c.Owns = func(*remora.Batch) bool { return false }
	}
	cores := runtime.GOMAXPROCS(0)
	return &Door{
		Config: c, domain: c.Genesis.Domain(), slots: newTurnstile(2*cores, cores, maxOwnerVisits), costly: newTurnstile(cores+1, max(1, cores/2), maxOwnerVisits),
		pending: admission.NewPending(admission.DefaultLimits()), visitors: map[string]int{}, tickets: map[remora.Hash]*ticket{}, batches: map[remora.Hash]int{},
		refused: remora.NewRecent[remora.Hash, refused](maxRefused), outcomes: remora.NewRecent[remora.Hash, Outcome](maxOutcomes),
		proving: newTurnstile(maxVisits, 1, maxAccountWaiting), masses: newMasses(),
	}
}

// Submit admits the transactions of one request and hands them on. It returns an answer for each. An error is about the
// whole request: ErrBusy, ErrOverdrawn, the end of ctx, or a failure of this node; then none was taken. The door keeps the
// slices.
func (d *Door) Submit(ctx context.Context, owner string, txs [][]byte) ([]Answer, error) {
	if err := d.enterVisit(owner); err != nil {
		return nil, err
	}
	defer d.leaveVisit(owner)
	view := d.Head.Newest()
	defer view.Release() //nolint:errcheck // the executor finds what freeing a snapshot may fail with
	d.endExecuted(view.Tip.Height)
	v := newVisit(d, owner, view.View, txs)
	if err := v.sortTxs(ctx); err != nil {
		return nil, err
	}
	if err := v.verifyAll(ctx); err != nil {
		v.giveUp(err)
		return nil, err
	}
	if err := v.passOn(ctx); err != nil {
		return nil, err
	}
	return v.answers, v.answerCopies(ctx)
}

// enterVisit counts a request. Whoever entered calls leaveVisit.
func (d *Door) enterVisit(owner string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.visitors[owner] >= maxOwnerVisits {
		d.Hits.RecordHit("submissions of a client", owner)
		return ErrOverdrawn
	}
	if d.visits >= maxVisits {
		return ErrBusy
	}
	d.visits++
	d.visitors[owner]++
	return nil
}

func (d *Door) leaveVisit(owner string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.visits--
	if d.visitors[owner]--; d.visitors[owner] == 0 {
		delete(d.visitors, owner)
	}
}

// Pending returns the number of transactions that wait.
func (d *Door) Pending() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.pending.Count()
}
