package cache_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/cache"
	"github.com/remora-network/remora/app/store"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/app/transfer/transfertest"
)

// fleet is a network of real caches in one process, numbered from 0, with an index of its own.
type fleet struct {
	services []*cache.Service
	stores   []*store.Store
	entries  []remora.ContentEntry
	failing  error // of the index
	left     int   // cache that is no longer registered, -1: none

	mu        sync.Mutex
	down      map[int]bool
	questions map[int]int // AskHas requests by cache asked
	roots     []int       // sizes of them
	pulls     int
}

func newFleet(t *testing.T, size int) *fleet {
	t.Helper()
	f := &fleet{left: -1, down: map[int]bool{}, questions: map[int]int{}}
	for i := range size {
		f.services, f.stores = append(f.services, nil), append(f.stores, nil)
		f.open(t, i, cache.Config{})
	}
	return f
}

// open reopens a cache with an empty disk.
func (f *fleet) open(t *testing.T, i int, c cache.Config) {
	t.Helper()
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeStore(t, st) })
	c.Self, c.Store, c.Chain, c.Network, c.Logger = address(i), st, f, f, slog.New(slog.DiscardHandler)
	f.services[i], f.stores[i] = cache.New(c), st
}

func address(i int) remora.Address { return remora.Address{byte(i + 1)} }

// add registers numbered content and stores it at the assigned caches.
func (f *fleet) add(t *testing.T, number, replicas int) remora.Content {
	t.Helper()
	data := binary.BigEndian.AppendUint64(nil, uint64(number))
	c := transfertest.New().Add(data, false)
	f.entries = append(f.entries, remora.ContentEntry{Content: c, Replicas: uint8(replicas)})
	for _, i := range f.order(c)[:replicas] {
		f.put(t, i, c, data)
	}
	return c
}

func (f *fleet) put(t *testing.T, i int, c remora.Content, data []byte) {
	t.Helper()
	if err := f.stores[i].Import(bytes.NewReader(data), c); err != nil {
		t.Fatal(err)
	}
}

// order returns the caches in order of preference.
func (f *fleet) order(c remora.Content) []int {
	var addresses []remora.Address
	for i := range f.services {
		addresses = append(addresses, address(i))
	}
	var order []int
	for _, a := range remora.Assign(c.Root, addresses, len(addresses)) {
		order = append(order, int(a[0])-1)
	}
	return order
}

// holders returns the caches that are up and hold content.
func (f *fleet) holders(c remora.Content) []int {
	var found []int
	for i, st := range f.stores {
		if _, held := st.Length(c.Root); held && !f.down[i] {
			found = append(found, i)
		}
	}
	return found
}

// look lets every cache that is up run one round.
func (f *fleet) look(t *testing.T) {
	t.Helper()
	for i, s := range f.services {
		if !f.down[i] {
			if err := s.Look(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Content implements cache.Chain.
func (f *fleet) Content(root remora.Hash, directory bool) (remora.ContentEntry, bool, error) {
	for _, e := range f.entries {
		if e.Content.Root == root && e.Directory == directory {
			return e, true, f.failing
		}
	}
	return remora.ContentEntry{}, false, f.failing
}

// AllContent implements cache.Chain.
func (f *fleet) AllContent(visit func(remora.ContentEntry) bool) error {
	for _, e := range f.entries {
		if !visit(e) {
			break
		}
	}
	return f.failing
}

// Caches implements cache.Chain.
func (f *fleet) Caches() ([]transfer.Cache, error) {
	var caches []transfer.Cache
	for i := range f.services {
		if i == f.left {
			continue
		}
		caches = append(caches, transfer.Cache{Address: address(i), Name: strconv.Itoa(i)})
	}
	return caches, nil
}

// WaitBlock implements cache.Chain.
func (f *fleet) WaitBlock(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// Ask implements cache.Network.
func (f *fleet) Ask(ctx context.Context, c transfer.Cache, protocol string, request []byte, _ int) ([]byte, error) {
	i := int(c.Address[0]) - 1
	f.mu.Lock()
	switch protocol {
	case transfer.AskHas:
		f.questions[i]++
		if r, err := transfer.DecodeHasRequest(request); err == nil {
			f.roots = append(f.roots, len(r.Roots))
		}
	default:
		f.pulls++
	}
	down := f.down[i]
	f.mu.Unlock()
	if down {
		return nil, transfertest.ErrUnreachable
	}
	return f.services[i].Handlers()[protocol](ctx, "peer", request)
}

// TestStandsIn removes one cache of seven: its contents get as many holders again, the next in order, and the questions
// stay few and bounded.
func TestStandsIn(t *testing.T) {
	f := newFleet(t, 7)
	const entries, replicas, dead = 100, 2, 3
	for i := range entries {
		f.add(t, i, replicas)
	}
	f.down[dead] = true
	kept := func() bool {
		for _, e := range f.entries {
			if len(f.holders(e.Content)) < replicas {
				return false
			}
		}
		return true
	}
	rounds := 0
	for ; !kept(); rounds++ {
		if rounds < cache.Patience-1 && f.pulls > 0 {
			t.Fatal("somebody lost patience early")
		}
		if rounds == 200 {
			t.Fatal("the replication factor was not restored")
		}
		f.look(t)
	}
	for _, e := range f.entries {
		want := slices.DeleteFunc(f.order(e.Content), func(i int) bool { return i == dead })[:replicas]
		got := f.holders(e.Content)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("held by %v, want %v of %v", got, want, f.order(e.Content))
		}
	}
	if f.questions[dead] > rounds*2*len(f.services) {
		t.Errorf("the dead cache was asked %d times in %d rounds", f.questions[dead], rounds)
	}
	pulls := f.pulls
	for range 50 {
		f.look(t)
	}
	if f.pulls != pulls {
		t.Errorf("%d pulls more although all is kept", f.pulls-pulls)
	}
}

// TestRestartsCauseNoStorm takes a cache down repeatedly, for less than missesBeforeStandIn checks.
func TestRestartsCauseNoStorm(t *testing.T) {
	f := newFleet(t, 5)
	for i := range 100 {
		f.add(t, i, 2)
	}
	for round := range 120 {
		f.down[1] = round%cache.Patience != 0
		f.look(t)
	}
	if f.pulls != 0 {
		t.Errorf("%d pulls", f.pulls)
	}
}

// TestSeveralFail takes down all caches but three, and then restores the content of one at the last in order.
func TestSeveralFail(t *testing.T) {
	f := newFleet(t, 7)
	c := f.add(t, 1, 2)
	order := f.order(c)
	f.put(t, order[6], c, binary.BigEndian.AppendUint64(nil, 1))
	for _, i := range order[:4] {
		f.down[i] = true
	}
	for range 60 {
		f.look(t)
	}
	want := []int{order[4], order[5], order[6]}
	slices.Sort(want)
	if got := f.holders(c); !slices.Equal(got, want) {
		t.Errorf("held by %v, want %v", got, want)
	}
}

// TestNobodyHoldsIsNotWatched registers more content without holders than one round checks, before some that one cache
// holds.
func TestNobodyHoldsIsNotWatched(t *testing.T) {
	f := newFleet(t, 3)
	for i := range 3 * transfer.MaxRoots {
		c := transfertest.New().Add(binary.BigEndian.AppendUint32(nil, uint32(i)), false)
		f.entries = append(f.entries, remora.ContentEntry{Content: c, Replicas: 1})
	}
	c := f.add(t, 7, 2)
	f.down[f.order(c)[0]] = true
	for range 100 {
		f.look(t)
	}
	if got := f.holders(c); len(got) != 2 {
		t.Errorf("held by %v", got)
	}
	if most := slices.Max(f.roots); most > transfer.MaxRoots {
		t.Errorf("a request of %d roots", most)
	}
}

// TestTheLargeIsLeftToTheFirst checks that the second in line leaves the first one time to fetch large content.
func TestTheLargeIsLeftToTheFirst(t *testing.T) {
	f := newFleet(t, 4)
	c := f.add(t, 1, 2)
	order := f.order(c)
	f.down[order[0]] = true
	f.entries[0].Content.Length = 5 * cache.HeadStart // larger than the bytes that exist, so that pulls fail and are only counted
	for round := range 60 {
		before := f.pulls
		if err := f.services[order[3]].Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		if f.pulls > before {
			if round < cache.Patience+5 {
				t.Errorf("pulled after %d checks", round+1)
			}
			return
		}
	}
	t.Error("the second in line never stood in")
}

// surplusCase is content held by the last of six caches.
type surplusCase struct {
	name    string
	change  func(t *testing.T, f *fleet, c remora.Content, last int)
	needed  bool
	removed bool
}

var surplusCases = []surplusCase{
	{name: "enough hold it", removed: true},
	{name: "one holder is down and nobody stands in", change: func(_ *testing.T, f *fleet, c remora.Content, _ int) { f.down[f.order(c)[1]] = true }},
	{name: "a stand-in holds it", removed: true, change: func(t *testing.T, f *fleet, c remora.Content, _ int) {
		f.down[f.order(c)[1]] = true
		f.put(t, f.order(c)[3], c, binary.BigEndian.AppendUint64(nil, 1))
	}},
	{name: "pinned", change: func(t *testing.T, f *fleet, c remora.Content, last int) {
		if err := f.stores[last].Pin(c.Root); err != nil {
			t.Fatal(err)
		}
	}},
	{name: "needed", needed: true},
	{name: "close behind", change: func(_ *testing.T, f *fleet, _ remora.Content, _ int) {
		f.entries[0].Replicas = 6 - cache.Reserve
	}},
	{name: "not registered", removed: true, change: func(_ *testing.T, f *fleet, _ remora.Content, _ int) { f.entries = nil }},
	{name: "not registered but needed", needed: true, change: func(_ *testing.T, f *fleet, _ remora.Content, _ int) { f.entries = nil }},
	{name: "the directory of the same root wants it here", change: func(_ *testing.T, f *fleet, c remora.Content, _ int) {
		f.entries = append(f.entries, remora.ContentEntry{Content: c, Directory: true, Replicas: 6})
	}},
}

// TestSurplusIsRemoved checks content before and after surplusGrace.
func TestSurplusIsRemoved(t *testing.T) {
	for _, tt := range surplusCases {
		f := newFleet(t, 6)
		c := f.add(t, 1, 2)
		order := f.order(c)
		last := order[5]
		f.open(t, last, cache.Config{Needed: func(root remora.Hash) bool { return tt.needed && root == c.Root }})
		f.put(t, last, c, binary.BigEndian.AppendUint64(nil, 1))
		if tt.change != nil {
			tt.change(t, f, c, last)
		}
		s, clock := f.services[last], time.Now()
		s.SetClock(func() time.Time { return clock })
		for _, after := range []time.Duration{0, cache.Grace - time.Second} {
			clock = clock.Add(after)
			if err := s.Tidy(t.Context()); err != nil {
				t.Fatal(err)
			}
			if !holds(f.stores[last], c)() {
				t.Errorf("%s: removed before the grace was over", tt.name)
			}
		}
		clock = clock.Add(time.Second)
		if err := s.Tidy(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := !holds(f.stores[last], c)(); got != tt.removed {
			t.Errorf("%s: removed %t", tt.name, got)
		}
	}
}

// TestSurplusBeginsAnew interrupts the time of surplusGrace: by a holder that fails, and by an index that cannot be
// read.
func TestSurplusBeginsAnew(t *testing.T) {
	f := newFleet(t, 6)
	c := f.add(t, 1, 2)
	order := f.order(c)
	last := order[5]
	f.put(t, last, c, binary.BigEndian.AppendUint64(nil, 1))
	s, clock := f.services[last], time.Now()
	s.SetClock(func() time.Time { return clock })
	tidy := func() error {
		err := s.Tidy(t.Context())
		clock = clock.Add(cache.Grace)
		return err
	}
	failing := errors.New("no index")
	for i, step := range []struct {
		down  bool
		index error
		held  bool
	}{{held: true}, {down: true, held: true}, {held: true}, {index: failing, held: true}, {down: true, held: true}, {held: true}, {held: false}} {
		f.down[order[0]], f.failing = step.down, step.index
		if err := tidy(); !errors.Is(err, step.index) {
			t.Fatal(err)
		}
		if holds(f.stores[last], c)() != step.held {
			t.Fatalf("step %d: held %t", i, !step.held)
		}
	}
}

// TestUnregisteredCacheDoesNothing has a node that is still catching up: its state has neither the cache nor the
// content.
func TestUnregisteredCacheDoesNothing(t *testing.T) {
	f := newFleet(t, 3)
	c := f.add(t, 1, 1)
	f.open(t, 0, cache.Config{})
	late := cache.New(cache.Config{Self: remora.Address{99}, Store: f.stores[0], Chain: f, Network: f, Logger: slog.New(slog.DiscardHandler)})
	f.put(t, 0, c, binary.BigEndian.AppendUint64(nil, 1))
	f.entries = nil
	clock := time.Now()
	late.SetClock(func() time.Time { return clock })
	for range 40 {
		clock = clock.Add(cache.Grace)
		if err := late.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if !holds(f.stores[0], c)() || len(f.roots) != 0 {
		t.Errorf("held %t, %d questions", holds(f.stores[0], c)(), len(f.roots))
	}
}

// TestReplicasAndCachesChange raises the replicas of an entry, and then removes a cache from the registry: the newly
// assigned caches fetch it.
func TestReplicasAndCachesChange(t *testing.T) {
	f := newFleet(t, 5)
	c := f.add(t, 1, 1)
	order := f.order(c)
	repair := func(want ...int) {
		t.Helper()
		for _, i := range order {
			if err := f.services[i].Repair(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		want = slices.Sorted(slices.Values(want))
		if got := f.holders(c); !slices.Equal(got, want) {
			t.Errorf("held by %v, want %v of %v", got, want, order)
		}
	}
	repair(order[0])
	f.entries[0].Replicas = 3
	repair(order[:3]...)
	f.left = order[1]
	repair(order[:4]...) // a cache that left the registry keeps its content
}
