package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/mempool/mempooltest"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/node/store/crashfs"
)

// progress records what a workload began and what was acknowledged before the power failed.
type progress struct {
	initialised    bool
	began, blocks  remora.Height // commits
	stored         remora.Height // heights whose batches are acknowledged
	tried, header  remora.Round  // own headers
	voted          remora.Round
	certified      remora.Round // certificates of rounds up to here were written before a synced record
	withoutFailure bool
}

// fill uses a store as a node does, with a restart in the middle.
func (h *history) fill(fs *crashfs.FS) (p progress, err error) {
	half := remora.Height(len(h.commits) / 2)
	for _, part := range [][2]remora.Height{{0, half}, {half, remora.Height(len(h.commits))}} {
		s, err := open(fs)
		if err != nil {
			return p, err
		}
		if part[0] == 0 {
			if err := s.Init(h.genesis, h.initial); err != nil {
				return p, errors.Join(err, s.Close())
			}
			p.initialised = !fs.Crashed()
		}
		for height := part[0] + 1; height <= part[1]; height++ {
			if err := h.block(s, fs, height, &p); err != nil {
				return p, errors.Join(err, s.Close())
			}
		}
		if err := s.Close(); err != nil {
			return p, err
		}
	}
	p.withoutFailure = !fs.Crashed()
	return p, nil
}

// block takes a store through one height: batches, a header and a vote that are synced, certificates that are not, the
// block and its certificate.
func (h *history) block(s *store.Store, fs *crashfs.FS, height remora.Height, p *progress) error {
	r := remora.Round(height)
	steps := []struct {
		do   func() error
		done func()
	}{
		{func() error { return s.AppendBatches(h.batches[height-1]) }, func() { p.stored = height }},
		{func() error {
			p.tried = r
			return s.SaveDAG([]mempool.Record{{Header: h.header(r)}}, true)
		}, func() { p.header, p.certified = r, r-1 }},
		{func() error { return s.SaveDAG([]mempool.Record{{Vote: h.vote(r)}}, true) }, func() { p.voted = r }},
		{func() error { return s.SaveDAG(h.certificates(r), false) }, func() {}},
		{func() error {
			p.began = height
			return s.Commit(h.commits[height-1])
		}, func() { p.blocks, p.certified = height, r }},
		{func() error { return s.PutBlockCertificate(h.blockCertificate(height)) }, func() {}},
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			return err
		}
		if !fs.Crashed() {
			step.done()
		}
	}
	return nil
}

// check opens the store that a crash left: it must open, hold the state after a whole number of blocks and everything
// that was acknowledged, and accept more.
func (h *history) check(t *testing.T, fs *crashfs.FS, p progress) {
	t.Helper()
	s, err := open(fs)
	if err != nil {
		t.Fatalf("reopen: %v", err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	origin, initialised, err := s.Genesis()
	if err != nil || p.initialised && !initialised || initialised && origin != h.genesis {
		t.Fatalf("genesis %s, initialised %t (acknowledged %t), error %v", origin, initialised, p.initialised, err)
	}
	if !initialised {
		if rows := dump(t, s.Tables()); rows != "" || s.Height() != 0 {
			t.Fatalf("height %d and rows in a store without genesis:\n%s", s.Height(), rows)
		}
		return
	}
	h.checkBlocks(t, s, p)
	h.checkDAG(t, s, p)
	for height := s.Height() + 1; height <= remora.Height(len(h.commits)); height++ {
		if err := h.block(s, fs, height, &p); err != nil {
			t.Fatalf("block %d after the crash: %v", height, err)
		}
	}
	if got, want := dump(t, s.Tables()), h.rows[len(h.commits)]; got != want {
		t.Fatal("the state in the end differs")
	}
}

func (h *history) checkBlocks(t *testing.T, s *store.Store, p progress) {
	t.Helper()
	tip := s.Height()
	if tip < p.blocks || tip > p.began {
		t.Fatalf("height %d, %d acknowledged, %d begun", tip, p.blocks, p.began)
	}
	if dump(t, s.Tables()) != h.rows[tip] {
		t.Fatalf("the tables are not the state after block %d", tip)
	}
	for height := remora.Height(1); height <= remora.Height(len(h.commits)); height++ {
		want := h.commits[height-1]
		block, err := s.Block(height)
		if height > tip {
			if !errors.Is(err, remora.ErrNotFound) {
				t.Fatalf("block %d above %d: error %v", height, tip, err)
			}
			continue
		}
		if err != nil || block.Header.Hash() != want.Block.Header.Hash() {
			t.Fatalf("block %d: %v", height, err)
		}
		if at, done, err := s.BatchHeight(h.batches[height-1][0].Digest); at != height || !done || err != nil {
			t.Fatalf("batch of block %d: executed %t at %d, error %v", height, done, at, err)
		}
		for hash, position := range want.Signed {
			if place, err := s.Tx(hash); err != nil || place != (store.TxPlace{Height: height, Position: position}) {
				t.Fatalf("transaction of block %d: %+v, error %v", height, place, err)
			}
		}
		cert, err := s.BlockCertificate(height)
		if err != nil || cert != nil && cert.Hash != block.Header.Hash() {
			t.Fatalf("certificate of block %d: %+v, error %v", height, cert, err)
		}
	}
	for height := remora.Height(1); height <= p.stored; height++ {
		b := h.batches[height-1][0]
		if raw, err := s.Batch(b.Digest); err != nil || !bytes.Equal(raw, b.Raw) {
			t.Fatalf("acknowledged batch of block %d: error %v", height, err)
		}
	}
}

func (h *history) checkDAG(t *testing.T, s *store.Store, p progress) {
	t.Helper()
	d, err := s.LoadDAG(mempooltest.Domain, 0)
	if err != nil {
		t.Fatal(err)
	}
	var header, voted remora.Round
	if d.Proposed != nil {
		header = d.Proposed.Round
	}
	if header < p.header || header > p.tried || header > 0 && d.Proposed.Digest() != h.header(header).Digest() {
		t.Fatalf("own header of round %d, %d acknowledged, %d begun", header, p.header, p.tried)
	}
	for _, v := range d.Votes {
		voted = v.Round
	}
	if len(d.Votes) > 1 || voted < p.voted || voted > p.tried {
		t.Fatalf("%d votes, of round %d, %d acknowledged", len(d.Votes), voted, p.voted)
	}
	held := map[remora.Round]int{}
	for _, c := range d.Certificates {
		if c.Digest() != h.dag.Certificate(c.Round(), c.Author()).Digest() {
			t.Fatalf("another certificate of round %d by %d", c.Round(), c.Author())
		}
		held[c.Round()]++
	}
	for r := remora.Round(1); r <= remora.Round(len(h.commits)); r++ {
		if n := held[r]; n != 0 && n != 4 || n == 0 && r <= p.certified {
			t.Fatalf("%d certificates of round %d, written before a sync up to round %d", n, r, p.certified)
		}
	}
}

// TestSurvivesEveryCrashPoint cuts the power at each file operation.
func TestSurvivesEveryCrashPoint(t *testing.T) {
	h := newHistory(t, 4)
	points := 0
	for n := 1; ; n++ {
		fs := crashfs.New(uint64(n))
		fs.LoseAt(n)
		p, err := h.fill(fs)
		if err != nil {
			t.Fatalf("operation %d: %v", n, err)
		}
		for _, mode := range []crashfs.Mode{crashfs.Strict, crashfs.Partial, crashfs.Partial} {
			t.Run(fmt.Sprintf("operation %d, mode %d", n, mode), func(t *testing.T) { h.check(t, fs.Crash(mode), p) })
		}
		if t.Failed() || p.withoutFailure {
			break
		}
		points++
	}
	t.Logf("%d crash points", points)
	if points < 40 {
		t.Errorf("%d crash points: the workload does too little", points)
	}
}

// TestNothingIsAcknowledgedByADeadDisk fails all operations from each one on: everything that the store acknowledged is
// on disk.
func TestNothingIsAcknowledgedByADeadDisk(t *testing.T) {
	h := newHistory(t, 2)
	for n := 1; ; n++ {
		fs := crashfs.New(uint64(n))
		s, err := store.Open(home, store.Options{FS: fs, Cache: 1 << 20, Logger: new(crashfs.Logger)})
		if err != nil {
			t.Fatal(err)
		}
		fs.FailAt(fs.Ops() + n)
		acked := remora.Height(0)
		err = survive(func() error { return s.Init(h.genesis, h.initial) })
		for err == nil && acked < 2 {
			err = survive(func() error {
				return errors.Join(s.AppendBatches(h.batches[acked]), s.Commit(h.commits[acked]))
			})
			if err == nil {
				acked++
			}
		}
		alive := !fs.Crashed()
		if closed := s.Close(); closed == nil && !alive {
			t.Fatalf("operation %d: close of a broken store reports success", n)
		}
		h.checkAcked(t, fs.Crash(crashfs.Partial), acked)
		if alive {
			return
		}
		if err == nil && acked == 2 {
			return // only closing reached the dead disk
		}
	}
}

func (h *history) checkAcked(t *testing.T, fs *crashfs.FS, acked remora.Height) {
	t.Helper()
	s, err := open(fs)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Height() < acked || s.Height() > acked+1 {
		t.Fatalf("height %d, %d acknowledged", s.Height(), acked)
	}
	for height := remora.Height(1); height <= acked; height++ {
		if _, err := s.BatchRef(h.batches[height-1][0].Digest); err != nil {
			t.Fatalf("batch of block %d, acknowledged, is gone", height)
		}
	}
}

// survive turns the panic with which the engine ends the process into an error.
func survive(do func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			fatal, ok := r.(*crashfs.Fatal)
			if !ok {
				panic(r)
			}
			err = fatal
		}
	}()
	return do()
}
