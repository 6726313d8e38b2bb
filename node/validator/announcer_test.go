package validator

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/node/blocksync"
	"github.com/remora-network/remora/node/home"
	"github.com/remora-network/remora/node/metrics"
	"github.com/remora-network/remora/node/peers"
	"github.com/remora-network/remora/node/replay/replaytest"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/node/trust"
	"github.com/remora-network/remora/node/trust/trusttest"
)

// newWaiting returns the announcer of a validator whose store has blocks of which none is certified.
func newWaiting(t *testing.T, blocks int) (*Announcer, *notary) {
	t.Helper()
	st, err := store.InMemory()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	n := newNotary(t)
	for h := range remora.Height(blocks) {
		block := &remora.Block{Header: *n.header(h + 1), DAG: []*remora.Header{{Term: 1, Round: remora.Round(h)}}}
		if err := st.Commit(store.Commit{Block: block}); err != nil {
			t.Fatal(err)
		}
	}
	signer := &authority{committee: n.committee, keys: &home.Signers{Consensus: n.secrets[0]}}
	return &Announcer{
		AnnouncerConfig: AnnouncerConfig{Committee: n.committee, Signer: signer, Store: st, Progress: new(Progress)}, certifier: n.certifier,
	}, n
}

// TestNoHeightIsGivenUp has far more blocks without certificate than the window holds: the oldest ones are asked for, and
// when they are certified those above them, until a restart would begin there.
func TestNoHeightIsGivenUp(t *testing.T) {
	const blocks = certifierWindow + 3*oldestKept
	a, _ := newWaiting(t, blocks)
	a.certifier.moveWindow(1, blocks)
	certifyTo := func(from, to remora.Height) {
		for h := from; h <= to; h++ {
			if err := a.Store.PutBlockCertificate(&remora.BlockCertificate{Height: h, Signers: remora.NewBitmap(4, 0, 1, 2)}); err != nil {
				t.Fatal(err)
			}
			a.certifier.forgetHeight(h)
		}
	}
	for from := remora.Height(1); from <= blocks; from += 200 {
		if err := a.keepOldest(); err != nil {
			t.Fatal(err)
		}
		waiting := a.certifier.openHeights()
		if waiting[0] != from || len(waiting) > oldestKept+certifierWindow {
			t.Fatalf("%d heights wait from %d on, the oldest without certificate is %d", len(waiting), waiting[0], from)
		}
		certifyTo(from, min(from+199, blocks))
	}
	if err := a.keepOldest(); err != nil || len(a.certifier.openHeights()) != 0 {
		t.Errorf("%d heights wait in the end, %v", len(a.certifier.openHeights()), err)
	}
	if at, err := a.Store.CertifiedTo(); err != nil || at != blocks {
		t.Errorf("a restart looks from block %d of %d on, %v", at, blocks, err)
	}
}

// TestAdoptedCertificates brings certificates of blocks that were executed here: right ones, and others.
func TestAdoptedCertificates(t *testing.T) {
	c := replaytest.New(t, "dev-adopt")
	members, err := c.Genesis.Committee()
	if err != nil {
		t.Fatal(err)
	}
	committee, err := trust.New(members)
	if err != nil {
		t.Fatal(err)
	}
	a := NewAnnouncer(AnnouncerConfig{Committee: committee, Store: c.Store, Progress: new(Progress)})
	var formed []*remora.BlockCertificate
	for range 3 {
		block := c.Block()
		formed = append(formed, c.Sign(&block.Header, 1, 2, 3))
		a.certifier.enterBlock(block.Header.Height, block.Header.Hash())
	}
	forged := remora.BlockCertificate{Height: 3, Hash: remora.Hash{1}, Signers: remora.NewBitmap(4, 0, 1, 2)}
	if err := a.AdoptCertificates(append([]*remora.BlockCertificate{&forged}, formed[:2]...)); err != nil {
		t.Fatal(err)
	}
	for h := remora.Height(1); h <= 3; h++ {
		cert, err := c.Store.BlockCertificate(h)
		if (cert != nil) != (h < 3) || err != nil {
			t.Errorf("certificate of block %d: %v, %v", h, cert, err)
		}
	}
	if waiting := a.certifier.openHeights(); len(waiting) != 1 || waiting[0] != 3 {
		t.Errorf("heights %d wait", waiting)
	}
}

// TestAdoptNoticesAnotherBlock fetches certificates for a height at which this node executed another block: a quorum's is
// proof that it is wrong, a forged one is nothing.
func TestAdoptNoticesAnotherBlock(t *testing.T) {
	committee, keys, _ := trusttest.Committee(t)
	a := NewAnnouncer(AnnouncerConfig{Committee: committee})
	a.certifier.enterBlock(5, remora.Hash{1})
	theirs := remora.Hash{2}
	message := remora.BlockMessage(committee.Domain, 5, theirs)
	by, sigs := []remora.Authority{0, 1, 2}, make([]remora.BLSSignature, 3)
	for i, a := range by {
		sigs[i] = keys[a].Sign(message[:])
	}
	sig, signers, _ := committee.Aggregate(message, by, sigs)
	cert := remora.BlockCertificate{Height: 5, Hash: theirs, Signers: signers, Signature: sig}
	var m *blocksync.Minority
	if err := a.AdoptCertificates([]*remora.BlockCertificate{&cert}); !errors.As(err, &m) || m.Height != 5 || m.Hash != theirs {
		t.Errorf("error %v, want block 5 of the quorum", err)
	}
	cert.Hash[5]++
	if err := a.AdoptCertificates([]*remora.BlockCertificate{&cert}); err != nil {
		t.Errorf("a forged certificate: %v", err)
	}
	cert = remora.BlockCertificate{Height: 6, Hash: theirs, Signers: signers, Signature: sig}
	if err := a.AdoptCertificates([]*remora.BlockCertificate{&cert}); err != nil {
		t.Errorf("a height that was not executed here: %v", err)
	}
}

// TestDemandIsRepeatedToARebuiltPrimary catches up from peers that have nothing.
func TestDemandIsRepeatedToARebuiltPrimary(t *testing.T) {
	c := replaytest.New(t, "dev-demand")
	committee, _, _ := trusttest.Committee(t)
	nothing := func(context.Context, remora.Authority, peers.RangeRequest) (*peers.Span, error) {
		return new(peers.Span), nil
	}
	log := slog.New(slog.DiscardHandler)
	sync := blocksync.New(blocksync.Config{Committee: committee, Executor: c.Executor, Store: c.Store, Ask: nothing, Log: log})
	primary, rebuilt, reannounce := make(chan mempool.Message, 10), make(chan struct{}, 1), make(chan struct{}, 1)
	e := &engine{
		store: c.Store, sync: sync, log: log, primary: primary, rebuilt: rebuilt, reannounce: reannounce, counts: new(metrics.Counts),
		announcer: new(Announcer),
	}
	for _, demand := range []bool{true, false} {
		e.announcer.setDemand(demand)
		if err := errors.Join(e.passNotices(t.Context(), nil), e.syncBlocks(t.Context())); err != nil {
			t.Fatal(err)
		}
		<-rebuilt
		<-reannounce
		for range 2 {
			if m, ok := (<-primary).(mempool.Demand); !ok || m.Uncertified != demand {
				t.Errorf("the primary hears %+v, want demand %t", m, demand)
			}
		}
	}
}
