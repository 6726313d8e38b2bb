// Package mempool is the Narwhal primary of one authority as a pure state machine: it proposes headers, votes for those
// of others, turns votes into certificates and releases certificates in causal order.
//
// The shell decodes and authenticates messages, calls Step and Tick, and does what Ready says in the order that Ready
// states; then it calls Advance. The core has no clock, no goroutine and no disk: the same calls in the same order give
// the same results. It is used by one goroutine. It never changes what it was given, and what it hands out is read-only.
package mempool

import (
	"fmt"

	"github.com/remora-network/remora"
)

// Core is the primary of one authority in one term.
type Core struct {
	config     Config
	threshold  remora.Amount // the quorum
	clock      int           // ticks since the start
	now        remora.Millis // the newest time that Tick was told
	floor      remora.Round  // see Snapshot.Floor
	committed  remora.Round  // of the newest committed leader
	progress   int           // tick of the last own header or quorum
	dag        dag
	own        proposer
	votes      certifier
	peers      voter
	missing    fetcher
	foreign    adopter
	inquiry    inquiry
	tips       []remora.Round // by author: highest round of a verified certificate, in the window or not
	highestTip remora.Round   // of tips
	alarm      int            // tick from which Behind may be reported again
	out        Ready
	busy       bool  // a Ready is with the shell
	unsafe     error // two quorums contradict each other, or the keys are in use twice
}

// New builds a core and makes it ready to go on where the snapshot ends. Certificates of the snapshot count as accepted
// and are not delivered again: the shell hands the same ones to consensus. One whose parents are not all there, which a
// crash may leave behind at the GC boundary, waits for them and is delivered later. An own header without certificate
// is sent again as it was, once the snapshot is trusted.
func New(config Config, snapshot Snapshot) (*Core, error) {
	if err := config.checkFields(); err != nil {
		return nil, err
	}
	config.Pace = config.Pace.withDefaults()
	n := config.Committee.Size()
	c := &Core{
		config:    config,
		threshold: config.Committee.Quorum(),
		floor:     snapshot.Floor,
		committed: snapshot.Committed,
		dag:       newDAG(config.Committee, config.Origin, gcHorizon(snapshot.Committed, config.GCDepth)),
		own:       newProposer(-config.Pace.IdleDelay),
		votes:     certifier{votes: make([]*remora.Vote, n), banned: make([]bool, n)},
		peers:     voter{ballots: make([]ballot, n), waiting: make([]*waiting, n), accused: make([]remora.Round, n)},
		missing:   fetcher{wants: make(map[absence]*want)},
		foreign:   newAdopter(n),
		inquiry:   inquiry{doubt: snapshot.Doubt, answered: make([]bool, n)},
		tips:      make([]remora.Round, n),
		alarm:     snapshot.Quiet,
	}
	if err := c.restoreSnapshot(snapshot); err != nil {
		return nil, err
	}
	if snapshot.Doubt == Trusted {
		c.trustRecord()
	}
	return c, nil
}

// Step takes a message. An error is the reason why the message was refused; it leaves the core as it was, up to events.
// After ErrSafety and ErrTwin the authority must sign nothing more.
func (c *Core) Step(m Message) error {
	err := c.applyMessage(m)
	c.proposeHeader()
	c.requestParents()
	if c.unsafe != nil {
		return c.unsafe
	}
	return err
}

func (c *Core) applyMessage(m Message) error {
	switch m := m.(type) {
	case HeaderReceived:
		return c.receiveHeader(m.Header)
	case VoteReceived:
		return c.receiveVote(m.Vote)
	case CertificateReceived:
		return c.receiveCertificate(m.Certificate)
	case BatchStored:
		return c.confirmBatch(m.Author, m.Ref)
	case BatchReady:
		c.own.enqueueBatch(m.Ref)
	case Ordered:
		c.applyOrdered(m.SubDAGs)
	case ShareMade:
		c.own.carryShare(m.Share)
	case ContributionMade:
		c.own.contribution = []remora.Contribution{m.Contribution}
	case Demand:
		c.own.demand = m.Uncertified
	case TipReceived:
		return c.receiveTip(m)
	default:
		return fmt.Errorf("mempool: %w: message of type %T", remora.ErrInvalid, m)
	}
	return nil
}

// Tick advances the time by one tick. The wall clock is used for nothing but the time in own headers.
func (c *Core) Tick(now remora.Millis) {
	c.clock++
	c.now = now
	c.askForTips()
	c.proposeHeader()
	c.resendUnanswered()
	c.repeatBatchRequests()
	c.adoptBatches()
	c.requestParents()
}

// Ready returns what the shell has to do and reports whether there is anything. Until Advance it reports nothing new:
// what Step and Tick produce meanwhile is in the next one.
func (c *Core) Ready() (Ready, bool) {
	if c.busy || c.out.isEmpty() {
		return Ready{}, false
	}
	ready := c.out
	c.out, c.busy = Ready{}, true
	return ready, true
}

// Advance tells that everything in the last Ready was done.
func (c *Core) Advance(Ready) { c.busy = false }

// Round returns the round that the authority works on: the one above the highest quorum of accepted certificates.
func (c *Core) Round() remora.Round { return c.dag.quorum + 1 }

// GCRound returns the highest round that is forgotten.
func (c *Core) GCRound() remora.Round { return c.dag.gc }

// Holds reports whether the certificate of a round is accepted or suspended here, so that it need not be verified again.
func (c *Core) Holds(r remora.Round, id remora.Parent) bool {
	v := c.dag.vertexAt(r, id.Author)
	return v != nil && v.certificate != nil && v.certificate.Digest() == id.Digest
}

// localRound is the round that the DAG has reached: after block sync, the blocks may be ahead of it.
func (c *Core) localRound() remora.Round { return max(c.Round(), c.committed) }

// highestKept is the highest round of which headers and certificates are kept: it bounds the memory that peers can claim.
func (c *Core) highestKept() remora.Round { return c.localRound() + 2*c.config.GCDepth }

// gcHorizon is the GC round after a leader.
func gcHorizon(leader, depth remora.Round) remora.Round {
	if leader <= depth {
		return 0
	}
	return leader - depth
}
