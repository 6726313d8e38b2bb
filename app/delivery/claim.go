package delivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/remora-network/remora"
)

const (
	// graceLimit bounds how long an epoch takes receipts after its end, in milliseconds of block time.
	graceLimit   = 1000
	graceDivisor = 4 // the grace is at most an epoch divided by this

	sendTimeout = 20 * time.Second
	// maxPause bounds the blocks between two attempts. It is well below remora.OpenBlocks.
	maxPause = 8
)

// plan is the claim of an epoch. It is fixed once and survives restarts.
type plan struct {
	_       struct{} `cbor:",toarray"`
	Commit  remora.CommitClaim
	Deposit remora.Amount // that the chain takes with the claim
}

// Check reports a plan that cannot be committed.
func (p *plan) Check() error { return p.Commit.Check() }

// job is the state of an epoch's claim. Only the plan must survive a restart, and it is in the journal.
type job struct {
	plan    *plan // nil: the epoch still takes receipts
	seen    bool  // the chain had the claim
	wait    int   // blocks until the next attempt
	pause   int   // between the last two attempts
	waiting bool  // a balance that is too low has been logged
}

// moment is the time of the chain and the uncommitted part of the account during one pass over the epochs.
type moment struct {
	now         remora.Epoch
	age, length remora.Millis // of the epoch
	spoken      remora.Amount // part of the balance that planned claims still need
}

// pastGrace reports whether the grace for an epoch's last receipts is over.
func (m *moment) pastGrace(e remora.Epoch) bool {
	return m.now > e+1 || m.now == e+1 && m.age >= min(graceLimit, m.length/graceDivisor)
}

// claimer claims the epochs of the journal. It belongs to the goroutine of Run.
type claimer struct {
	config  Config
	journal *journal
	jobs    map[remora.Epoch]*job // at most one per epoch in the journal
	swept   remora.Epoch          // of the last sweepTotals
	counts  *counts
}

// watchBlocks advances the claims after every block until ctx ends or the journal fails.
func (c *claimer) watchBlocks(ctx context.Context, of *accounts) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.journal.works, cancel)() // ends the wait for a block
	for ctx.Err() == nil {
		if err := c.claimEpochs(ctx, of); err != nil && ctx.Err() == nil && c.journal.stopCause() == nil {
			c.config.Logger.Warn("claims could not be advanced; trying again after the next block", slog.Any("reason", err))
		}
		if c.journal.stopCause() != nil || c.config.Chain.WaitBlock(ctx) != nil {
			break // only the context ends the wait
		}
	}
	return c.journal.stopCause()
}

// claimEpochs advances the claim of every epoch in the journal by one step, oldest first.
func (c *claimer) claimEpochs(ctx context.Context, of *accounts) error {
	m := new(moment)
	var err error
	if m.now, m.age, m.length, err = c.config.Chain.Epoch(); err != nil {
		return err
	}
	if m.now < c.journal.open {
		return fmt.Errorf("%w: the chain is at epoch %d here and the journal is open from epoch %d on: it must catch up first", remora.ErrInvalid, m.now, c.journal.open)
	}
	for _, e := range c.journal.listEpochs() {
		j := c.jobs[e]
		if j == nil {
			j = new(job)
			c.jobs[e] = j
		}
		if err := c.advanceClaim(ctx, e, j, m); err != nil {
			return err
		}
	}
	if m.now == c.swept {
		return nil
	}
	c.swept = m.now
	return c.sweepTotals(of)
}

func (c *claimer) advanceClaim(ctx context.Context, e remora.Epoch, j *job, m *moment) error {
	if j.plan == nil {
		if !m.pastGrace(e) {
			return nil
		}
		if err := c.makePlan(e, j, m); err != nil || j.plan == nil {
			return err
		}
	}
	claim, seed, found, err := c.config.Chain.Claim(e)
	if err != nil {
		return err
	}
	if !found {
		return c.commitAbsent(ctx, e, j, m)
	}
	j.seen = true
	log := c.config.Logger.With(slog.Uint64("epoch", uint64(e)), slog.String("claim", claim.ID.String()))
	switch claim.State {
	case remora.ClaimCommitted, remora.ClaimChallenged:
		m.spoken = addAmounts(m.spoken, c.config.Params.LeastFee(remora.MaxOpeningWeight))
		if claim.State == remora.ClaimChallenged && seed.Step != 0 {
			c.attemptStep(ctx, j, log, "open the claim", func(ctx context.Context) error { return c.openClaim(ctx, j.plan, claim, seed) })
		}
	case remora.ClaimSettled:
		if claim.Released || m.now > claim.Release {
			log.Info("claim is paid", slog.Uint64("bytes", claim.Bytes), slog.String("paid", claim.Paid.String()))
			return c.dropEpoch(e, nil)
		}
	case remora.ClaimRejected:
		log.Warn("claim is rejected: the chain fixed no seed in time")
		return c.dropEpoch(e, nil)
	case remora.ClaimSlashed:
		log.Error("claim was not opened in time and the deposit is lost", slog.String("deposit", claim.Deposit.String()))
		return c.dropEpoch(e, nil)
	}
	return nil
}

// commitAbsent commits a claim that the chain does not have, unless it is too late.
func (c *claimer) commitAbsent(ctx context.Context, e remora.Epoch, j *job, m *moment) error {
	log := c.config.Logger.With(slog.Uint64("epoch", uint64(e)))
	switch {
	case j.seen:
		log.Info("claim is closed: the chain has deleted it")
		return c.dropEpoch(e, nil)
	case m.now > e+remora.ClaimEpochs:
		log.Error("claim could not be committed in time and is given up", slog.Uint64("bytes", j.plan.Commit.Total))
		return c.dropEpoch(e, nil)
	}
	fees := &c.config.Params
	m.spoken = addAmounts(m.spoken, j.plan.Deposit, fees.LeastFee(remora.WeighClaim(len(j.plan.Commit.Items))), fees.LeastFee(remora.MaxOpeningWeight))
	c.attemptStep(ctx, j, log, "commit the claim", func(ctx context.Context) error {
		return c.config.Sender.Send(ctx, remora.KindCommitClaim, j.plan.Commit)
	})
	return nil
}

// attemptStep sends a transaction. After each failure it skips more blocks, at most maxPause.
func (c *claimer) attemptStep(ctx context.Context, j *job, log *slog.Logger, what string, do func(context.Context) error) {
	if j.wait > 0 {
		j.wait--
		return
	}
	trying, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	err := do(trying)
	var no *remora.Rejection
	switch {
	case err == nil:
		j.pause = 0
		return
	case ctx.Err() != nil, errors.As(err, &no) && no.Code == remora.CodeClaimExists: // sent before a restart
		return
	case errors.As(err, &no):
		log.Warn("the chain refused to "+what, slog.String("code", no.Code.String()), slog.String("reason", no.Reason))
	default:
		log.Warn("could not "+what+" yet", slog.Any("reason", err))
	}
	j.wait = j.pause
	j.pause = min(2*j.pause+1, maxPause)
}

// dropEpoch removes an epoch from the journal, in one write with puts: its claim is resolved, or none is possible.
func (c *claimer) dropEpoch(e remora.Epoch, puts map[string][]byte) error {
	rows := [][]byte{epochKey(rowReceipt, e), epochKey(rowExtent, e), epochKey(rowPlan, e)}
	if err := c.journal.writeRows(puts, rows); err != nil {
		return err
	}
	c.journal.endEpoch(e)
	delete(c.jobs, e)
	return nil
}

// sweepBatch bounds the rows that one sweep removes.
const sweepBatch = 1024

// sweepTotals removes the totals of sessions that the chain does not have any more.
func (c *claimer) sweepTotals(of *accounts) error {
	var gone []remora.SessionID
	var rows [][]byte
	err := c.journal.visitRows([]byte{rowAccount}, func(key, _ []byte) error {
		number, err := keyNumber(key)
		if err != nil || len(gone) == sweepBatch { // the rest goes in the next epoch
			return err
		}
		id := remora.SessionID(number)
		_, _, found, err := c.config.Chain.Session(id)
		if err == nil && !found {
			gone, rows = append(gone, id), append(rows, accountKey(id))
		}
		return err
	})
	if err != nil || len(gone) == 0 {
		return err
	}
	of.forgetSessions(gone)
	return c.journal.writeRows(nil, rows)
}
