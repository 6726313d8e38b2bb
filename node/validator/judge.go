package validator

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/limits"
	"github.com/remora-network/remora/node/p2p"
	"github.com/remora-network/remora/node/trust"
)

// The limits to which a member of the committee may be held, as they are recorded.
const (
	limitFailed  = "messages that fail their check"
	limitPaused  = "certificates of a blamed member"
	limitDropped = "messages replaced by newer ones"
	limitBatches = "batches that are refused"
	limitWaiting = "batches that wait to be ordered"
	limitFaults  = "transactions that no honest member takes"
	limitFuture  = "batches of epochs to come"
)

// judge shares the intake of messages between loops, and names who is held to a limit.
type judge struct {
	committee *trust.Committee
	progress  *Progress
	hits      *limits.Hits
	log       *slog.Logger

	mu     sync.Mutex
	intake *Intake[p2p.Message]
}

func newJudge(c *trust.Committee, progress *Progress, hits *limits.Hits, log *slog.Logger) *judge {
	return &judge{committee: c, progress: progress, hits: hits, log: log, intake: NewIntake[p2p.Message](c.Size())}
}

// blameMember notes that a message did not pass a check that its sender should have made.
func (j *judge) blameMember(ctx context.Context, a remora.Authority, reason error) {
	round := remora.Round(j.progress.round.Load())
	j.mu.Lock()
	alone, paused := j.intake.Standing.Blame(a, round, time.Now())
	j.mu.Unlock()
	j.recordHit(limitFailed, a)
	j.log.DebugContext(ctx, "a member's message does not hold; it is checked apart for a while", slog.String("member", j.committee.Members[a].Name),
		slog.Any("reason", reason), slog.Uint64("until_round", uint64(alone)), slog.Time("paused_until", paused))
}

func (j *judge) recordHit(limit string, a remora.Authority) {
	j.hits.RecordHit(limit, j.committee.Members[a].Name)
}

// noteFaults names the authors of executed batches that hold transactions which no honest member takes, and of headers that list
// batches of later epochs: an honest author seals and lists in epochs that it has ordered.
func (j *judge) noteFaults(block *remora.Block, batches []remora.Batch) {
	results := block.Results
	for i := range batches {
		mine := results[:batches[i].Count]
		results = results[batches[i].Count:]
		if slices.ContainsFunc(mine, func(r byte) bool { return remora.Code(r).IsFault() || remora.Code(r) == remora.CodeSkipped }) {
			j.recordHit(limitFaults, batches[i].Author)
		}
	}
	for _, h := range block.DAG {
		if slices.ContainsFunc(h.Payload, func(r remora.BatchRef) bool { return r.Epoch > block.Header.Epoch }) {
			j.recordHit(limitFuture, h.Author)
		}
	}
}

// admitFrame reports whether a frame is to be checked now; otherwise it is kept, in the place of an older one.
func (j *judge) admitFrame(from remora.Authority, class Class, m p2p.Message) bool {
	j.mu.Lock()
	admitted, dropped := j.intake.Admit(from, class, m, time.Now())
	j.mu.Unlock()
	if dropped {
		j.recordHit(limitDropped, from)
	}
	if !admitted && class == ClassCertificate {
		j.recordHit(limitPaused, from)
	}
	return admitted
}

// takeDue returns the kept frames whose time has come.
func (j *judge) takeDue() []p2p.Message {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.intake.TakeDue(time.Now())
}

// nextDue returns how long the time of the next kept frame is off, and whether one is kept.
func (j *judge) nextDue() (time.Duration, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.intake.NextDue(time.Now())
}

// isAlone reports whether a member's certificates are checked apart from those of others.
func (j *judge) isAlone(a remora.Authority) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.intake.Standing.IsAlone(a, remora.Round(j.progress.round.Load()))
}

// pauseLeft returns how long a member's certificates are not checked.
func (j *judge) pauseLeft(a remora.Authority) time.Duration {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.intake.Standing.PauseLeft(a, time.Now())
}
