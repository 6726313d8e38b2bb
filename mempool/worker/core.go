// Package worker bundles transactions into batches and sees to it that a quorum stores them before the mempool may
// propose them. It is a pure state machine of the kind that package mempool describes: the shell calls Submit, Step and
// Tick from one goroutine, does what Ready says, then calls Advance.
//
// The bytes of a batch are shared, never copied and never changed.
package worker

import (
	"fmt"

	"github.com/remora-network/remora"
)

// Config is what a worker is for its lifetime. A zero limit has the default.
type Config struct {
	Committee   *remora.Committee
	Self        remora.Authority
	ID          remora.Worker
	MaxBatch    int          // bytes at which a batch is sealed; default 500,000
	SealTicks   int          // ticks at which it is sealed, from its first transaction on; default 4
	ResendTicks int          // ticks after which a batch is sent again to who did not acknowledge it; default 100
	MaxPending  int          // bytes of own unexecuted batches, at least 4 KiB for each, before Submit pushes back; default 8 MiB
	PeerQuota   int          // bytes of unexecuted batches stored for each peer, at least 4 KiB for each; default 64 MiB
	FirstSeq    uint64       // number of the next batch: above all that this worker ever sealed
	Epoch       remora.Epoch // of the state at start
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
	set(&c.PeerQuota, 64<<20)
	c.MaxBatch = min(c.MaxBatch, remora.MaxBatchBytes)
	return c
}

// Core is one worker of an authority.
type Core struct {
	config Config
	epoch  remora.Epoch // executed
	ahead  remora.Epoch // ordered, not below epoch
	clock  int          // ticks since the start
	own    maker
	peers  keeper
	heard  []int // by authority: tick of the last message
	out    Ready
	busy   bool // a Ready is with the shell
}

// New builds a worker. Own unexecuted batches of an earlier run come back by Restored.
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

// Step takes a message. An error is the reason why it was refused.
func (c *Core) Step(m Message) error {
	switch m := m.(type) {
	case Acked:
		err := c.receiveAck(m.From, m.Digest)
		c.notePeerAlive(m.From)
		return err
	case PeerBatch:
		if !m.Fetched {
			c.notePeerAlive(m.From)
		}
		return c.receiveBatch(m)
	case Executed:
		for _, digest := range m.Digests {
			c.own.removeBatch(digest)
			c.peers.removeExecuted(digest)
		}
	case EpochChanged:
		c.enterEpoch(m.Epoch)
	case EpochOrdered:
		c.ahead = max(c.ahead, m.Epoch)
	case Restored:
		return c.restoreBatch(m.Batch)
	default:
		return fmt.Errorf("worker: %w: message of type %T", remora.ErrInvalid, m)
	}
	return nil
}

// Tick advances the time by one tick.
func (c *Core) Tick() {
	c.clock++
	if c.own.builder.Count() > 0 && c.clock-c.own.since >= c.config.SealTicks {
		c.sealBatch()
	}
	c.resendUnacked()
}

// Ready returns what the shell has to do and reports whether there is anything. Until Advance it reports nothing new.
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

// Pending returns the bytes of own batches that are not executed, the one under construction included.
func (c *Core) Pending() int { return c.own.pendingBytes() }

// enterEpoch starts an epoch. A batch executes in the epoch of its seal or in the next one.
func (c *Core) enterEpoch(epoch remora.Epoch) {
	if epoch <= c.epoch {
		return
	}
	c.epoch, c.ahead = epoch, max(c.ahead, epoch)
	c.resealExpired()
	c.peers.removeExpired(epoch)
}

// hasExpired reports whether a batch of an epoch can no longer execute.
func (c *Core) hasExpired(epoch remora.Epoch) bool { return epoch+1 < c.epoch }
