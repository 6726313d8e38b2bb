package sim

import (
	"slices"
	"time"

	"github.com/remora-network/remora"
)

// The verdicts, by precedence.
const (
	Diverged   = "diverged"    // safety is broken
	NoProgress = "no-progress" // a correct running validator executed nothing new after GST
	Lost       = "lost"        // an owed transaction was not executed
	Pass       = "pass"
)

// Outcome is the result of a run of a scenario.
type Outcome struct {
	Verdict    string        `json:"verdict"`
	Seed       uint64        `json:"seed"`
	Trace      remora.Hash   `json:"trace"` // over every delivery, block, crash and restart
	Rounds     remora.Round  `json:"rounds"`
	Blocks     remora.Height `json:"blocks"`
	StateRoot  remora.Hash   `json:"state_root"` // after the last block
	Violations []string      `json:"violations"`

	Accepted   int     `json:"accepted"` // transactions acknowledged to clients
	Executed   int     `json:"executed"` // of these
	Crashes    int     `json:"crashes"`
	Synced     int     `json:"synced"`     // blocks executed by block sync
	Rejoined   int     `json:"rejoined"`   // validators that came back without the record of what they had signed
	Refused    int     `json:"refused"`    // transactions of the adversary that failed
	OverQuota  int     `json:"over_quota"` // batches that correct validators refused because their sender's quota was used up
	Deliveries int     `json:"deliveries"` // messages that arrived
	Entries    int     `json:"entries"`    // the most that a mempool core held in the end, in map and slice entries
	Latency    Latency `json:"latency_ms"`
}

// Latency is the virtual time from a client's transaction to its execution at the validator that took it, in
// milliseconds, over the transactions of correct validators that never crashed.
type Latency struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// latencyOf sorts the samples in place.
func latencyOf(samples []time.Duration) Latency {
	if len(samples) == 0 {
		return Latency{}
	}
	slices.Sort(samples)
	at := func(percent int) float64 {
		return float64(samples[min(len(samples)*percent/100, len(samples)-1)].Microseconds()) / 1000
	}
	return Latency{P50: at(50), P90: at(90), P99: at(99), Max: at(100)}
}
