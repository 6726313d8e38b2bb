package mempool_test

import (
	"errors"
	"fmt"
	"math/rand"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/mempool/mempooltest"
)

// names returns the round and author of certificates.
func names(certificates []*remora.Certificate) []string {
	var list []string
	for _, c := range certificates {
		list = append(list, fmt.Sprintf("%d/%d", c.Round(), c.Author()))
	}
	return list
}

func TestSuspendedUntilParentsAreAccepted(t *testing.T) {
	r := newRig(t).doubtful(mempool.Lost)
	r.Grow()
	r.Grow()
	r.Grow(1)
	for _, c := range []*remora.Certificate{r.Certificate(3, 1), r.Certificate(2, 2), r.Certificate(2, 0), r.Certificate(2, 1), r.Certificate(2, 3)} {
		if ready := r.must(mempool.CertificateReceived{Certificate: c}); len(ready.Delivered)+len(ready.Persist) != 0 {
			t.Fatalf("delivered %v without parents", names(ready.Delivered))
		}
	}
	var delivered []string
	for _, a := range []remora.Authority{3, 1, 0, 2} {
		delivered = append(delivered, names(r.must(mempool.CertificateReceived{Certificate: r.Certificate(1, a)}).Delivered)...)
	}
	want := []string{"1/3", "1/1", "1/0", "1/2", "2/0", "2/1", "2/2", "2/3", "3/1"}
	if diff := cmp.Diff(want, delivered); diff != "" {
		t.Errorf("delivered (-want +got):\n%s", diff)
	}
}

// Any order of arrival delivers every certificate once, parents first.
func TestDeliversInCausalOrder(t *testing.T) {
	b := mempooltest.NewBuilder(mempooltest.NewCommittee(7))
	chance := rand.New(rand.NewSource(1))
	for range 15 {
		b.Grow(slices.Collect(func(yield func(remora.Authority) bool) {
			for _, a := range chance.Perm(7)[:5+chance.Intn(3)] {
				if !yield(remora.Authority(a)) {
					return
				}
			}
		})...)
	}
	for range 50 {
		r := newRig(t, 1, 1, 1, 1, 1, 1, 1).doubtful(mempool.Lost)
		all := b.All()
		chance.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		seen := map[remora.Hash]bool{}
		for _, c := range slices.Concat(all, all[:20]) {
			for _, d := range r.must(mempool.CertificateReceived{Certificate: c}).Delivered {
				for _, p := range d.Header.Parents {
					if d.Round() > 1 && !seen[p.Digest] {
						t.Fatalf("%d/%d delivered before its parent of %d", d.Round(), d.Author(), p.Author)
					}
				}
				if seen[d.Digest()] {
					t.Fatalf("%d/%d delivered twice", d.Round(), d.Author())
				}
				seen[d.Digest()] = true
			}
		}
		if len(seen) != len(b.All()) {
			t.Fatalf("delivered %d of %d", len(seen), len(b.All()))
		}
	}
}

func TestCertificateRefused(t *testing.T) {
	r := newRig(t)
	r.Grow()
	r.Grow()
	good := r.Certificate(1, 2)
	change := func(f func(*remora.Certificate)) *remora.Certificate {
		c := *good
		c.Signers = slices.Clone(good.Signers)
		f(&c)
		return &c
	}
	for name, c := range map[string]*remora.Certificate{
		"nil":             nil,
		"unsealed":        {Header: remora.Header{Term: 1, Author: 1, Round: 1}},
		"few signers":     change(func(c *remora.Certificate) { c.Signers = remora.NewBitmap(4, 1, 2) }),
		"bits above":      change(func(c *remora.Certificate) { c.Signers[0] |= 1 << 4 }),
		"long bitmap":     change(func(c *remora.Certificate) { c.Signers = append(c.Signers, 0) }),
		"empty bitmap":    change(func(c *remora.Certificate) { c.Signers = nil }),
		"other term":      change(func(c *remora.Certificate) { c.Header.Term = 2; mempooltest.Sign(r.Committee, &c.Header) }),
		"round 0":         change(func(c *remora.Certificate) { c.Header.Round = 0; mempooltest.Sign(r.Committee, &c.Header) }),
		"strange author":  change(func(c *remora.Certificate) { c.Header.Author = 9; mempooltest.Sign(r.Committee, &c.Header) }),
		"too few parents": change(func(c *remora.Certificate) { c.Header.Parents = nil; mempooltest.Sign(r.Committee, &c.Header) }),
	} {
		if _, err := r.step(mempool.CertificateReceived{Certificate: c}); !errors.Is(err, remora.ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := r.step(nil); !errors.Is(err, remora.ErrInvalid) {
		t.Errorf("no message: got %v", err)
	}
	if _, err := r.step(mempool.HeaderReceived{}); !errors.Is(err, remora.ErrInvalid) {
		t.Errorf("no header: got %v", err)
	}
	if _, err := r.step(mempool.BatchStored{Ref: remora.BatchRef{Author: 9}}); !errors.Is(err, mempool.ErrPayload) {
		t.Errorf("batch of nobody: got %v", err)
	}
	if n, _, _ := r.core.Held(); n != 0 {
		t.Errorf("%d refused certificates are kept", n)
	}
}

func TestConflictingCertificates(t *testing.T) {
	setup := func(t *testing.T) (*rig, *remora.Certificate) {
		r := newRig(t)
		r.Grow()
		r.Grow()
		return r, mempooltest.Certify(r.Committee, r.later(&r.Certificate(1, 2).Header))
	}
	expect := func(t *testing.T, r *rig, c *remora.Certificate) {
		t.Helper()
		ready, err := r.step(mempool.CertificateReceived{Certificate: c})
		if !errors.Is(err, mempool.ErrSafety) || !errors.Is(err, mempool.ErrEquivocation) {
			t.Errorf("got %v", err)
		}
		if found := events[mempool.Equivocation](ready); len(found) != 1 || !found[0].Certified {
			t.Errorf("events %v", ready.Events)
		}
		if len(ready.Delivered) != 0 {
			t.Error("delivered")
		}
	}
	t.Run("same_slot", func(t *testing.T) {
		r, twin := setup(t)
		r.must(mempool.CertificateReceived{Certificate: r.Certificate(1, 2)})
		expect(t, r, twin)
	})
	t.Run("child_names_another_parent", func(t *testing.T) {
		r, twin := setup(t)
		r.must(mempool.CertificateReceived{Certificate: twin})
		expect(t, r, r.Certificate(2, 1))
	})
	t.Run("suspended_child_names_another_parent", func(t *testing.T) {
		r, twin := setup(t)
		r.must(mempool.CertificateReceived{Certificate: r.Certificate(2, 1)})
		expect(t, r, twin)
	})
	t.Run("header_against_certificate", func(t *testing.T) {
		r, twin := setup(t)
		r.must(mempool.CertificateReceived{Certificate: twin})
		ready, err := r.step(mempool.HeaderReceived{Header: &r.Certificate(1, 2).Header})
		if !errors.Is(err, mempool.ErrEquivocation) || len(votes(ready)) != 0 {
			t.Errorf("got %v, votes %v", err, votes(ready))
		}
	})
	t.Run("other_signers_are_the_same_vertex", func(t *testing.T) {
		r, _ := setup(t)
		r.must(mempool.CertificateReceived{Certificate: r.Certificate(1, 2)})
		other := mempooltest.Certify(r.Committee, &r.Certificate(1, 2).Header, 1, 2, 3)
		if ready := r.must(mempool.CertificateReceived{Certificate: other}); len(ready.Delivered) != 0 {
			t.Error("delivered twice")
		}
	})
	t.Run("waiting_header_names_another_parent", func(t *testing.T) {
		r, twin := setup(t)
		r.must(mempool.HeaderReceived{Header: r.Header(2, 3)})
		ready := r.must(mempool.CertificateReceived{Certificate: twin})
		if found := events[mempool.Refused](ready); len(found) != 1 || !errors.Is(found[0].Reason, mempool.ErrParents) {
			t.Errorf("events %v", ready.Events)
		}
	})
}

func TestGarbageCollection(t *testing.T) {
	setup := func(t *testing.T) *rig {
		r := newRig(t)
		for range 16 {
			r.Grow(1, 2, 3)
		}
		return r
	}
	sub := func(r *rig, leader remora.Round) mempool.Ordered {
		return mempool.Ordered{SubDAGs: []remora.SubDAG{{Headers: []*remora.Header{&r.Certificate(leader, 1).Header}}}}
	}
	t.Run("suspended_at_the_boundary_is_accepted", func(t *testing.T) {
		r := setup(t)
		r.must(mempool.CertificateReceived{Certificate: r.Certificate(3, 2)})
		r.must(mempool.CertificateReceived{Certificate: r.Certificate(3, 3)})
		r.must(mempool.CertificateReceived{Certificate: r.Certificate(4, 2)})
		r.must(mempool.CertificateReceived{Certificate: r.Certificate(3, 1)})
		ready := r.must(sub(r, 12))
		if r.core.GCRound() != 2 {
			t.Fatalf("GC round %d", r.core.GCRound())
		}
		if diff := cmp.Diff([]string{"3/1", "3/2", "3/3", "4/2"}, names(ready.Delivered)); diff != "" {
			t.Errorf("delivered (-want +got):\n%s", diff)
		}
		if ready := r.ticks(200); len(ready.Want) != 0 {
			t.Errorf("asks for forgotten parents: %v", ready.Want)
		}
	})
	t.Run("at_or_below_is_refused_and_above_needs_no_parents", func(t *testing.T) {
		r := setup(t)
		r.must(sub(r, 14))
		for _, round := range []remora.Round{3, 4} {
			if _, err := r.step(mempool.CertificateReceived{Certificate: r.Certificate(round, 2)}); !errors.Is(err, mempool.ErrTooOld) {
				t.Errorf("round %d: got %v", round, err)
			}
		}
		if ready := r.must(mempool.CertificateReceived{Certificate: r.Certificate(5, 2)}); len(ready.Delivered) != 1 {
			t.Error("round 5 waits for forgotten parents")
		}
		if ready := r.must(mempool.CertificateReceived{Certificate: r.Certificate(6, 2)}); len(ready.Delivered) != 0 {
			t.Error("round 6 does not wait for its parents")
		}
	})
	t.Run("forgets_all_that_waits_below", func(t *testing.T) {
		r := setup(t)
		r.must(mempool.HeaderReceived{Header: r.Header(2, 3)})
		r.must(mempool.CertificateReceived{Certificate: r.Certificate(2, 2)})
		r.must(sub(r, 14))
		if certificates, headers, wants := r.core.Held(); certificates+headers+wants != 0 {
			t.Errorf("holds %d certificates, %d headers, %d wants", certificates, headers, wants)
		}
	})
	t.Run("an_empty_or_old_order_changes_nothing", func(t *testing.T) {
		r := setup(t)
		r.must(sub(r, 14))
		r.must(sub(r, 12))
		r.must(mempool.Ordered{SubDAGs: []remora.SubDAG{{}}})
		if r.core.GCRound() != 4 {
			t.Errorf("GC round %d", r.core.GCRound())
		}
	})
	t.Run("restart_across_the_boundary_waits_for_what_the_crash_took", func(t *testing.T) {
		r := setup(t)
		kept := []*remora.Certificate{r.Certificate(5, 1), r.Certificate(5, 2), r.Certificate(5, 3), r.Certificate(6, 1)}
		core, err := mempool.New(r.config, mempool.Snapshot{Committed: 12, Certificates: kept}) // accepted at GC round 4
		if err != nil {
			t.Fatal(err)
		}
		r.core = core
		if ready := r.ticks(3); len(ready.Want) != 1 || ready.Want[0].Round != 4 || len(ready.Delivered) != 0 {
			t.Errorf("at start: %s", format(ready))
		}
		ready := r.must(sub(r, 14))
		if diff := cmp.Diff([]string{"5/1", "5/2", "5/3", "6/1"}, names(ready.Delivered)); diff != "" {
			t.Errorf("delivered (-want +got):\n%s", diff)
		}
	})
}

func TestBehind(t *testing.T) {
	r := newRig(t)
	at := func(round remora.Round, author remora.Authority) *remora.Certificate {
		return mempooltest.Certify(r.Committee, mempooltest.NewHeader(r.Committee, author, round, r.Parents(0)))
	}
	step := func(c *remora.Certificate) []mempool.Behind {
		ready, _ := r.step(mempool.CertificateReceived{Certificate: c})
		return events[mempool.Behind](ready)
	}
	if found := step(at(1000, 2)); len(found) != 0 {
		t.Errorf("one author of four: %v", found)
	}
	if found := step(at(11, 3)); len(found) != 0 {
		t.Errorf("at the limit: %v", found)
	}
	if found := step(at(12, 3)); !slices.Equal(found, []mempool.Behind{{Round: 12}}) {
		t.Errorf("above the limit: %v", found)
	}
	if found := step(at(500, 3)); len(found) != 0 {
		t.Errorf("again at once: %v", found)
	}
	r.ticks(100)
	if found := step(at(501, 3)); !slices.Equal(found, []mempool.Behind{{Round: 501}}) {
		t.Errorf("again after a while: %v", found)
	}
}

// A chain of suspended certificates as long as the window is drained at once.
func TestLongSuspendedChain(t *testing.T) {
	r := newRig(t)
	r.config.GCDepth = 1000
	r.start(0)
	for range 2000 {
		r.Grow(1, 2, 3)
	}
	all := r.All()
	slices.Reverse(all)
	var delivered int
	for _, c := range all {
		if err := r.core.Step(mempool.CertificateReceived{Certificate: c}); err != nil {
			t.Fatal(err)
		}
	}
	delivered += len(r.ready().Delivered)
	if delivered != len(all) {
		t.Errorf("delivered %d of %d", delivered, len(all))
	}
}

// Whatever peers send, what is kept stays within the window.
func TestFloodIsBounded(t *testing.T) {
	const n = 4
	r := newRig(t)
	chance := rand.New(rand.NewSource(1))
	for i := range 20_000 {
		round := remora.Round(1 + chance.Intn(60))
		parents := make([]remora.Parent, n)
		for a := range parents {
			parents[a] = remora.Parent{Author: remora.Authority(a), Digest: remora.Hash{byte(i), byte(i >> 8), byte(a)}}
		}
		author := remora.Authority(1 + chance.Intn(n-1))
		h := mempooltest.NewHeader(r.Committee, author, round, parents, batch(author, uint64(i)))
		if chance.Intn(2) == 0 {
			_, _ = r.step(mempool.HeaderReceived{Header: h}) // most are refused, in many ways
		} else {
			_, _ = r.step(mempool.CertificateReceived{Certificate: mempooltest.Certify(r.Committee, h)})
		}
		if i%100 == 0 {
			r.ticks(1)
		}
	}
	certificates, headers, wants := r.core.Held()
	window := 2*gcDepth + 1
	if certificates > n*window || headers > n-1 || wants > n*(n*window+n) {
		t.Errorf("holds %d certificates, %d headers, %d wants", certificates, headers, wants)
	}
}

// Headers that replace each other leave no requests behind.
func TestReplacedHeadersLeaveNoRequests(t *testing.T) {
	r := newRig(t)
	for round := remora.Round(2); round <= 2*gcDepth; round++ {
		parents := make([]remora.Parent, 4)
		for a := range parents {
			parents[a] = remora.Parent{Author: remora.Authority(a), Digest: remora.Hash{byte(round), byte(a)}}
		}
		r.must(mempool.HeaderReceived{Header: mempooltest.NewHeader(r.Committee, 2, round, parents)})
		if _, headers, wants := r.core.Held(); headers != 1 || wants != 4 {
			t.Fatalf("round %d: holds %d headers, %d wants", round, headers, wants)
		}
	}
}

func TestNewRefusesConfig(t *testing.T) {
	good := newRig(t).config
	for name, change := range map[string]func(*mempool.Config){
		"committee": func(c *mempool.Config) { c.Committee = nil },
		"leader":    func(c *mempool.Config) { c.Leader = nil },
		"signer":    func(c *mempool.Config) { c.Signer = nil },
		"outsider":  func(c *mempool.Config) { c.Self = 4 },
		"GC depth":  func(c *mempool.Config) { c.GCDepth = 1 },
	} {
		config := good
		change(&config)
		if _, err := mempool.New(config, mempool.Snapshot{}); !errors.Is(err, remora.ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// After block sync the DAG is empty above the GC round: the core fills it before it proposes, and asks for no more blocks.
func TestStartAfterBlockSync(t *testing.T) {
	r := newRig(t)
	for range 40 {
		r.Grow(1, 2, 3)
	}
	core, err := mempool.New(r.config, mempool.Snapshot{Committed: 38})
	if err != nil {
		t.Fatal(err)
	}
	r.core = core
	if h := proposal(r.ticks(200)); h != nil {
		t.Fatalf("proposed round %d without parents", h.Round)
	}
	for round := remora.Round(40); round > 28; round-- {
		for _, c := range r.Layer(round) {
			if ready := r.must(mempool.CertificateReceived{Certificate: c}); len(events[mempool.Behind](ready)) != 0 {
				t.Fatalf("behind at round %d: %v", round, ready.Events)
			}
		}
	}
	r.ticks(1)
	if r.mine == nil || r.mine.Round != 41 {
		t.Errorf("proposed %v", r.mine)
	}
}
