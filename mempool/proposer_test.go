package mempool_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/mempool/mempooltest"
)

// busy keeps a rig at the fast pace.
func busy(r *rig) *rig {
	r.must(mempool.Demand{Uncertified: true})
	return r
}

// waitFor returns after how many ticks the next header comes, -1 if not within limit.
func (r *rig) waitFor(limit int) int {
	for i := 1; i <= limit; i++ {
		if proposal(r.ticks(1)) != nil {
			return i
		}
	}
	return -1
}

func TestLeaderWait(t *testing.T) {
	// reach has the core propose and certify rounds up to one below the wanted quorum round, with all certificates.
	reach := func(t *testing.T, round remora.Round) *rig {
		r := busy(newRig(t))
		r.advance(round - 1)
		if r.waitFor(10) < 0 {
			t.Fatal("no header")
		}
		r.voteAll()
		r.ticks(10) // the least time between headers has passed
		return r
	}
	t.Run("leader_present_is_immediate", func(t *testing.T) {
		r := reach(t, 2)
		if h := proposal(r.deliver(2, 2)); h != nil {
			t.Fatal("proposed without a quorum")
		}
		if h := proposal(r.deliver(2, 1)); h == nil || h.Round != 3 {
			t.Error("not at once")
		}
	})
	t.Run("leader_absent_waits_for_the_timer", func(t *testing.T) {
		r := reach(t, 2)
		if h := proposal(r.deliver(2, 2, 3)); h != nil {
			t.Fatal("did not wait for the leader")
		}
		if got := r.waitFor(100); got != 20 {
			t.Errorf("waited %d ticks", got)
		}
	})
	t.Run("late_leader_ends_the_wait", func(t *testing.T) {
		r := reach(t, 2)
		r.deliver(2, 2, 3)
		r.ticks(5)
		if h := proposal(r.deliver(2, 1)); h == nil || len(h.Parents) != 4 {
			t.Errorf("proposed %v", h)
		}
	})
	t.Run("timeout_is_reported", func(t *testing.T) {
		r := reach(t, 2)
		r.deliver(2, 2, 3)
		if found := events[mempool.LeaderTimeout](r.ticks(20)); !slices.Equal(found, []mempool.LeaderTimeout{{Round: 2}}) {
			t.Errorf("events %v", found)
		}
	})
	// odd brings the own certificate of round 3, which supports the leader, then those of the given peers.
	odd := func(t *testing.T, supporters, deniers []remora.Authority) (*rig, *remora.Header) {
		r := reach(t, 2)
		r.deliver(2, 1, 2, 3)
		r.voteAll()
		r.ticks(10)
		var last mempool.Ready
		put := func(authors []remora.Authority, parents ...remora.Authority) {
			for _, a := range authors {
				last = r.must(mempool.CertificateReceived{Certificate: r.Add(3, a, parents...)})
			}
		}
		put(supporters, 0, 1, 2)
		put(deniers, 0, 2, 3)
		return r, proposal(last)
	}
	t.Run("odd_round_with_validity_of_votes_is_immediate", func(t *testing.T) {
		if _, h := odd(t, []remora.Authority{1}, []remora.Authority{2}); h == nil || h.Round != 4 {
			t.Errorf("proposed %v", h)
		}
	})
	t.Run("odd_round_with_quorum_of_no_votes_is_immediate", func(t *testing.T) {
		if _, h := odd(t, nil, []remora.Authority{1, 2, 3}); h == nil || h.Round != 4 {
			t.Errorf("proposed %v", h)
		}
	})
	t.Run("odd_round_undecided_waits_for_the_timer", func(t *testing.T) {
		r, h := odd(t, nil, []remora.Authority{1, 2})
		if h != nil {
			t.Fatal("did not wait")
		}
		if got := r.waitFor(100); got != 20 {
			t.Errorf("waited %d ticks", got)
		}
	})
	t.Run("odd_round_without_leader_is_immediate", func(t *testing.T) {
		r := reach(t, 2)
		r.deliver(2, 2, 3)
		r.waitFor(100)
		r.voteAll()
		r.ticks(10)
		if h := proposal(r.deliver(3, 2, 3)); h == nil || h.Round != 4 {
			t.Errorf("proposed %v", h)
		}
	})
	t.Run("next_leader_does_not_wait", func(t *testing.T) {
		r := newRig(t)
		r.config.Leader = mempooltest.FixedLeader(0)
		r.start(0)
		busy(r)
		for _, authors := range [][]remora.Authority{{1, 2, 3}, {1, 2, 3}} {
			r.waitFor(10)
			r.voteAll()
			r.deliver(r.mine.Round, authors...)
		}
		r.waitFor(10)
		r.voteAll()
		r.ticks(10)
		// One certificate of round 3 supports the own vertex of round 2, two do not: others would wait.
		r.must(mempool.CertificateReceived{Certificate: r.Add(3, 1, 1, 2, 3)})
		last := r.must(mempool.CertificateReceived{Certificate: r.Add(3, 2, 1, 2, 3)})
		if h := proposal(last); h == nil || h.Round != 4 {
			t.Errorf("proposed %v", h)
		}
	})
}

func TestPace(t *testing.T) {
	t.Run("idle", func(t *testing.T) {
		r := newRig(t)
		r.waitFor(1)
		r.voteAll()
		r.deliver(1)
		if got := r.waitFor(200); got != 100 {
			t.Errorf("waited %d ticks", got)
		}
	})
	t.Run("correct_author_ahead_wakes", func(t *testing.T) {
		r := newRig(t)
		r.waitFor(1)
		r.voteAll()
		r.deliver(1)
		r.ticks(50)
		if h := proposal(r.deliver(2, 2)); h != nil {
			t.Errorf("one author ahead, who may be faulty: proposed %v", h)
		}
		if h := proposal(r.deliver(2, 3)); h == nil || h.Round != 2 {
			t.Errorf("proposed %v", h)
		}
	})
	for name, wake := range map[string]mempool.Message{
		"own_payload_wakes":   mempool.BatchReady{Ref: batch(0, 1)},
		"peers_payload_wakes": stored(batch(2, 1)),
		"demand_wakes":        mempool.Demand{Uncertified: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.waitFor(1)
			r.voteAll()
			r.deliver(1)
			r.ticks(50)
			ready := r.must(wake)
			if h := proposal(ready); h == nil || h.Round != 2 {
				t.Errorf("proposed %v", h)
			}
		})
	}
	t.Run("header_delay_holds_when_busy", func(t *testing.T) {
		r := busy(newRig(t))
		r.waitFor(1)
		r.voteAll()
		r.deliver(1)
		if got := r.waitFor(10); got != 4 {
			t.Errorf("waited %d ticks", got)
		}
	})
	t.Run("own_certificate_is_worth_a_short_wait", func(t *testing.T) {
		r := busy(newRig(t))
		r.waitFor(1)
		r.ticks(10)
		if h := proposal(r.deliver(1)); h != nil {
			t.Fatal("gave up the own header at once")
		}
		if h := proposal(r.voteAll()); h == nil || len(h.Parents) != 4 {
			t.Errorf("proposed %v", h)
		}
		r.ticks(10)
		r.deliver(2)
		if got := r.waitFor(10); got != 4 {
			t.Errorf("waited %d ticks for votes that do not come", got)
		}
	})
	t.Run("uncommitted_payload_keeps_the_pace_until_ordered", func(t *testing.T) {
		r := newRig(t)
		r.waitFor(1)
		r.voteAll()
		r.Put(mempooltest.NewHeader(r.Committee, 2, 1, r.Parents(0), batch(2, 1)))
		r.must(mempool.CertificateReceived{Certificate: r.Certificate(1, 2)})
		r.deliver(1, 1, 3)
		if got := r.waitFor(10); got != 4 {
			t.Errorf("waited %d ticks with payload", got)
		}
		r.voteAll()
		r.deliver(2)
		r.must(mempool.Ordered{SubDAGs: []remora.SubDAG{r.subDAG(0, 2)}})
		if got := r.waitFor(200); got != 100 {
			t.Errorf("waited %d ticks without payload", got)
		}
	})
	t.Run("late_parents_are_added_until_sealed", func(t *testing.T) {
		r := newRig(t)
		r.waitFor(1)
		r.voteAll()
		r.deliver(1, 1, 2)
		r.ticks(50)
		r.deliver(1, 3)
		r.waitFor(100)
		if len(r.mine.Parents) != 4 {
			t.Errorf("%d parents", len(r.mine.Parents))
		}
	})
	t.Run("created_at_is_no_peer_s", func(t *testing.T) {
		r := newRig(t)
		r.waitFor(1)
		r.voteAll()
		h := r.Header(1, 2)
		h.CreatedAt = 1 << 40
		mempooltest.Sign(r.Committee, h)
		r.must(mempool.CertificateReceived{Certificate: r.Put(h)})
		r.deliver(1, 1)
		r.waitFor(200)
		if r.mine.CreatedAt >= 1<<40 {
			t.Errorf("created at %d: the wrong clock of one peer was taken over", r.mine.CreatedAt)
		}
	})
	t.Run("jumps_to_a_higher_quorum_and_never_below_a_certificate", func(t *testing.T) {
		r := busy(newRig(t))
		for range 4 {
			r.Grow(1, 2, 3)
		}
		r.must(mempool.CertificateReceived{Certificate: r.Certificate(4, 1)}) // suspended: round 3 has a quorum somewhere
		for round := remora.Round(1); round <= 4; round++ {
			for _, c := range r.Layer(round) {
				r.must(mempool.CertificateReceived{Certificate: c})
				r.ticks(10)
				if r.mine != nil && r.mine.Round < 4 {
					t.Fatalf("proposed round %d, round 4 has a certificate", r.mine.Round)
				}
			}
		}
		r.ticks(20)
		if r.mine == nil || r.mine.Round != 5 {
			t.Errorf("proposed %v", r.mine)
		}
	})
}

func TestOwnPayload(t *testing.T) {
	t.Run("in_order_and_not_more_than_a_header_holds", func(t *testing.T) {
		r := newRig(t)
		var want []remora.BatchRef
		for i := range remora.MaxHeaderBatches + 10 {
			want = append(want, batch(0, uint64(i)))
			r.must(mempool.BatchReady{Ref: want[i]})
			r.must(mempool.BatchReady{Ref: want[i]}) // the worker tells again
		}
		r.waitFor(1)
		if !slices.Equal(r.mine.Payload, want[:remora.MaxHeaderBatches]) {
			t.Errorf("first header holds %d batches", len(r.mine.Payload))
		}
		r.voteAll()
		r.deliver(1)
		r.waitFor(10)
		if !slices.Equal(r.mine.Payload, want[remora.MaxHeaderBatches:]) {
			t.Errorf("second header holds %d batches", len(r.mine.Payload))
		}
	})
	t.Run("own_batch_proposed_again_when_header_not_committed_after_2_rounds", func(t *testing.T) {
		r := busy(newRig(t))
		ref := batch(0, 1)
		r.must(mempool.BatchReady{Ref: ref})
		r.advance(4)
		r.must(mempool.Ordered{SubDAGs: []remora.SubDAG{r.subDAG(0, 2, 0)}})
		r.must(mempool.BatchReady{Ref: batch(0, 2)})
		ready := r.must(mempool.Ordered{SubDAGs: []remora.SubDAG{r.subDAG(2, 4, 0)}})
		if found := events[mempool.Requeued](ready); len(found) != 1 || found[0] != (mempool.Requeued{Round: 1, Batches: 1}) {
			t.Errorf("events %v", found)
		}
		r.waitFor(10)
		if !slices.Equal(r.mine.Payload, []remora.BatchRef{ref, batch(0, 2)}) {
			t.Errorf("proposed %s", batches(r.mine.Payload))
		}
	})
	t.Run("own_batch_is_within_reach_of_every_leader", func(t *testing.T) { // leaders may be further apart than GC reaches
		r := busy(newRig(t))
		r.must(mempool.BatchReady{Ref: batch(0, 1)})
		var listed []remora.Round
		for round := remora.Round(1); round < 4*gcDepth; round++ {
			if r.advance(round); len(r.mine.Payload) > 0 {
				listed = append(listed, round)
			}
		}
		if want := []remora.Round{1, 1 + gcDepth, 1 + 2*gcDepth, 1 + 3*gcDepth}; !slices.Equal(listed, want) {
			t.Errorf("listed in rounds %v, want %v", listed, want)
		}
	})
	t.Run("not_proposed_again_before_that", func(t *testing.T) {
		r := busy(newRig(t))
		r.advance(1)
		r.must(mempool.BatchReady{Ref: batch(0, 1)})
		r.advance(4)
		ready := r.must(mempool.Ordered{SubDAGs: []remora.SubDAG{r.subDAG(0, 2, 0), r.subDAG(2, 4, 0)}})
		if found := events[mempool.Requeued](ready); len(r.Certificate(2, 0).Header.Payload) != 1 || len(found) != 0 {
			t.Errorf("events %v", found)
		}
	})
	t.Run("proposed_twice_and_ordered_once_is_not_proposed_a_third_time", func(t *testing.T) {
		r := busy(newRig(t))
		r.must(mempool.BatchReady{Ref: batch(0, 1)})
		r.advance(4)
		r.must(mempool.Ordered{SubDAGs: []remora.SubDAG{r.subDAG(0, 2, 0), r.subDAG(2, 4, 0)}})
		r.advance(8)
		if len(r.Certificate(5, 0).Header.Payload) != 1 {
			t.Fatal("not proposed again")
		}
		r.disk.sync()
		r.start(0) // both headers are in flight again
		r.must(mempool.Ordered{SubDAGs: []remora.SubDAG{{Headers: []*remora.Header{&r.Certificate(5, 0).Header, &r.Certificate(8, 1).Header}}}})
		r.waitFor(200)
		if r.mine.Round != 9 || len(r.mine.Payload) != 0 {
			t.Errorf("proposed %s", describe(r.mine, nil, nil))
		}
	})
	t.Run("ordered_late_is_not_proposed_again", func(t *testing.T) {
		r := newRig(t)
		r.must(mempool.BatchReady{Ref: batch(0, 1)})
		r.advance(4)
		r.must(mempool.Ordered{SubDAGs: []remora.SubDAG{r.subDAG(1, 4, 0)}})
		r.must(mempool.Ordered{SubDAGs: []remora.SubDAG{{Headers: []*remora.Header{&r.Certificate(1, 0).Header, &r.Certificate(4, 1).Header}}}})
		r.waitFor(200)
		if len(r.mine.Payload) != 0 {
			t.Errorf("proposed %s", batches(r.mine.Payload))
		}
	})
	t.Run("overtaken_header_gives_back_what_it_carries", func(t *testing.T) {
		r := busy(newRig(t))
		r.must(mempool.BatchReady{Ref: batch(0, 1)})
		r.must(mempool.ShareMade{Share: remora.Share{Height: 7}})
		r.must(mempool.ContributionMade{Contribution: remora.Contribution{Step: 3}})
		r.waitFor(1)
		r.deliver(1) // nobody votes for the own header
		r.waitFor(10)
		h := r.mine
		if h.Round != 2 || len(h.Payload) != 1 || len(h.Shares) != 1 || len(h.Contributions) != 1 {
			t.Errorf("proposed %s", describe(h, nil, nil))
		}
	})
	t.Run("newest_shares_and_contribution_stay", func(t *testing.T) {
		r := newRig(t)
		for i := range remora.Height(40) {
			r.must(mempool.ShareMade{Share: remora.Share{Height: i}})
			r.must(mempool.ContributionMade{Contribution: remora.Contribution{Step: uint64(i)}})
		}
		r.waitFor(1)
		if s := r.mine.Shares; len(s) != remora.MaxHeaderShares || s[0].Height != 24 || s[15].Height != 39 {
			t.Errorf("shares %v", s)
		}
		if c := r.mine.Contributions; len(c) != 1 || c[0].Step != 39 {
			t.Errorf("contributions %v", c)
		}
	})
	t.Run("own_payload_in_flight_survives_a_restart", func(t *testing.T) {
		r := newRig(t)
		r.must(mempool.BatchReady{Ref: batch(0, 1)})
		r.advance(2)
		r.disk.sync()
		r.start(0)
		r.must(mempool.BatchReady{Ref: batch(0, 1)}) // the worker tells again after its restart
		r.waitFor(1)
		if len(r.mine.Payload) != 0 {
			t.Errorf("proposed %s again", batches(r.mine.Payload))
		}
		r.advance(4)
		r.must(mempool.Ordered{SubDAGs: []remora.SubDAG{r.subDAG(0, 2, 0), r.subDAG(2, 4, 0)}})
		r.waitFor(200)
		if len(r.mine.Payload) != 1 {
			t.Errorf("passed over, but not proposed again: %s", describe(r.mine, nil, nil))
		}
	})
}

func TestVotes(t *testing.T) {
	proposed := func(t *testing.T) *rig {
		r := newRig(t)
		r.waitFor(1)
		return r
	}
	vote := func(r *rig, voter remora.Authority) remora.Vote {
		return mempooltest.NewVote(r.Committee, voter, r.mine)
	}
	t.Run("quorum_by_stake", func(t *testing.T) {
		r := newRig(t, 10, 20, 30, 40) // a quorum is 67
		r.waitFor(1)
		for _, tt := range []struct {
			voter remora.Authority
			want  int
		}{{1, 0}, {2, 0}, {3, 1}} {
			ready := r.must(mempool.VoteReceived{Vote: vote(r, tt.voter)})
			if found := events[mempool.Certified](ready); len(found) != tt.want {
				t.Errorf("after the vote of %d: %d certificates", tt.voter, len(found))
			}
		}
	})
	t.Run("certificate_is_synced_before_it_leaves", func(t *testing.T) {
		r := proposed(t)
		r.must(mempool.VoteReceived{Vote: vote(r, 1)})
		ready := r.must(mempool.VoteReceived{Vote: vote(r, 3)})
		if !ready.Sync || ready.Persist[0].Certificate == nil || ready.Send[0].Certificate != ready.Persist[0].Certificate {
			t.Errorf("got %s", format(ready))
		}
		cert := ready.Send[0].Certificate
		if !mempooltest.VerifyCertificate(r.Committee, cert) || !slices.Equal(cert.Signers, remora.NewBitmap(4, 0, 1, 3)) {
			t.Errorf("signers %v", cert.Signers)
		}
		if ready := r.must(mempool.VoteReceived{Vote: vote(r, 2)}); len(ready.Send) != 0 {
			t.Error("a late vote changes the certificate")
		}
	})
	t.Run("bad_vote_is_named_and_banned_and_the_certificate_still_forms", func(t *testing.T) {
		r := proposed(t)
		bad := vote(r, 1)
		bad.Signature[0] ^= 1
		r.must(mempool.VoteReceived{Vote: bad})
		ready := r.must(mempool.VoteReceived{Vote: vote(r, 2)})
		if found := events[mempool.BadVote](ready); !slices.Equal(found, []mempool.BadVote{{Voter: 1, Round: 1}}) {
			t.Errorf("events %v", ready.Events)
		}
		if _, err := r.step(mempool.VoteReceived{Vote: vote(r, 1)}); !errors.Is(err, mempool.ErrVoter) {
			t.Errorf("banned voter: got %v", err)
		}
		if ready := r.must(mempool.VoteReceived{Vote: vote(r, 3)}); len(events[mempool.Certified](ready)) != 1 {
			t.Error("no certificate")
		}
		r.deliver(1)
		r.waitFor(200)
		if ready := r.must(mempool.VoteReceived{Vote: vote(r, 1)}); len(ready.Events) != 0 {
			t.Error("banned beyond the header")
		}
	})
	t.Run("votes_after_a_bad_one_are_verified_alone", func(t *testing.T) {
		r := newRig(t)
		checks := &countingSigner{Signer: r.config.Signer}
		r.config.Signer = checks
		r.start(0)
		r.waitFor(1)
		for round := range 4 {
			bad := vote(r, 1)
			bad.Signature[0] ^= 1
			checks.spoiled = 0
			ready := r.must(mempool.VoteReceived{Vote: bad})
			ready.Events = append(ready.Events, r.must(mempool.VoteReceived{Vote: vote(r, 2)}).Events...)
			if found := events[mempool.BadVote](ready); len(found) != 1 || found[0].Voter != 1 {
				t.Fatalf("round %d: events %v", round, ready.Events)
			}
			if ready = r.must(mempool.VoteReceived{Vote: vote(r, 3)}); len(events[mempool.Certified](ready)) != 1 {
				t.Fatalf("round %d: no certificate", round)
			}
			if want := max(0, 1-round); checks.spoiled != want {
				t.Errorf("round %d: %d aggregates of several were spoiled, want %d", round, checks.spoiled, want)
			}
			r.deliver(r.mine.Round)
			r.waitFor(200)
		}
	})
	t.Run("repeated_vote_counts_once", func(t *testing.T) {
		r := proposed(t)
		for range 3 {
			if ready := r.must(mempool.VoteReceived{Vote: vote(r, 1)}); len(ready.Send) != 0 {
				t.Fatal("one voter made a quorum")
			}
		}
	})
	t.Run("votes_for_something_else", func(t *testing.T) {
		r := proposed(t)
		r.voteAll()
		r.deliver(1)
		r.waitFor(200)
		change := func(f func(*remora.Vote)) remora.Vote {
			v := vote(r, 1)
			f(&v)
			return v
		}
		for name, tt := range map[string]struct {
			vote remora.Vote
			want error
		}{
			"term":     {change(func(v *remora.Vote) { v.Term++ }), mempool.ErrNotOurs},
			"author":   {change(func(v *remora.Vote) { v.Author = 2 }), mempool.ErrNotOurs},
			"digest":   {change(func(v *remora.Vote) { v.Digest[0]++ }), mempool.ErrNotOurs},
			"future":   {change(func(v *remora.Vote) { v.Round++ }), mempool.ErrNotOurs},
			"past":     {change(func(v *remora.Vote) { v.Round-- }), mempool.ErrTooOld},
			"self":     {change(func(v *remora.Vote) { v.Voter = 0 }), mempool.ErrVoter},
			"outsider": {change(func(v *remora.Vote) { v.Voter = 4 }), mempool.ErrVoter},
		} {
			if _, err := r.step(mempool.VoteReceived{Vote: tt.vote}); !errors.Is(err, tt.want) {
				t.Errorf("%s: got %v, want %v", name, err, tt.want)
			}
		}
	})
	t.Run("resent_to_the_silent_only_and_byte_for_byte", func(t *testing.T) {
		r := proposed(t)
		first := remora.Encode(r.mine)
		r.must(mempool.VoteReceived{Vote: vote(r, 2)})
		var to []remora.Authority
		for _, o := range r.ticks(100).Send {
			if o.Broadcast || string(remora.Encode(o.Header)) != string(first) {
				t.Fatalf("sent again: %v", o)
			}
			to = append(to, o.To)
		}
		if !slices.Equal(to, []remora.Authority{1, 3}) {
			t.Errorf("sent again to %v", to)
		}
	})
	t.Run("own_certificate_resent_until_the_round_moves_on", func(t *testing.T) {
		r := busy(proposed(t))
		r.voteAll()
		if ready := r.ticks(100); len(ready.Send) != 1 || ready.Send[0].Certificate == nil {
			t.Errorf("got %s", format(ready))
		}
		r.deliver(1)
		r.ticks(1)
		for _, o := range r.ticks(50).Send {
			if o.Certificate != nil {
				t.Error("sent again although the round moved on")
			}
		}
	})
	t.Run("own_header_of_somebody_else", func(t *testing.T) {
		r := proposed(t)
		if _, err := r.step(mempool.HeaderReceived{Header: r.mine}); err != nil {
			t.Errorf("relayed: %v", err)
		}
		ready, err := r.step(mempool.HeaderReceived{Header: r.later(r.mine)})
		if !errors.Is(err, mempool.ErrTwin) || len(events[mempool.Equivocation](ready)) != 1 {
			t.Errorf("the key is used twice: %v", err)
		}
	})
}

// countingSigner counts the aggregates of several votes of which one is bad.
type countingSigner struct {
	mempool.Signer
	spoiled int
}

func (s *countingSigner) Aggregate(message remora.Hash, votes []remora.Vote) (remora.BLSSignature, remora.Bitmap, []remora.Authority) {
	sig, signers, bad := s.Signer.Aggregate(message, votes)
	if len(votes) > 1 && len(bad) > 0 {
		s.spoiled++
	}
	return sig, signers, bad
}
