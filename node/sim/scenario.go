// Package sim is the second shell: a committee of validators in one process, on virtual time, over a network and disks
// that fail from a seed. It drives the same cores, the same executor and the same store as the node does, and holds
// every run against what must never break: agreement, one execution of every batch, order, no equivocation, nothing
// acknowledged lost.
//
// Run is a pure function of its Scenario: a failing seed replays, event by event. What the simulation leaves out: block
// shares and their certificates (synced blocks are believed), beacon contributions, real signatures.
package sim

import (
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
)

// Scenario describes a run. All times are virtual. A zero field has the default.
type Scenario struct {
	Validators  int // of equal stake; default 4
	Seed        uint64
	Duration    time.Duration
	GST         time.Duration    // from here on nothing is dropped or duplicated
	Latency     [2]time.Duration // one way, uniform; default 5 to 40 ms
	Drop        float64          // probability, of each message
	Duplicate   float64          // probability, of each message
	TxPerSecond int              // opaque transactions, each to a random validator that is up
	GCDepth     remora.Round     // default 50
	Epoch       time.Duration    // default an hour
	Served      time.Duration    // how long certificates stay stored below the ordering horizon; default a minute
	Grace       time.Duration    // what is accepted this close to the end is not owed; default 10 s
	Crashes     []Crash

	// sabotage, for tests of the checkers, returns the records that a validator really writes.
	sabotage func(remora.Authority, []mempool.Record) []mempool.Record
}

// Crash ends a validator's process. It loses what was not synced, unless Keep says that only the process ended and the
// operating system wrote the rest.
type Crash struct {
	Node  remora.Authority
	At    time.Duration
	Until time.Duration // when it starts again; zero: never
	Point Point
	Keep  bool
}

// Point says where between two steps a validator dies.
type Point uint8

// The points of a crash. All but Idle wait for the first work at or after Crash.At that has something to persist.
const (
	Idle    Point = iota // between two events
	Unsaved              // before the records of its next step are written
	Unsent               // after they are durable and before anything leaves
)

func (s Scenario) withDefaults() Scenario {
	orDefault(&s.Validators, 4)
	orDefault(&s.GCDepth, 50)
	orDefault(&s.Epoch, time.Hour)
	orDefault(&s.Served, time.Minute)
	orDefault(&s.Grace, 10*time.Second)
	if s.Latency == [2]time.Duration{} {
		s.Latency = [2]time.Duration{5 * time.Millisecond, 40 * time.Millisecond}
	}
	return s
}

func orDefault[T int | time.Duration | remora.Round](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// The verdicts, by precedence.
const (
	Diverged   = "diverged"    // safety is broken
	NoProgress = "no-progress" // a running validator executed nothing new after GST
	Lost       = "lost"        // an owed transaction was not executed
	Pass       = "pass"
)

// Report is what came of a run.
type Report struct {
	Verdict    string
	Seed       uint64
	Trace      remora.Hash // over every delivery, block, crash and restart
	Rounds     remora.Round
	Blocks     remora.Height
	StateRoot  remora.Hash // after the last block
	Accepted   int         // transactions acknowledged to clients
	Executed   int
	Crashes    int
	Synced     int // blocks executed by block sync
	Entries    int // the most that a mempool core held in the end, in map and slice entries
	Violations []string
}
