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
	graceLimit = 1000
	graceShare = 4 // of an epoch, where that is less

	sendTimeout = 20 * time.Second
	// maxPause bounds the blocks between two attempts. It is well below remora.OpenBlocks.
	maxPause = 8
)

// plan is the claim of an epoch as it is committed, now or after any number of restarts.
type plan struct {
	_       struct{} `cbor:",toarray"`
	Commit  remora.CommitClaim
	Deposit remora.Amount // that the chain will ask for
}

// Check reports a plan that cannot be committed.
func (p *plan) Check() error { return p.Commit.Check() }

// job is what Run remembers of an epoch. Only the plan matters, and it is in the journal.
type job struct {
	plan    *plan // nil: not made yet
	seen    bool  // the chain had the claim
	wait    int   // blocks until the next attempt
	pause   int   // between the last two attempts
	waiting bool  // said already that the account has too little
}

// moment is what a pass over the epochs goes by.
type moment struct {
	now         remora.Epoch
	age, length remora.Millis
	spoken      remora.Amount // of the balance, for what is planned and not yet on the chain
}

// pastGrace reports whether the receipts of an epoch had their time to come in.
func (r *moment) pastGrace(e remora.Epoch) bool {
	return r.now > e+1 || r.now == e+1 && r.age >= min(graceLimit, r.length/graceShare)
}

// claimer takes the epochs of the journal through their claims. It belongs to the goroutine of Run.
type claimer struct {
	c       Config
	journal *journal
	jobs    map[remora.Epoch]*job // at most one per epoch in the journal
	swept   remora.Epoch          // in which rows of old sessions were last looked for
	counts  *counts
}

// watchBlocks looks after the claims with every block until ctx ends or the journal fails.
func (s *claimer) watchBlocks(ctx context.Context, of *accounts) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.journal.works, cancel)() // whatever the loop waits for
	for ctx.Err() == nil {
		if err := s.claimEpochs(ctx, of); err != nil && ctx.Err() == nil && s.journal.stopCause() == nil {
			s.c.Logger.Warn("could not look after the claims; trying again after the next block", slog.Any("reason", err))
		}
		if s.journal.stopCause() != nil || s.c.Chain.WaitBlock(ctx) != nil {
			break // only the context ends the wait
		}
	}
	return s.journal.stopCause()
}

// claimEpochs takes every epoch of the journal as far as the chain lets it, the oldest first.
func (s *claimer) claimEpochs(ctx context.Context, of *accounts) error {
	r := new(moment)
	var err error
	if r.now, r.age, r.length, err = s.c.Chain.Epoch(); err != nil {
		return err
	}
	if r.now < s.journal.open {
		return fmt.Errorf("%w: the chain is at epoch %d here and the journal is open from epoch %d on: it must catch up first", remora.ErrInvalid, r.now, s.journal.open)
	}
	for _, e := range s.journal.kept.listEpochs() {
		j := s.jobs[e]
		if j == nil {
			j = new(job)
			s.jobs[e] = j
		}
		if err := s.advanceClaim(ctx, e, j, r); err != nil {
			return err
		}
	}
	if r.now == s.swept {
		return nil
	}
	s.swept = r.now
	return s.sweepTotals(of)
}

// advanceClaim takes an epoch one step on.
func (s *claimer) advanceClaim(ctx context.Context, e remora.Epoch, j *job, r *moment) error {
	if j.plan == nil {
		if !r.pastGrace(e) {
			return nil
		}
		if err := s.makePlan(e, j, r); err != nil || j.plan == nil {
			return err
		}
	}
	claim, seed, found, err := s.c.Chain.Claim(e)
	if err != nil {
		return err
	}
	if !found {
		return s.commitAbsent(ctx, e, j, r)
	}
	j.seen = true
	log := s.c.Logger.With(slog.Uint64("epoch", uint64(e)), slog.String("claim", claim.ID.String()))
	switch claim.State {
	case remora.ClaimCommitted:
		r.spoken = addAmounts(r.spoken, s.feeFor(remora.MaxTxBytes))
	case remora.ClaimChallenged:
		r.spoken = addAmounts(r.spoken, s.feeFor(remora.MaxTxBytes))
		if seed.Step != 0 {
			s.attemptStep(ctx, j, log, "open the claim", func(ctx context.Context) error { return s.openClaim(ctx, j.plan, claim, seed) })
		}
	case remora.ClaimSettled:
		if claim.Released || r.now > claim.Release {
			log.Info("claim is paid", slog.Uint64("bytes", claim.Bytes), slog.String("paid", claim.Paid.String()))
			return s.dropEpoch(e, nil)
		}
	case remora.ClaimRejected:
		log.Warn("claim came to nothing: the chain fixed no seed in time")
		return s.dropEpoch(e, nil)
	case remora.ClaimSlashed:
		log.Error("claim was not opened in time and the deposit is lost", slog.String("deposit", claim.Deposit.String()))
		return s.dropEpoch(e, nil)
	}
	return nil
}

// commitAbsent commits a claim that the chain does not have, as long as it may still be committed.
func (s *claimer) commitAbsent(ctx context.Context, e remora.Epoch, j *job, r *moment) error {
	log := s.c.Logger.With(slog.Uint64("epoch", uint64(e)))
	switch {
	case j.seen:
		log.Info("claim is closed: the chain has forgotten it")
		return s.dropEpoch(e, nil)
	case r.now > e+remora.ClaimEpochs:
		log.Error("claim could not be committed in time and is given up", slog.Uint64("bytes", j.plan.Commit.Total))
		return s.dropEpoch(e, nil)
	}
	r.spoken = addAmounts(r.spoken, j.plan.Deposit, s.feeFor(len(remora.Encode(j.plan.Commit))+txOverhead), s.feeFor(remora.MaxTxBytes))
	s.attemptStep(ctx, j, log, "commit the claim", func(ctx context.Context) error {
		return s.c.Sender.Send(ctx, remora.KindCommitClaim, j.plan.Commit)
	})
	return nil
}

// attemptStep does what may fail, and after a failure waits longer each time. The next round sees what came of it.
func (s *claimer) attemptStep(ctx context.Context, j *job, log *slog.Logger, what string, do func(context.Context) error) {
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
	case ctx.Err() != nil:
		return
	case errors.As(err, &no) && no.Code == remora.CodeClaimExists:
		return // an attempt of an earlier life
	case errors.As(err, &no):
		log.Warn("the chain refused to "+what, slog.String("code", no.Code.String()), slog.String("reason", no.Reason))
	default:
		log.Warn("could not "+what+" yet", slog.Any("reason", err))
	}
	j.wait = j.pause
	j.pause = min(2*j.pause+1, maxPause)
}

// dropEpoch ends an epoch, with the rows that are to be written meanwhile: the chain is done with its claim, or will
// never take one.
func (s *claimer) dropEpoch(e remora.Epoch, puts map[string][]byte) error {
	rows := [][]byte{epochKey(rowReceipt, e), epochKey(rowExtent, e), epochKey(rowPlan, e)}
	if err := s.journal.writeRows(puts, rows); err != nil {
		return err
	}
	s.journal.kept.endEpoch(e)
	delete(s.jobs, e)
	return nil
}

// sweepBatch bounds the rows that one write of sweep removes.
const sweepBatch = 1024

// sweepTotals removes the totals of sessions that the chain does not have any more.
func (s *claimer) sweepTotals(of *accounts) error {
	var gone []remora.SessionID
	var rows [][]byte
	err := s.journal.visitRows([]byte{rowAccount}, func(key, _ []byte) error {
		number, err := keyNumber(key)
		if err != nil || len(gone) == sweepBatch { // the others go in the next epoch
			return err
		}
		id := remora.SessionID(number)
		_, _, found, err := s.c.Chain.Session(id)
		if err == nil && !found {
			gone, rows = append(gone, id), append(rows, accountKey(id))
		}
		return err
	})
	if err != nil || len(gone) == 0 {
		return err
	}
	of.forgetSessions(gone)
	return s.journal.writeRows(nil, rows)
}
