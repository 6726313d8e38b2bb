// Package sim is the second shell: a committee of validators in one process, on virtual time, over a network and disks
// that fail from a seed, some of them Byzantine if the scenario says so. It drives the same cores, executor and store as
// the node does, and takes every decision by the node's code: requests, block sync, block certificates, pruning, signing
// rights. Every run is held against what must never break: agreement, at most one execution of every batch, order, no
// equivocation, nothing acknowledged lost, coins conserved.
//
// Run is a pure function of its Scenario: a failing seed replays, event by event. In the place of signatures stand hashes
// that are checked alike, unless the scenario chooses real ones.
package sim

import (
	"slices"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
)

// Scenario describes a run. All times are virtual. A zero field has the default.
type Scenario struct {
	Validators  int      // default 4
	Stake       []uint64 // of each; default 1
	Seed        uint64
	Rule        string        // commit rule; default bullshark
	Signatures  string        // FakeSignatures, the default, or RealSignatures
	Duration    time.Duration // default 10 s
	GST         time.Duration // from here on nothing is dropped or duplicated at random
	TxPerSecond int           // opaque transactions, each to a random validator that is up
	GCDepth     remora.Round  // default 50
	EpochBlocks remora.Height // blocks of an epoch; default one epoch
	Network     Network
	Served      time.Duration // how long certificates stay stored below the ordering horizon; default a minute
	Grace       time.Duration // what is accepted this close to the end is not owed; default 10 s
	Faults      []Fault

	// sabotage, for tests of the checkers, returns the records that a validator really writes.
	sabotage func(remora.Authority, []mempool.Record) []mempool.Record
}

// Network holds the properties of all links between validators.
type Network struct {
	Latency   [2]time.Duration // one way, uniform; default 5 to 40 ms
	Cities    bool             // validators stand in cities of the world, which Latency adds to
	Drop      float64          // probability, of each message
	Duplicate float64          // probability, of each message
}

// Kind names a fault.
type Kind string

// The kinds of faults.
const (
	Crash     Kind = "crash"     // the process dies, and what was not synced is lost
	Wipe      Kind = "wipe"      // the process dies, and the disk is gone
	Rollback  Kind = "rollback"  // at Until the disk is as it was at At: a backup was restored, or the disk lied about syncs
	Slow      Kind = "slow"      // messages to and from the validator and its executions take Factor times as long
	DiskFull  Kind = "disk-full" // writes fail
	Clock     Kind = "clock"     // the wall clock is Offset off
	Partition Kind = "partition" // only validators of one group reach each other
	OneWay    Kind = "one-way"   // messages From To are lost
	Byzantine Kind = "byzantine" // the validator breaks the protocol by a Behaviour
)

// Fault is something that goes wrong from At until Until, or to the end when Until is zero.
type Fault struct {
	Kind      Kind
	At, Until time.Duration
	Node      remora.Authority // of all kinds but Partition and OneWay
	Factor    float64          // of Slow; at least 1
	Offset    time.Duration    // of Clock
	Groups    [][]remora.Authority
	From, To  remora.Authority // of OneWay
	Behaviour Behaviour        // of Byzantine
	Point     Point            // of Crash
	Keep      bool             // of Crash: only the process ends, and the operating system writes the rest
}

// Point says where between two steps a validator dies.
type Point uint8

// The points of a crash. All but Idle wait for the first work at or after the time of the crash that has something to
// persist.
const (
	Idle    Point = iota // between two events
	Unsaved              // before the records of its next step are written
	Unsent               // after they are durable and before anything leaves
)

// Behaviour says how a Byzantine validator behaves. In all else it follows the protocol.
type Behaviour string

// The behaviours.
const (
	Equivocate          Behaviour = "equivocate"           // two headers a round, one for each half; votes for everything
	WithholdBatch       Behaviour = "withhold-batch"       // batches go only to a quorum, or to no peer
	WithholdCertificate Behaviour = "withhold-certificate" // its certificates are not sent
	BadSignature        Behaviour = "bad-signature"        // what it signs does not verify
	FarFuture           Behaviour = "far-future"           // headers of rounds that are far ahead
	Garbage             Behaviour = "garbage"              // messages with random bytes in them
	LieInSync           Behaviour = "lie-in-sync"          // answers that were tampered with
	Silent              Behaviour = "silent"               // sends nothing
	Flood               Behaviour = "flood"                // rubbish that must be verified, at line rate
	PinQuota            Behaviour = "pin-quota"            // each peer gets other batches that are never accepted
	TinyBatches         Behaviour = "tiny-batches"         // headers full of the smallest batches
	BadTransactions     Behaviour = "bad-transactions"     // batches full of faults
	FutureEpoch         Behaviour = "future-epoch"         // batches of epochs to come
	Twin                Behaviour = "twin"                 // runs twice, from the same state on
)

// Behaviours lists all of them.
var Behaviours = []Behaviour{
	Equivocate, WithholdBatch, WithholdCertificate, BadSignature, FarFuture, Garbage, LieInSync, Silent, Flood, PinQuota, TinyBatches,
	BadTransactions, FutureEpoch, Twin,
}

// WithDefaults returns the scenario with every field set.
func (s Scenario) WithDefaults() Scenario {
	orDefault(&s.Validators, 4)
	orDefault(&s.Rule, "bullshark")
	orDefault(&s.Signatures, FakeSignatures)
	orDefault(&s.Duration, 10*time.Second)
	orDefault(&s.GCDepth, 50)
	orDefault(&s.Served, time.Minute)
	orDefault(&s.Grace, 10*time.Second)
	orDefault(&s.Network.Latency, [2]time.Duration{5 * time.Millisecond, 40 * time.Millisecond})
	if len(s.Stake) == 0 && s.Validators > 0 && s.Validators <= MaxValidators {
		s.Stake = slices.Repeat([]uint64{1}, s.Validators)
	}
	return s
}

func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// isByzantine reports whether a validator breaks the protocol at any time.
func (s *Scenario) isByzantine(a remora.Authority) bool {
	return slices.ContainsFunc(s.Faults, func(f Fault) bool { return f.Kind == Byzantine && f.Node == a })
}
