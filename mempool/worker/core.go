package worker

import (
	"fmt"

	"github.com/remora-network/remora"
)

// Config holds the constants of a worker. Zero limits mean the defaults.
type Config struct {
	Committee   *remora.Committee
	Self        remora.Authority
	ID          remora.Worker
	MaxBatch    int          // bytes at which a batch is sealed; default 500,000
	SealTicks   int          // ticks from its first transaction until it is sealed; default 4
	ResendTicks int          // ticks after which a batch is sent again to peers that have not acknowledged it; default 100
	MaxPending  int          // charged bytes of own unexecuted batches before Submit pushes back; default 8 MiB
	PushQuota   int          // charged bytes of a peer's own batches that it may send before they are ordered; default 64 MiB
	ListQuota   int          // charged bytes of batches that a peer's headers may make this authority fetch; default remora.ListQuota
	FirstSeq    uint64       // number of the next batch, above every number that this worker ever used; little above the last one
	Epoch       remora.Epoch // of the state at the start
	// Keep reports whether a transaction of an expired batch is worth being sealed again in an epoch; nil: all are. It is a
	// pure function of its arguments.
	Keep func(tx []byte, sealing remora.Epoch) bool
}

func (c Config) withDefaults() Config {
	set := func(field *int, value int) {
		if *field <= 0 {
			*field = value
		}
	}
	set(&c.MaxBatch, 500_000)
	set(&c.SealTicks, 4)
	set(&c.ResendTicks, 100)
	set(&c.MaxPending, 8<<20)
	set(&c.PushQuota, 64<<20)
	set(&c.ListQuota, remora.ListQuota)
	if c.Keep == nil {
		c.Keep = func([]byte, remora.Epoch) bool { return true }
	}
	c.MaxBatch = min(c.MaxBatch, remora.MaxBatchBytes)
	return c
}

// Core is one worker of an authority.
type Core struct {
	config Config
	epoch  remora.Epoch // of execution
	ahead  remora.Epoch // of ordering, at least epoch
	clock  int          // ticks since the start
	own    maker
	peers  keeper
	heard  []int // by authority: tick of the last message
	out    Ready
	busy   bool // a Ready is with the shell
}

// New builds a worker. The shell passes own unexecuted batches of an earlier run as Restored.
func New(config Config) (*Core, error) {
	if config.Committee == nil || !config.Committee.Has(config.Self) {
		return nil, fmt.Errorf("worker: %w: a worker needs a committee that it is in", remora.ErrInvalid)
	}
	n := config.Committee.Size()
	return &Core{
		config: config.withDefaults(),
		epoch:  config.Epoch,
		ahead:  config.Epoch,
		own:    maker{seq: config.FirstSeq, unexecuted: make(map[remora.Hash]*ownBatch)},
		peers:  newKeeper(n),
		heard:  make([]int, n),
	}, nil
}

// Step processes a message. An error says why the message was refused.
func (c *Core) Step(m Message) error {
	switch m := m.(type) {
	case Acked:
		err := c.receiveAck(m.From, m.Digest)
		c.notePeerAlive(m.From)
		return err
	case PeerBatch:
		c.notePeerAlive(m.From)
		return c.receiveBatch(m)
	case FetchedBatch:
		return c.receiveFetched(m)
	case BlockExecuted:
		c.applyBlock(m)
	case RoundsCollected:
		c.peers.releaseRounds(m.Round)
	case EpochChanged:
		c.enterEpoch(m.Epoch)
	case EpochOrdered:
		c.ahead = max(c.ahead, m.Epoch)
	case Restored:
		return c.restoreBatch(m.Batch, m.Accepted)
	default:
		return fmt.Errorf("worker: %w: message of type %T", remora.ErrInvalid, m)
	}
	return nil
}

// applyBlock ends what a block ends: charges of the batches that it orders, and own batches that it accepts or executes.
func (c *Core) applyBlock(b BlockExecuted) {
	for i := range b.Listed {
		c.peers.releaseBatch(&b.Listed[i])
	}
	for i := range b.Accepted {
		if ref := &b.Accepted[i]; ref.Author == c.config.Self && ref.Worker == c.config.ID {
			c.acceptOwn(ref)
		}
	}
	for _, digest := range b.Executed {
		c.own.removeBatch(digest)
		c.peers.done.Add(digest, struct{}{})
	}
}

// Tick advances the time by one tick.
func (c *Core) Tick() {
	c.clock++
	if c.own.builder.Count() > 0 && c.clock-c.own.since >= c.config.SealTicks {
		c.sealBatch()
	}
	c.resendUnacked()
}

// Ready returns the pending work of the shell and reports whether there is any. Until Advance it returns nothing.
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

// Pending returns the bytes of own unexecuted batches, including the one under construction.
func (c *Core) Pending() int { return c.own.pendingBytes() }

// enterEpoch starts an epoch: own batches that expired are sealed again, as far as that is worth it, those of peers are dropped.
func (c *Core) enterEpoch(epoch remora.Epoch) {
	if epoch <= c.epoch {
		return
	}
	c.epoch, c.ahead = epoch, max(c.ahead, epoch)
	c.resealExpired()
	c.peers.releaseExpired(epoch)
}

// hasExpired reports whether a batch sealed in an epoch can no longer execute: it may in that epoch and the next.
func (c *Core) hasExpired(epoch remora.Epoch) bool { return epoch+1 < c.epoch }
