package cache_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"log/slog"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/cache"
	"github.com/remora-network/remora/app/store"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/app/transfer/transfertest"
)

// direct is the network between caches of one process. Its index is that of a transfertest.Network, in a fixed order.
type direct struct {
	*transfertest.Network
	order    []remora.ContentEntry
	handlers map[string]map[string]func(context.Context, string, []byte) ([]byte, error) // by cache, then protocol
	asked    []transfer.ContentRequest
	failFrom int // requests that are answered, 0: all
}

func (d *direct) AllContent(visit func(remora.ContentEntry) bool) error {
	for _, e := range d.order {
		if !visit(e) {
			break
		}
	}
	return nil
}

func (d *direct) Ask(ctx context.Context, c transfer.Cache, protocol string, request []byte, _ int) ([]byte, error) {
	if protocol == transfer.AskContent {
		r, err := transfer.DecodeContentRequest(request)
		if err != nil {
			return nil, err
		}
		d.asked = append(d.asked, *r)
	}
	handler := d.handlers[c.Name][protocol]
	if handler == nil || d.failFrom > 0 && len(d.asked) > d.failFrom {
		return nil, transfertest.ErrUnreachable
	}
	return handler(ctx, "peer", request)
}

// add registers content behind all others.
func (d *direct) add(data []byte) remora.Content {
	c := d.Add(data, false)
	d.order = append(d.order, remora.ContentEntry{Content: c, Replicas: remora.MaxReplicas})
	return c
}

// open opens a cache of the network over dir.
func (d *direct) open(t *testing.T, self byte, dir string, quota uint64) (*cache.Service, *store.Store) {
	t.Helper()
	st, err := store.Open(dir, store.Options{Quota: quota})
	if err != nil {
		t.Fatal(err)
	}
	s := cache.New(cache.Config{
		Self: remora.Address{self}, Store: st, Chain: d, Network: d, Logger: slog.New(slog.DiscardHandler),
	})
	return s, st
}

func closeStore(t *testing.T, st *store.Store) {
	t.Helper()
	if err := st.Close(); err != nil {
		t.Error(err)
	}
}

// newDirect returns a network in which "c0" is a real cache and "self" is the test's to open.
func newDirect(t *testing.T) (*direct, *store.Store) {
	t.Helper()
	d := &direct{Network: transfertest.New("c0", "self")}
	source, st := d.open(t, 1, t.TempDir(), 0)
	t.Cleanup(func() { closeStore(t, st) })
	d.handlers = map[string]map[string]func(context.Context, string, []byte) ([]byte, error){"c0": source.Handlers()}
	return d, st
}

// TestResumesAfterRestart cuts off the only provider after each answer and reopens the cache: no byte is fetched twice.
func TestResumesAfterRestart(t *testing.T) {
	d, source := newDirect(t)
	data := make([]byte, 2*transfer.MaxRange+50_000)
	for i := 0; i+8 <= len(data); i += 8 {
		binary.BigEndian.PutUint64(data[i:], uint64(i))
	}
	c := d.add(data)
	if err := source.Import(bytes.NewReader(data), c); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var offsets []uint64
	for held, life := false, 0; !held; life++ {
		if life == 3 {
			t.Fatal("three answers were not enough")
		}
		s, st := d.open(t, 2, dir, 0)
		d.asked, d.failFrom = nil, 1
		if err := s.Repair(t.Context()); err != nil {
			t.Fatal(err)
		}
		offsets = append(offsets, d.asked[0].Offset)
		held = holds(st, c)()
		closeStore(t, st)
	}
	for i, offset := range offsets {
		if offset != uint64(i)*transfer.MaxRange {
			t.Errorf("life %d began at %d", i, offset)
		}
	}
	s, st := d.open(t, 2, dir, 0)
	defer closeStore(t, st)
	d.asked = nil
	if err := s.Repair(t.Context()); err != nil || len(d.asked) != 0 {
		t.Errorf("asked %d times for what is here: %v", len(d.asked), err)
	}
}

// TestNothingHidesTheRest registers more content without holders than one repair visits, and some larger than the
// quota, all before content that is available.
func TestNothingHidesTheRest(t *testing.T) {
	d, source := newDirect(t)
	d.add(bytes.Repeat([]byte("large"), 100_000))
	for i := range transfer.MaxRoots + 10 {
		d.add(binary.BigEndian.AppendUint32(nil, uint32(i)))
	}
	c := d.add([]byte("to be had"))
	if err := source.Import(bytes.NewReader([]byte("to be had")), c); err != nil {
		t.Fatal(err)
	}
	s, st := d.open(t, 2, t.TempDir(), 100_000)
	defer closeStore(t, st)
	for range 2 {
		if err := s.Repair(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if !holds(st, c)() {
		t.Fatal("entries that cannot be had hide one that can")
	}
	// Content that was not available is asked for again.
	late := d.order[1].Content
	if err := source.Import(bytes.NewReader(make([]byte, 4)), late); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Repair(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if !holds(st, late)() {
		t.Error("what came late was never fetched")
	}
}

// TestOtherContentIsRefused has one cache answer with the valid stream of other content.
func TestOtherContentIsRefused(t *testing.T) {
	for _, second := range []bool{false, true} {
		d, source := newDirect(t)
		data, other := bytes.Repeat([]byte("true"), 10_000), bytes.Repeat([]byte("also"), 10_000)
		c, lie := d.add(data), d.Add(other, false)
		for content, b := range map[remora.Content][]byte{c: data, lie: other} {
			if err := source.Import(bytes.NewReader(b), content); err != nil {
				t.Fatal(err)
			}
		}
		honest := d.handlers["c0"]
		liar := func(ctx context.Context, peer string, _ []byte) ([]byte, error) {
			return honest[transfer.AskContent](ctx, peer, remora.Encode(transfer.ContentRequest{Root: lie.Root, Length: lie.Length, Bytes: lie.Length}))
		}
		d.Network = transfertest.New("c0", "c1", "self")
		d.handlers = map[string]map[string]func(context.Context, string, []byte) ([]byte, error){"c0": {transfer.AskContent: liar}}
		if second {
			d.handlers["c1"] = honest
		}
		s, st := d.open(t, 3, t.TempDir(), 0)
		if err := s.Repair(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := holds(st, c)(); got != second {
			t.Errorf("an honest cache beside the liar: %t, kept: %t", second, got)
		}
		closeStore(t, st)
	}
}
