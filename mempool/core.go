package mempool

import (
	"fmt"

	"github.com/remora-network/remora"
)

// Core is the primary of one authority in one term.
type Core struct {
	config     Config
	threshold  remora.Amount // stake of a quorum
	clock      int           // ticks since the start
	now        remora.Millis // from the last Tick
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
	alarm      int            // tick from which Behind may be emitted again
	out        Ready
	busy       bool  // the shell is working on a Ready
	unsafe     error // ErrSafety or ErrTwin, kept for every later Step
}

// New builds a core that continues where the snapshot ends. Certificates of the snapshot count as accepted and are not
// delivered again: the shell passes the same ones to consensus. A certificate with missing parents, which a crash may
// leave at the GC boundary, waits for them and is delivered later. An own header without a certificate is sent again,
// byte for byte, once the snapshot is trusted.
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
		votes:     certifier{votes: make([]*remora.Vote, n), banned: make([]bool, n), suspect: make([]remora.Round, n)},
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

// Step processes a message. An error says why the message was refused; it leaves the core unchanged, except for events.
// After ErrSafety or ErrTwin the authority must sign nothing more.
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
		return c.confirmBatch(m.Ref, m.Proof)
	case BatchesHeld:
		c.noteHolder(m)
	case EpochOrdered:
		c.enterEpoch(m.Epoch)
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

// Tick advances the time by one tick. The wall clock only sets the time in own headers.
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

// Ready returns the pending work of the shell and reports whether there is any. Until Advance it returns nothing: what
// Step and Tick produce meanwhile goes into the next Ready.
func (c *Core) Ready() (Ready, bool) {
	if c.busy || c.out.isEmpty() {
		return Ready{}, false
	}
	ready := c.out
	c.out, c.busy = Ready{}, true
	return ready, true
}

// Advance confirms that everything in the last Ready is done.
func (c *Core) Advance(Ready) { c.busy = false }

// Round returns the round that the authority works on: the one above the highest quorum of accepted certificates.
func (c *Core) Round() remora.Round { return c.dag.quorum + 1 }

// GCRound returns the highest garbage-collected round.
func (c *Core) GCRound() remora.Round { return c.dag.gc }

// Holds reports whether a certificate is accepted or suspended, so that it need not be verified again.
func (c *Core) Holds(r remora.Round, id remora.Parent) bool {
	v := c.dag.vertexAt(r, id.Author)
	return v != nil && v.certificate != nil && v.certificate.Digest() == id.Digest
}

// localRound is the round that this node has reached: after block sync, its blocks may be ahead of its DAG.
func (c *Core) localRound() remora.Round { return max(c.Round(), c.committed) }

// highestKept is the highest round whose headers and certificates are kept: it bounds the memory that peers can claim.
func (c *Core) highestKept() remora.Round { return c.localRound() + 2*c.config.GCDepth }

// gcHorizon is the GC round after a leader.
func gcHorizon(leader, depth remora.Round) remora.Round { return leader - min(leader, depth) }
