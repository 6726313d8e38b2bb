package validator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/bls"
	"github.com/remora-network/remora/crypto/ed25519"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/mempool/worker"
	"github.com/remora-network/remora/node/limits"
	"github.com/remora-network/remora/node/metrics"
	"github.com/remora-network/remora/node/p2p"
	"github.com/remora-network/remora/node/peers"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/node/store/crashfs"
	"github.com/remora-network/remora/node/trust"
	"github.com/remora-network/remora/node/trust/trusttest"
)

// countingScheme counts what checks cost.
type countingScheme struct {
	trust.Scheme
	headers, equations atomic.Int64
}

func (s *countingScheme) VerifyDigest(a remora.Authority, digest remora.Hash, sig remora.Signature) bool {
	s.headers.Add(1)
	return s.Scheme.VerifyDigest(a, digest, sig)
}

func (s *countingScheme) HoldTogether(items []trust.Aggregate) bool {
	s.equations.Add(1)
	for _, item := range items {
		if item.Signature == (remora.BLSSignature{}) {
			return false
		}
	}
	return true
}

// plainScheme checks headers alone.
type plainScheme struct{ committee *remora.Committee }

func (s plainScheme) VerifyDigest(a remora.Authority, digest remora.Hash, sig remora.Signature) bool {
	return ed25519.Verify(s.committee.Members[a].Header, digest[:], sig)
}

func (s plainScheme) VerifyAggregates(items []trust.Aggregate) []error {
	return make([]error, len(items))
}
func (s plainScheme) HoldTogether([]trust.Aggregate) bool { return true }
func (s plainScheme) Aggregate(remora.Hash, []remora.Authority, []remora.BLSSignature) (remora.BLSSignature, remora.Bitmap, []remora.Authority) {
	return remora.BLSSignature{}, nil, nil
}

// floodRig is a verifier under attack by member 3, for a second of frames.
type floodRig struct {
	c        *trust.Committee
	keys     []*bls.SecretKey
	signers  []*ed25519.PrivateKey
	scheme   *countingScheme
	verifier *verifier
	network  chan p2p.Message
	out      chan mempool.Message
	passed   map[remora.Authority]map[string]int // by author or voter
	latest   map[remora.Authority]remora.Millis  // of the headers that passed
	serial   int
}

func newFloodRig(t *testing.T) *floodRig {
	c, keys, signers := trusttest.Committee(t)
	scheme := &countingScheme{Scheme: plainScheme{c.Committee}}
	r := &floodRig{
		c: trust.NewWith(c.Committee, scheme), keys: keys, signers: signers, scheme: scheme,
		network: make(chan p2p.Message, 8), out: make(chan mempool.Message, 1024),
		passed: map[remora.Authority]map[string]int{}, latest: map[remora.Authority]remora.Millis{},
	}
	r.verifier = testVerifier(r.c, r.out)
	r.verifier.network = r.network
	r.verifier.log = slog.New(slog.DiscardHandler)
	for a := range remora.Authority(4) {
		r.passed[a] = map[string]int{}
	}
	return r
}

func (r *floodRig) frame(from remora.Authority, kind byte, body []byte) p2p.Message {
	return p2p.Message{Peer: r.c.Members[from].PeerID, Payload: peers.EncodeFrame(kind, body)}
}

// header is a new header of an author, of its own serial time.
func (r *floodRig) header(a remora.Authority) *remora.Header {
	r.serial++
	h := &remora.Header{Term: 1, Author: a, Round: 1, CreatedAt: remora.Millis(r.serial), Parents: remora.GenesisParents(r.c.Committee, remora.Hash{9})}
	digest := h.Seal(r.c.Domain)
	h.Signature = r.signers[a].Sign(digest[:])
	return h
}

// badHeader has a signature of another key.
func (r *floodRig) badHeader() p2p.Message {
	h := r.header(3)
	h.Signature[0] ^= 1
	return r.frame(3, peers.FrameHeader, remora.Encode(h))
}

// certificate has an aggregate that holds, or none.
func (r *floodRig) certificate(a remora.Authority, holds bool) p2p.Message {
	cert := remora.Certificate{Header: *r.header(a), Signers: remora.NewBitmap(4, 0, 1, 2)}
	if holds {
		cert.Signature[0] = 1
	}
	return r.frame(a, peers.FrameCertificate, remora.Encode(cert))
}

func (r *floodRig) vote(voter remora.Authority) p2p.Message {
	return r.frame(voter, peers.FrameVote, remora.Encode(remora.Vote{Term: 1, Round: 1, Voter: voter}))
}

// honestRound sends what the honest members send in a round.
func (r *floodRig) honestRound() {
	for a := range remora.Authority(3) {
		r.network <- r.frame(a, peers.FrameHeader, remora.Encode(r.header(a)))
		r.network <- r.vote(a)
		r.network <- r.certificate(a, true)
	}
}

func (r *floodRig) collect() {
	for {
		select {
		case m := <-r.out:
			switch m := m.(type) {
			case mempool.HeaderReceived:
				r.passed[m.Header.Author]["header"]++
				r.latest[m.Header.Author] = m.Header.CreatedAt
			case mempool.VoteReceived:
				r.passed[m.Vote.Voter]["vote"]++
			case mempool.CertificateReceived:
				r.passed[m.Certificate.Author()]["certificate"]++
			}
		default:
			return
		}
	}
}

// run has the verifier work for a hundred rounds of 20 ms, in each of which the attacker sends its frames too.
func (r *floodRig) run(t *testing.T, attack func(round int)) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.verifier.verifyFrames(ctx) }()
	for round := range 100 {
		attack(round)
		r.honestRound()
		synctest.Wait()
		r.collect()
		<-time.After(20 * time.Millisecond)
	}
	<-time.After(longestPause)
	synctest.Wait()
	r.collect()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	for a := range remora.Authority(3) {
		if got := fmt.Sprint(r.passed[a]); got != "map[certificate:100 header:100 vote:100]" {
			t.Errorf("of the honest member %d passed %s, want 100 of each", a, got)
		}
	}
}

// TestFloodOfBadCertificates sends 20,000 certificates with a good header signature and a wrong aggregate in two seconds.
// The flood costs a handful of checks, everything honest passes, and so do the flooder's own votes and headers.
func TestFloodOfBadCertificates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newFloodRig(t)
		bad := r.certificate(3, false)
		r.run(t, func(int) {
			for range 200 {
				r.network <- bad
			}
			r.network <- r.vote(3)
			r.network <- r.frame(3, peers.FrameHeader, remora.Encode(r.header(3)))
		})
		// 300 honest ones cost at most an equation each; then 9 pauses that double up to a second, and the first batch.
		if n := r.scheme.equations.Load(); n > 300+9+6 {
			t.Errorf("%d equations", n)
		}
		if n := r.scheme.headers.Load(); n > 700+20+verifyBatch {
			t.Errorf("%d signatures of headers were checked", n)
		}
		if got := r.passed[3]; got["vote"] != 100 || got["header"] != 100 || got["certificate"] != 0 {
			t.Errorf("of the flooder passed %v, want all votes and headers", got)
		}
		if !r.verifier.judge.isAlone(3) || r.verifier.judge.isAlone(0) {
			t.Error("the wrong member is blamed")
		}
	})
}

// TestFloodOfBadHeaders sends 20,000 headers with a wrong signature in two seconds: they are checked at a pace.
func TestFloodOfBadHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newFloodRig(t)
		bad := r.badHeader()
		r.run(t, func(int) {
			for range 200 {
				r.network <- bad
			}
			r.network <- r.vote(3)
			r.network <- r.certificate(3, true)
		})
		most := int64(600 + 100 + headerBurst + (2*time.Second+longestPause)/headerGap)
		if n := r.scheme.headers.Load(); n > most {
			t.Errorf("%d signatures of headers were checked, want at most %d", n, most)
		}
		if r.passed[3]["vote"] != 100 || r.passed[3]["header"] != 0 {
			t.Errorf("of the flooder passed %v, want all votes", r.passed[3])
		}
	})
}

// TestNewestHeaderPasses sends two thousand good headers at once: the newest is among those that pass.
func TestNewestHeaderPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newFloodRig(t)
		var newest remora.Millis
		r.run(t, func(round int) {
			for range 2000 * max(0, 1-round) {
				h := r.header(3)
				newest = h.CreatedAt
				r.network <- r.frame(3, peers.FrameHeader, remora.Encode(h))
			}
		})
		if r.latest[3] != newest || r.passed[3]["header"] > 2*headerBurst {
			t.Errorf("%d headers passed, the last of time %d; the newest is %d", r.passed[3]["header"], r.latest[3], newest)
		}
	})
}

// TestSortBatch spoils batches in every place by one sender, and by two: the culprits are found by halves, and nobody else
// is blamed or checked more than a few times.
func TestSortBatch(t *testing.T) {
	for spoiler := range verifyBatch {
		for second := range verifyBatch {
			var batch []sealed
			for i := range verifyBatch {
				batch = append(batch, sealed{from: remora.Authority(i)})
			}
			equations := 0
			s := sortBatch(batch, func(part []sealed) bool {
				equations++
				return !slices.ContainsFunc(part, func(m sealed) bool { return int(m.from) == spoiler || int(m.from) == second })
			})
			culprits := map[remora.Authority]bool{remora.Authority(spoiler): true, remora.Authority(second): true}
			if len(s.bad) != len(culprits) || len(s.good) != verifyBatch-len(culprits) || len(s.aside) != 0 {
				t.Fatalf("spoiled in %d and %d: good %d, bad %d", spoiler, second, len(s.good), len(s.bad))
			}
			for _, m := range s.bad {
				if !culprits[m.from] {
					t.Errorf("%d is blamed for %v", m.from, culprits)
				}
			}
			if most := 1 + 8*len(culprits); equations > most {
				t.Errorf("spoiled in %d and %d: %d equations, want at most %d", spoiler, second, equations, most)
			}
		}
	}
	var batch []sealed // all but one of a flooder
	for i := range verifyBatch {
		batch = append(batch, sealed{from: remora.Authority(min(i, 1))})
	}
	equations := 0
	s := sortBatch(batch, func(part []sealed) bool {
		equations++
		return part[len(part)-1].from == 0
	})
	if len(s.good) != 1 || len(s.bad) != 1 || len(s.aside) != verifyBatch-2 || equations > 8 {
		t.Errorf("good %d, bad %d, aside %d, %d equations", len(s.good), len(s.bad), len(s.aside), equations)
	}
}

// TestStanding follows one member: pauses double up to a second, the blame ends after 1,024 rounds, nobody else is touched.
func TestStanding(t *testing.T) {
	s, now := NewStanding(4), time.Unix(1, 0)
	for i := range 12 {
		_, until := s.Blame(2, 100, now)
		if want := min(firstPause<<i, longestPause); until.Sub(now) != want {
			t.Fatalf("failure %d: a pause of %v, want %v", i, until.Sub(now), want)
		}
		if _, again := s.Blame(2, 100, now); again != until {
			t.Error("a failure during a pause prolongs it")
		}
		now = until
	}
	if !s.IsAlone(2, 100+aloneRounds-1) || s.IsAlone(2, 100+aloneRounds) || s.IsAlone(1, 100) {
		t.Error("want the one member apart, for 1,024 rounds")
	}
	if _, until := s.Blame(2, 100+aloneRounds, now); until.Sub(now) != firstPause {
		t.Error("a member is blamed for what is long ago")
	}
}

// newFloodedBatcher returns the batcher of member 0, its network host not running, and who is held to which limit there.
func newFloodedBatcher(t *testing.T) (*batcher, *trust.Committee, *limits.Hits) {
	t.Helper()
	c, _, _ := trusttest.Committee(t)
	st, err := store.Open("home", store.Options{FS: crashfs.New(1), Memory: store.NewMemory(nil)})
	if err != nil {
		t.Fatal(err)
	}
	host, err := p2p.New(p2p.Config{Namespace: "flood", Channels: peers.Channels()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(st.Close(), host.Close()); err != nil {
			t.Error(err)
		}
	})
	core, err := worker.New(worker.Config{Committee: c.Committee, Epoch: 5})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	hits := limits.NewHits(time.Now, log)
	return &batcher{
		committee: c, core: core, store: st, host: host, log: log, judge: newJudge(c, new(Progress), hits, log),
		counts: new(metrics.Counts),
	}, c, hits
}

// TestFloodOfAcks acknowledges a quarter of a million batches that nobody made: nothing is kept, written, sent or blamed.
// What a second of them may cost is the rate of their channel. Malformed ones are blamed.
func TestFloodOfAcks(t *testing.T) {
	b, c, _ := newFloodedBatcher(t)
	digests := make([]remora.Hash, peers.MaxFrameAcks)
	for i := range 1000 {
		for k := range digests {
			digests[k] = remora.Hash{byte(i), byte(i >> 8), byte(k)}
		}
		b.takeAcks(t.Context(), p2p.Message{Peer: c.Members[3].PeerID, Payload: peers.EncodeAcks(digests)[0]})
	}
	if rd, ok := b.core.Ready(); ok || b.judge.isAlone(3) {
		t.Errorf("the flood leads to work %+v, or blame", rd)
	}
	b.takeAcks(t.Context(), p2p.Message{Peer: c.Members[2].PeerID, Payload: make([]byte, remora.HashSize+1)})
	if !b.judge.isAlone(2) {
		t.Error("a malformed frame is not blamed")
	}
}

// TestFloodOfOversizeEpochs sends batches of an epoch far ahead: each is refused, counted under its sender's name, and holds
// its sender up for as long as it may take to come at the rate of refused ones.
func TestFloodOfOversizeEpochs(t *testing.T) {
	b, c, hits := newFloodedBatcher(t)
	_, _, signers := trusttest.Committee(t)
	held, bytes := time.Duration(0), 0
	for seq := range uint64(300) {
		var builder remora.BatchBuilder
		builder.Add(make([]byte, 100_000*(seq%2)+1))
		batch := builder.Seal(c.Term, 1<<40, 3, 0, seq)
		ref := batch.Ref()
		message := remora.BatchMessage(c.Domain, c.Term, &ref)
		frame := peers.EncodeBatch(batch, signers[3].Sign(message[:]))
		b.takeBatch(t.Context(), p2p.Message{Peer: c.Members[3].PeerID, Payload: frame})
		held, bytes = held+holdTime(len(batch.Raw)), bytes+len(batch.Raw)
	}
	if _, ok := b.core.Ready(); ok {
		t.Error("the flood leads to work")
	}
	lately := hits.Lately()
	if len(lately) != 1 || lately[0].Limit != limitBatches || lately[0].Who != c.Members[3].Name || lately[0].Count != 300 {
		t.Errorf("held to limits: %+v", lately)
	}
	if least := time.Duration(bytes) * time.Second / refusedRate; held < least || held < 300*time.Second/512 {
		t.Errorf("%d bytes in 300 batches hold their sender up for %v, want at least %v", bytes, held, least)
	}
}
