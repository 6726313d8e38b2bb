package validator

import (
	"errors"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/mempool/worker"
	"github.com/remora-network/remora/node/blocksync"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/peers"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/node/trust"
	"github.com/remora-network/remora/state/beacon"
	"github.com/remora-network/remora/state/delivery"
	"github.com/remora-network/remora/state/payload"
	"github.com/remora-network/remora/state/registry"
)

const (
	// ReissueEvery is the interval at which shares of blocks without a certificate are offered again: a header that
	// carried one may never have been certified.
	ReissueEvery = 500 * time.Millisecond
	// contributeEvery paces the beacon: a step costs every validator one pairing per contribution.
	contributeEvery = 500 * time.Millisecond
	// recentlyExecuted is the number of newest blocks for whose certificates peers are not asked yet.
	recentlyExecuted = 4
)

// BlockSigner signs a member's shares and contributions.
type BlockSigner interface {
	SignShare(h *remora.BlockHeader) remora.Share
	SignContribution(after remora.Seed) remora.Contribution
}

// Notices are messages for the cores that follow from executed blocks, in order, and the newest height whose
// certificate has been stored since the last call; 0: none.
type Notices struct {
	Mempool   []mempool.Message
	Worker    []worker.Message
	Certified remora.Height
}

// Announcer decides what a validator says about the blocks that it executes: its shares and contributions for the next
// headers, whether there is payload to hurry for, which batches are done, which certificates to ask for. It forms block
// certificates and stores them. It belongs to the executor's goroutine; time is an argument, so a simulation runs the
// same decisions. After each call the owner passes on what TakeNotices returns.
type Announcer struct {
	AnnouncerConfig
	certifier *certifier

	payload     remora.Height // newest block with transactions, or with batches or a claim that wait
	demand      bool          // the newest Demand of the mempool core
	epoch       remora.Epoch  // of the next block, as the worker core knows it
	contributed remora.Contribution
	contributor time.Time // when contributed was made
	reissued    time.Time
	notices     Notices
}

// AnnouncerConfig names what an Announcer works on. All fields are required.
type AnnouncerConfig struct {
	Self      remora.Authority
	Committee *trust.Committee
	Signer    BlockSigner
	Store     *store.Store
	Exec      *exec.Executor
	Progress  *Progress
}

// NewAnnouncer returns an Announcer that has said nothing yet; Resume follows.
func NewAnnouncer(c AnnouncerConfig) *Announcer {
	return &Announcer{AnnouncerConfig: c, certifier: newCertifier(c.Committee)}
}

// TakeNotices returns the notices since the last call.
func (a *Announcer) TakeNotices() Notices {
	n := a.notices
	a.notices = Notices{}
	return n
}

func (a *Announcer) tellMempool(m mempool.Message) { a.notices.Mempool = append(a.notices.Mempool, m) }

// Resume offers again, after a restart, shares of stored blocks without a certificate and a contribution.
func (a *Announcer) Resume(now time.Time) error {
	newest := a.Store.Height()
	certified, err := a.Store.CertifiedTo()
	if err != nil {
		return err
	}
	a.certifier.moveWindow(certified+1, newest)
	if err := a.keepOldest(); err != nil {
		return err
	}
	for h := max(a.certifier.oldest, newest-min(newest, certifierWindow)); h <= newest; h++ {
		cert, err := a.Store.BlockCertificate(h)
		switch {
		case err != nil:
			return err
		case cert == nil:
			err = a.shareStored(h)
		case h == newest:
			a.notices.Certified = h
		}
		if err != nil {
			return err
		}
	}
	return a.makeContribution(now)
}

// shareStored offers this validator's share of a stored block.
func (a *Announcer) shareStored(h remora.Height) error {
	block, err := a.Store.Block(h)
	if err != nil {
		return err
	}
	return a.shareBlock(&block.Header)
}

// BlockExecuted follows a block that this validator executed and that is durable.
func (a *Announcer) BlockExecuted(block *remora.Block, now time.Time) error {
	if err := a.informWorker(block); err != nil {
		return err
	}
	claims, err := delivery.Waiting(a.Exec.View().Tables)
	if err != nil {
		return err
	}
	batches, err := payload.Waits(a.Exec.View().Tables)
	if err != nil {
		return err
	}
	if len(block.Results) > 0 || claims || batches {
		a.payload = block.Header.Height
		a.setDemand(true)
	}
	if err := a.makeContribution(now); err != nil {
		return err
	}
	return a.shareBlock(&block.Header)
}

// BlocksSynced follows consecutive blocks that came with their certificates and are durable.
func (a *Announcer) BlocksSynced(blocks []*remora.Block, now time.Time) error {
	if err := a.informWorker(blocks...); err != nil {
		return err
	}
	last := blocks[len(blocks)-1]
	a.certifier.moveWindow(a.certifier.oldest, last.Header.Height)
	a.Progress.CertifyLeader(last.DAG[len(last.DAG)-1].Round)
	a.notices.Certified = last.Header.Height
	return a.makeContribution(now)
}

// CoresRebuilt repeats to new cores what the old ones were told.
func (a *Announcer) CoresRebuilt() { a.setDemand(a.demand) }

// setDemand tells the mempool core whether payload waits for a certificate: headers then hurry.
func (a *Announcer) setDemand(uncertified bool) {
	a.demand = uncertified
	a.tellMempool(mempool.Demand{Uncertified: uncertified})
}

// informWorker says what the blocks that were executed last did to batches, and whether an epoch began.
func (a *Announcer) informWorker(blocks ...*remora.Block) error {
	done := worker.BlockExecuted{Accepted: a.Exec.Accepted()}
	for _, b := range blocks {
		for _, h := range b.DAG {
			done.Listed = append(done.Listed, h.Payload...)
		}
		done.Executed = append(done.Executed, b.Batches...)
	}
	if len(done.Listed)+len(done.Executed) > 0 {
		a.notices.Worker = append(a.notices.Worker, done)
	}
	next, err := registry.GetEpoch(a.Exec.View().Tables)
	if err != nil || next.Number == a.epoch {
		return err
	}
	a.epoch = next.Number
	a.notices.Worker = append(a.notices.Worker, worker.EpochChanged{Epoch: a.epoch})
	return nil
}

// makeContribution makes the contribution to the beacon's next step at a pace, and offers it again when it does not arrive.
func (a *Announcer) makeContribution(now time.Time) error {
	seed, err := beacon.GetSeed(a.Exec.View().Tables)
	if err != nil {
		return err
	}
	wait := contributeEvery
	if a.contributed.Step == seed.Step+1 {
		wait = 4 * contributeEvery
	}
	if now.Sub(a.contributor) < wait {
		return nil
	}
	a.contributed, a.contributor = a.Signer.SignContribution(seed), now
	a.tellMempool(mempool.ContributionMade{Contribution: a.contributed})
	return nil
}

// shareBlock signs an executed block: for the next header, and towards the certificate formed here.
func (a *Announcer) shareBlock(h *remora.BlockHeader) error {
	s := a.Signer.SignShare(h)
	a.tellMempool(mempool.ShareMade{Share: s})
	if err := a.storeCertificate(a.certifier.enterBlock(h.Height, s.Hash)); err != nil {
		return err
	}
	return a.HearShare(a.Self, s)
}

// HearShare takes a share that a certified header carried. A quorum for another block than this node executed is a
// blocksync.ErrMinority: the node must stop.
func (a *Announcer) HearShare(from remora.Authority, s remora.Share) error {
	if err := a.storeCertificate(a.certifier.addShare(from, s)); err != nil {
		return err
	}
	if other, disputed := a.certifier.findDispute(s.Height); disputed {
		return &blocksync.Minority{Height: other.Height, Hash: other.Hash}
	}
	return nil
}

func (a *Announcer) storeCertificate(cert *remora.BlockCertificate) error {
	if cert == nil {
		return nil
	}
	if err := a.Store.PutBlockCertificate(cert); err != nil {
		return err
	}
	a.certifier.forgetHeight(cert.Height)
	block, err := a.Store.Block(cert.Height)
	if err != nil {
		return err
	}
	a.Progress.CertifyLeader(block.DAG[len(block.DAG)-1].Round)
	a.notices.Certified = max(a.notices.Certified, cert.Height)
	if cert.Height >= a.payload {
		a.setDemand(false)
	}
	return nil
}

// CertificateQuestion asks a peer for the certificates of blocks.
type CertificateQuestion struct {
	Peer  remora.Authority
	Range peers.RangeRequest
}

// Reissue is called every ReissueEvery. It offers shares again for the oldest blocks without a certificate. The question,
// if any, asks a peer for certificates that formed while this node was away; AdoptCertificates takes the answer.
func (a *Announcer) Reissue(now time.Time) (*CertificateQuestion, error) {
	if err := errors.Join(a.makeContribution(now), a.keepOldest()); err != nil {
		return nil, err
	}
	waiting := a.certifier.openHeights()
	if len(waiting) == 0 || a.isRecent(waiting[0]) && now.Sub(a.reissued) < 2*ReissueEvery {
		return nil, nil
	}
	a.reissued = now
	for _, h := range waiting[:min(len(waiting), remora.MaxHeaderShares)] {
		block, err := a.Store.Block(h)
		if err != nil {
			return nil, err
		}
		a.tellMempool(mempool.ShareMade{Share: a.Signer.SignShare(&block.Header)})
	}
	return a.pickQuestion(waiting[0], now), nil
}

func (a *Announcer) isRecent(h remora.Height) bool { return h+recentlyExecuted > a.Store.Height() }

// pickQuestion chooses a peer by the time: the next question goes to another one.
func (a *Announcer) pickQuestion(low remora.Height, now time.Time) *CertificateQuestion {
	n := a.Committee.Size()
	if a.isRecent(low) || n == 1 {
		return nil
	}
	step := 1 + int(now.UnixNano()%int64(n-1))
	return &CertificateQuestion{
		Peer:  remora.Authority((int(a.Self) + step) % n),
		Range: peers.RangeRequest{From: low, Count: uint16(min(peers.MaxBlockRange, a.Store.Height()-low+1))},
	}
}

// AdoptCertificates verifies and stores certificates from a peer, of blocks that lack theirs here. A valid one for
// another block than was executed here is a blocksync.ErrMinority.
func (a *Announcer) AdoptCertificates(certificates []*remora.BlockCertificate) error {
	var found []*remora.BlockCertificate
	for _, cert := range certificates {
		if _, open := a.certifier.openBlock(cert.Height); open {
			found = append(found, cert)
		}
	}
	for i, bad := range a.Committee.CheckBlockCertificates(found) {
		ours, open := a.certifier.openBlock(found[i].Height)
		switch {
		case bad != nil || !open:
			continue
		case found[i].Hash != ours:
			return &blocksync.Minority{Height: found[i].Height, Hash: found[i].Hash}
		}
		if err := a.storeCertificate(found[i]); err != nil {
			return err
		}
	}
	return nil
}

// keepOldest moves the certifier's window to the oldest block without a certificate and enters the blocks from there on,
// so that every height gets one: peers that sync from here could not get past a block without.
func (a *Announcer) keepOldest() error {
	low, newest := a.certifier.oldest, a.Store.Height()
	for ; low <= newest; low++ {
		cert, err := a.Store.BlockCertificate(low)
		if err != nil {
			return err
		}
		if cert == nil {
			break
		}
	}
	a.certifier.moveWindow(low, a.certifier.newest)
	if err := a.Store.PutCertifiedTo(low - 1); err != nil {
		return err
	}
	for h := low; h < low+oldestKept && h <= newest; h++ {
		if _, known := a.certifier.openBlock(h); known {
			continue
		}
		cert, err := a.Store.BlockCertificate(h)
		if err == nil && cert == nil {
			err = a.shareStored(h)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
