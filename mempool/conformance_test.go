package mempool_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/mempool/mempooltest"
)

// TestVoter holds the rules by which a core votes.
func TestVoter(t *testing.T) {
	t.Run("vote_once_per_author_round", func(t *testing.T) {
		r := newRig(t)
		h := r.Header(1, 2)
		ready := r.must(mempool.HeaderReceived{Header: h})
		want := mempooltest.NewVote(r.Committee, 0, h)
		if diff := cmp.Diff([]*remora.Vote{&want}, votes(ready)); diff != "" {
			t.Errorf("vote (-want +got):\n%s", diff)
		}
		if !ready.Sync || ready.Persist[0].Vote == nil {
			t.Error("the vote leaves without a synced record")
		}
		if ready, _ := r.step(mempool.HeaderReceived{Header: r.later(h)}); len(votes(ready)) != 0 {
			t.Error("voted twice in one round")
		}
		if ready := r.must(mempool.HeaderReceived{Header: r.Header(1, 3)}); len(votes(ready)) != 1 {
			t.Error("no vote for another author")
		}
	})
	t.Run("same_header_same_vote", func(t *testing.T) {
		r := newRig(t)
		first := r.must(mempool.HeaderReceived{Header: r.Header(1, 2)})
		again := r.must(mempool.HeaderReceived{Header: r.Header(1, 2)})
		if diff := cmp.Diff(votes(first), votes(again)); diff != "" {
			t.Errorf("votes (-first +again):\n%s", diff)
		}
		if len(again.Persist) != 0 {
			t.Error("the same vote is recorded twice")
		}
	})
	t.Run("conflicting_header_refused_and_evidence_stored", func(t *testing.T) {
		r := newRig(t)
		h := r.Header(1, 2)
		r.must(mempool.HeaderReceived{Header: h})
		ready, err := r.step(mempool.HeaderReceived{Header: r.later(h)})
		if !errors.Is(err, mempool.ErrEquivocation) || errors.Is(err, mempool.ErrSafety) {
			t.Errorf("got %v", err)
		}
		found := events[mempool.Equivocation](ready)
		if len(found) != 1 || found[0].First.Digest() != h.Digest() || found[0].Second.Digest() != r.later(h).Digest() {
			t.Errorf("evidence: %v", found)
		}
		ready, err = r.step(mempool.HeaderReceived{Header: r.later(r.later(h))})
		if !errors.Is(err, mempool.ErrEquivocation) || len(ready.Events) != 0 {
			t.Errorf("a third header: %v, events %v", err, ready.Events)
		}
	})
	t.Run("conflicting_header_refused_while_the_first_waits", func(t *testing.T) {
		r := newRig(t)
		h := mempooltest.NewHeader(r.Committee, 2, 1, r.Parents(0), batch(2, 1))
		r.must(mempool.HeaderReceived{Header: h})
		if _, err := r.step(mempool.HeaderReceived{Header: r.later(h)}); !errors.Is(err, mempool.ErrEquivocation) {
			t.Errorf("got %v", err)
		}
		if ready := r.must(stored(batch(2, 1))); votes(ready)[0].Digest != h.Digest() {
			t.Error("voted for the second header")
		}
	})
	t.Run("concurrent_vote_requests_same_author", func(t *testing.T) {
		r := newRig(t) // both are in before the first Ready is handled
		h := r.Header(1, 2)
		first := r.core.Step(mempool.HeaderReceived{Header: h})
		second := r.core.Step(mempool.HeaderReceived{Header: r.later(h)})
		if first != nil || !errors.Is(second, mempool.ErrEquivocation) {
			t.Errorf("got %v and %v", first, second)
		}
		if sent := votes(r.ready()); len(sent) != 1 || sent[0].Digest != h.Digest() {
			t.Errorf("sent %v", sent)
		}
	})
	t.Run("created_at_never_delays_a_vote", func(t *testing.T) {
		r := newRig(t)
		r.advance(1)
		for author, created := range map[remora.Authority]remora.Millis{1: 0, 2: 1, 3: 1 << 60} {
			h := r.Header(2, author)
			h.CreatedAt = created
			mempooltest.Sign(r.Committee, h)
			if ready := r.must(mempool.HeaderReceived{Header: h}); len(votes(ready)) != 1 {
				t.Errorf("no vote for a header made at %d", created)
			}
		}
	})
	t.Run("wrong_worker_id_refused", func(t *testing.T) {
		for name, wrong := range map[string]mempool.BatchStored{
			"worker": {Ref: remora.BatchRef{Digest: batch(2, 1).Digest, Author: 2, Seq: 1, Worker: 1, Epoch: 1}},
			"epoch":  {Ref: remora.BatchRef{Digest: batch(2, 1).Digest, Author: 2, Seq: 1, Epoch: 2}},
		} {
			r := newRig(t)
			r.must(mempool.HeaderReceived{Header: mempooltest.NewHeader(r.Committee, 2, 1, r.Parents(0), batch(2, 1))})
			ready := r.must(wrong)
			if found := events[mempool.Refused](ready); len(found) != 1 || !errors.Is(found[0].Reason, mempool.ErrPayload) {
				t.Errorf("%s: events %v", name, ready.Events)
			}
			if ready := r.must(stored(batch(2, 1))); len(votes(ready)) != 0 {
				t.Errorf("%s: voted for a refused header", name)
			}
		}
	})
	t.Run("far_future_round_rejected", func(t *testing.T) {
		r := newRig(t)
		for _, round := range []remora.Round{2*gcDepth + 2, 1 << 30, 1<<64 - 1} {
			h := mempooltest.NewHeader(r.Committee, 2, round, r.Parents(0))
			if ready, err := r.step(mempool.HeaderReceived{Header: h}); !errors.Is(err, mempool.ErrTooFarAhead) || len(ready.Want) != 0 {
				t.Errorf("header of round %d: %v, wants %v", round, err, ready.Want)
			}
			if _, err := r.step(mempool.CertificateReceived{Certificate: mempooltest.Certify(r.Committee, h)}); !errors.Is(err, mempool.ErrTooFarAhead) {
				t.Errorf("certificate of round %d: %v", round, err)
			}
			if r.core.Holds(round, h.ID()) {
				t.Errorf("certificate of round %d is kept", round)
			}
		}
	})
	t.Run("header_too_old", func(t *testing.T) {
		r := newRig(t)
		r.advance(12)
		r.must(mempool.Ordered{SubDAGs: []remora.SubDAG{r.subDAG(0, 12)}})
		for round, want := range map[remora.Round]error{1: mempool.ErrTooOld, 2: mempool.ErrTooOld, 3: mempool.ErrTooOld, 4: nil} {
			if _, err := r.step(mempool.HeaderReceived{Header: r.Header(round, 2)}); !errors.Is(err, want) {
				t.Errorf("round %d, GC round %d: got %v, want %v", round, r.core.GCRound(), err, want)
			}
		}
		r.must(mempool.HeaderReceived{Header: r.Header(13, 2)})
		old := mempooltest.NewHeader(r.Committee, 2, 12, r.Parents(11, 0, 1, 2))
		if _, err := r.step(mempool.HeaderReceived{Header: old}); !errors.Is(err, mempool.ErrTooOld) {
			t.Errorf("below a vote: got %v", err)
		}
	})
	t.Run("slow_peer_above_the_GC_round_gets_its_vote", func(t *testing.T) {
		r := newRig(t)
		r.advance(3)
		for round := remora.Round(4); round <= 10; round++ {
			r.ticks(100)
			r.voteAll()
			r.deliver(round, 1, 2)
		}
		if ready := r.must(mempool.HeaderReceived{Header: r.Header(4, 3)}); len(votes(ready)) != 1 {
			t.Error("no vote seven rounds below the own one")
		}
	})
}

// TestHeaderParents holds the rules for parents: how many, whose, of which round, and what happens while they are
// missing.
func TestHeaderParents(t *testing.T) {
	t.Run("parents_sub_quorum_or_duplicate_or_wrong_round_or_other_term", func(t *testing.T) {
		r := newRig(t)
		r.advance(2)
		all := r.Parents(2)
		foreign := slices.Clone(all)
		foreign[2].Digest = r.Certificate(1, 2).Digest()
		unsorted := slices.Clone(all)
		unsorted[1], unsorted[2] = unsorted[2], unsorted[1]
		outsider := slices.Clone(all)
		outsider[3].Author = 4
		tests := []struct {
			name    string
			parents []remora.Parent
			want    error
		}{
			{"none", nil, remora.ErrInvalid},
			{"below the quorum", all[:2], remora.ErrInvalid},
			{"one author twice", []remora.Parent{all[0], all[1], all[1]}, remora.ErrInvalid},
			{"unsorted", unsorted, remora.ErrInvalid},
			{"outside the committee", outsider, remora.ErrInvalid},
			{"of a wrong round", foreign, mempool.ErrParents},
			{"a quorum", all[:3], nil},
		}
		for _, tt := range tests {
			h := &remora.Header{Term: 1, Author: 3, Round: 3, Parents: tt.parents}
			mempooltest.Sign(r.Committee, h)
			if _, err := r.step(mempool.HeaderReceived{Header: h}); !errors.Is(err, tt.want) {
				t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
			}
		}
		h := r.Header(3, 2)
		h.Term = 2
		mempooltest.Sign(r.Committee, h)
		if _, err := r.step(mempool.HeaderReceived{Header: h}); !errors.Is(err, remora.ErrInvalid) {
			t.Errorf("other term: got %v", err)
		}
	})
	t.Run("genesis_of_another_origin", func(t *testing.T) {
		r := newRig(t)
		h := mempooltest.NewHeader(r.Committee, 2, 1, remora.GenesisParents(r.Committee, remora.Hash{1}))
		if _, err := r.step(mempool.HeaderReceived{Header: h}); !errors.Is(err, mempool.ErrParents) {
			t.Errorf("header: got %v", err)
		}
		if _, err := r.step(mempool.CertificateReceived{Certificate: mempooltest.Certify(r.Committee, h)}); !errors.Is(err, mempool.ErrParents) {
			t.Errorf("certificate: got %v", err)
		}
	})
	t.Run("missing_parents_roundtrip", func(t *testing.T) {
		r := newRig(t)
		r.Grow(1, 2, 3)
		h := r.Header(2, 2)
		ready := r.must(mempool.HeaderReceived{Header: h})
		if len(votes(ready))+len(ready.Want) != 0 {
			t.Errorf("at once: %s", format(ready))
		}
		ready = r.ticks(2)
		want := []mempool.Want{{From: 2, Round: 1, Parents: r.Parents(1)}}
		if diff := cmp.Diff(want, ready.Want); diff != "" {
			t.Errorf("request (-want +got):\n%s", diff)
		}
		for i, c := range r.Layer(1) {
			ready = r.must(mempool.CertificateReceived{Certificate: c})
			if got, want := len(votes(ready)), i/2; got != want {
				t.Errorf("%d votes after %d parents", got, i+1)
			}
		}
		if ready := r.ticks(100); len(ready.Want) != 0 {
			t.Errorf("asks for what it has: %v", ready.Want)
		}
	})
	t.Run("missing_parents_asked_of_everybody_in_turn", func(t *testing.T) {
		r := newRig(t)
		r.Grow()
		r.must(mempool.HeaderReceived{Header: r.Header(2, 2)})
		var asked []remora.Authority
		for range 160 {
			for _, w := range r.ticks(1).Want {
				asked = append(asked, w.From)
			}
		}
		if want := []remora.Authority{2, 3, 1, 2}; !slices.Equal(asked, want) {
			t.Errorf("asked %v, want %v", asked, want)
		}
	})
	t.Run("unsolicited_certificate_is_no_parent_of_a_waiting_header", func(t *testing.T) {
		r := newRig(t, 1, 1, 1, 1, 1, 1, 1)
		r.Grow()
		r.must(mempool.HeaderReceived{Header: r.Header(2, 2, 1, 2, 3, 4, 5)})
		if ready := r.must(mempool.CertificateReceived{Certificate: r.Certificate(1, 6)}); len(votes(ready)) != 0 {
			t.Error("voted without the parents")
		}
	})
	t.Run("payload_asked_for_and_confirmed", func(t *testing.T) {
		r := newRig(t)
		h := mempooltest.NewHeader(r.Committee, 2, 1, r.Parents(0), batch(2, 1), batch(2, 2))
		ready := r.must(mempool.HeaderReceived{Header: h})
		if diff := cmp.Diff([]mempool.Want{{From: 2, Round: 1, Author: 2, Batches: h.Payload}}, ready.Want); diff != "" {
			t.Errorf("request (-want +got):\n%s", diff)
		}
		if ready := r.must(stored(batch(2, 2))); len(votes(ready)) != 0 {
			t.Error("voted without a batch")
		}
		ready = r.ticks(100)
		if diff := cmp.Diff([]mempool.Want{{From: 3, Round: 1, Author: 2, Batches: h.Payload[:1]}}, ready.Want); diff != "" {
			t.Errorf("second request (-want +got):\n%s", diff)
		}
		if ready := r.must(stored(batch(2, 1))); len(votes(ready)) != 1 {
			t.Error("no vote for a complete header")
		}
	})
}

// TestCrash checks what a core repeats, and what it never repeats, after a crash that loses unsynced records.
func TestCrash(t *testing.T) {
	t.Run("crash_between_write_and_reply", func(t *testing.T) {
		for _, written := range []bool{false, true} {
			r := newRig(t)
			h := r.Header(1, 2)
			if err := r.core.Step(mempool.HeaderReceived{Header: h}); err != nil {
				t.Fatal(err)
			}
			ready, _ := r.core.Ready() // the vote does not leave
			if written {
				r.do(ready)
			}
			r.start(0)
			other := r.later(h)
			ready, err := r.step(mempool.HeaderReceived{Header: other})
			switch sent := votes(ready); {
			case written && (len(sent) != 0 || !errors.Is(err, mempool.ErrEquivocation)):
				t.Errorf("after a recorded vote: sent %v, %v", sent, err)
			case !written && (len(sent) != 1 || err != nil):
				t.Errorf("after an unrecorded vote that nobody saw: sent %v, %v", sent, err)
			}
			if ready, _ := r.step(mempool.HeaderReceived{Header: h}); written && (len(votes(ready)) != 1 || len(ready.Persist) != 0) {
				t.Errorf("the recorded vote is not given again: %s", format(ready))
			}
		}
	})
	t.Run("crash_before_broadcast_header", func(t *testing.T) {
		r := newRig(t)
		r.must(mempool.BatchReady{Ref: batch(0, 1)})
		r.core.Tick(2000)
		ready, _ := r.core.Ready()
		r.do(ready)
		before := remora.Encode(r.mine)
		r.start(0)
		again := proposal(r.ready())
		if again == nil || string(remora.Encode(again)) != string(before) {
			t.Fatalf("proposed %v", again)
		}
		for range 300 {
			if h := proposal(r.ticks(1)); h != nil {
				t.Fatalf("proposed round %d without a new quorum", h.Round)
			}
		}
		if ready := r.voteAll(); len(events[mempool.Certified](ready)) != 1 {
			t.Error("the old header gets no certificate")
		}
	})
	t.Run("crash_before_the_header_is_written", func(t *testing.T) {
		r := newRig(t)
		r.core.Tick(2000)
		if _, ok := r.core.Ready(); !ok {
			t.Fatal("no header")
		}
		r.start(0)
		r.core.Tick(3000)
		if h := proposal(r.ready()); h == nil || h.CreatedAt != 3000 {
			t.Errorf("a header that nobody saw binds the core: %v", h)
		}
	})
	t.Run("disk_full_on_vote", func(t *testing.T) {
		r := newRig(t) // the shell stops: it never calls Advance, and nothing more comes out
		if err := r.core.Step(mempool.HeaderReceived{Header: r.Header(1, 2)}); err != nil {
			t.Fatal(err)
		}
		if ready, _ := r.core.Ready(); !ready.Sync || ready.Persist[0].Vote == nil {
			t.Fatalf("first: %s", format(ready))
		}
		if err := r.core.Step(mempool.HeaderReceived{Header: r.Header(1, 2)}); err != nil {
			t.Fatal(err)
		}
		if ready, ok := r.core.Ready(); ok {
			t.Errorf("more work before the first is done: %s", format(ready))
		}
	})
	t.Run("restart_proposes_at_correct_round", func(t *testing.T) {
		r := newRig(t)
		r.advance(5)
		r.disk.sync()
		r.start(0)
		if ready := r.ready(); len(ready.Delivered) != 0 || len(ready.Send) != 1 || ready.Send[0].Certificate == nil {
			t.Errorf("at start: %s", format(ready))
		}
		r.ticks(1)
		if r.mine.Round != 6 || len(r.mine.Parents) != 4 {
			t.Errorf("proposed round %d with %d parents", r.mine.Round, len(r.mine.Parents))
		}
	})
	t.Run("acked_but_not_voted_header_is_voted_after_restart", func(t *testing.T) {
		r := newRig(t)
		h := mempooltest.NewHeader(r.Committee, 2, 1, r.Parents(0), batch(2, 1))
		r.must(mempool.HeaderReceived{Header: h})
		r.start(0)
		if ready := r.must(mempool.HeaderReceived{Header: h}); len(ready.Want) != 1 {
			t.Errorf("asks for %v", ready.Want)
		}
		if ready := r.must(stored(batch(2, 1))); len(votes(ready)) != 1 {
			t.Error("no vote")
		}
	})
	t.Run("floor_after_a_lost_disk", func(t *testing.T) {
		r := newRig(t)
		r.Grow()
		r.Grow()
		r.Grow()
		core, err := mempool.New(r.config, mempool.Snapshot{Certificates: r.All(), Floor: 5})
		if err != nil {
			t.Fatal(err)
		}
		r.core = core
		if h := proposal(r.ticks(200)); h != nil {
			t.Errorf("proposed round %d", h.Round)
		}
		if _, err := r.step(mempool.HeaderReceived{Header: r.Header(4, 2)}); !errors.Is(err, mempool.ErrTooOld) {
			t.Errorf("vote at the floor: %v", err)
		}
		r.Grow()
		r.Grow()
		for _, c := range append(r.Layer(4), r.Layer(5)...) {
			r.must(mempool.CertificateReceived{Certificate: c})
		}
		r.ticks(1)
		if r.mine == nil || r.mine.Round != 6 {
			t.Errorf("proposed %v", r.mine)
		}
	})
	t.Run("snapshot_of_others_is_refused", func(t *testing.T) {
		r := newRig(t)
		r.Grow()
		bad := *r.Certificate(1, 2)
		bad.Signers = remora.NewBitmap(4, 1)
		for name, s := range map[string]mempool.Snapshot{
			"header": {Proposed: r.Header(1, 2)},
			"vote":   {Votes: []remora.Vote{mempooltest.NewVote(r.Committee, 3, r.Header(1, 2))}},
			"signer": {Certificates: []*remora.Certificate{&bad}},
			"two":    {Certificates: []*remora.Certificate{r.Certificate(1, 2), mempooltest.Certify(r.Committee, r.later(r.Header(1, 2)))}},
		} {
			if _, err := mempool.New(r.config, s); !errors.Is(err, remora.ErrCorrupt) {
				t.Errorf("%s: got %v", name, err)
			}
		}
	})
}

// An own certificate that a rolled-back disk does not hold any more comes back from a peer: it is kept as it is.
func TestOwnCertificateComesBack(t *testing.T) {
	r := newRig(t)
	r.ticks(1)
	cert := mempooltest.Certify(r.Committee, r.mine, 0, 2, 3)
	ready := r.must(mempool.CertificateReceived{Certificate: cert})
	if !ready.Sync || len(ready.Persist) != 1 || ready.Persist[0].Certificate != cert {
		t.Errorf("got %s", format(ready))
	}
	if ready := r.voteAll(); len(ready.Persist)+len(ready.Send) != 0 {
		t.Errorf("made another one: %s", format(ready))
	}
	if ready := r.ticks(100); len(ready.Send) != 1 || ready.Send[0].Certificate != cert {
		t.Errorf("sent again: %s", format(ready))
	}
}
