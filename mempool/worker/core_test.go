package worker_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool/mempooltest"
	"github.com/remora-network/remora/mempool/worker"
)

// newCore returns authority 0's worker 0 of a committee of four.
func newCore(t testing.TB, change func(*worker.Config)) *worker.Core {
	t.Helper()
	config := worker.Config{Committee: mempooltest.NewCommittee(4), SealTicks: 2, FirstSeq: 100, Epoch: 5}
	if change != nil {
		change(&config)
	}
	c, err := worker.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// drain does all that the core asks for and returns it as one.
func drain(c *worker.Core) worker.Ready {
	var all worker.Ready
	for {
		r, ok := c.Ready()
		if !ok {
			return all
		}
		c.Advance(r)
		all.Persist = append(all.Persist, r.Persist...)
		all.Stored = append(all.Stored, r.Stored...)
		all.Broadcast = append(all.Broadcast, r.Broadcast...)
		all.Resend = append(all.Resend, r.Resend...)
		all.Acks = append(all.Acks, r.Acks...)
		all.Certified = append(all.Certified, r.Certified...)
		all.Sealed = append(all.Sealed, r.Sealed...)
		all.Dropped = append(all.Dropped, r.Dropped...)
	}
}

func ticks(c *worker.Core, n int) worker.Ready {
	for range n {
		c.Tick()
	}
	return drain(c)
}

func submit(t testing.TB, c *worker.Core, size int) uint64 {
	t.Helper()
	seq, err := c.Submit(bytes.Repeat([]byte{7}, size))
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

func step(t testing.TB, c *worker.Core, m worker.Message) worker.Ready {
	t.Helper()
	if err := c.Step(m); err != nil {
		t.Fatalf("%T: %v", m, err)
	}
	return drain(c)
}

// batchOf builds a peer's batch of one transaction.
func batchOf(author remora.Authority, epoch remora.Epoch, seq uint64, size int) remora.Batch {
	var b remora.BatchBuilder
	b.Add(bytes.Repeat([]byte{byte(seq)}, size))
	return b.Seal(1, epoch, author, 0, seq)
}

func txs(batches []remora.Batch) []string {
	var all []string
	for _, b := range batches {
		for _, tx := range b.Txs() {
			all = append(all, string(tx))
		}
	}
	return all
}

func TestSealByTime(t *testing.T) {
	c := newCore(t, nil)
	ticks(c, 10)
	for i := range 3 {
		if seq, err := c.Submit([]byte{byte('a' + i)}); err != nil || seq != 100 {
			t.Fatalf("batch %d, %v", seq, err)
		}
	}
	if r := ticks(c, 1); len(r.Sealed) != 0 {
		t.Fatal("sealed after one tick")
	}
	r := ticks(c, 1)
	if len(r.Persist) != 1 {
		t.Fatalf("sealed %d batches", len(r.Persist))
	}
	b := r.Persist[0]
	if diff := cmp.Diff([]worker.Sealed{{Seq: 100, Digest: b.Digest, Count: 3}}, r.Sealed); diff != "" {
		t.Errorf("sealed (-want +got):\n%s", diff)
	}
	parsed, err := remora.ParseBatch(b.Raw)
	if err != nil || parsed.Author != 0 || parsed.Epoch != 5 || parsed.Seq != 100 || parsed.Digest != b.Digest {
		t.Errorf("batch %+v, %v", parsed, err)
	}
	if got := txs(r.Broadcast); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("transactions %q", got)
	}
	if len(r.Certified) != 0 {
		t.Error("certified without a quorum")
	}
	if seq := submit(t, c, 1); seq != 101 {
		t.Errorf("next batch has number %d", seq)
	}
}

func TestSealBySize(t *testing.T) {
	c := newCore(t, func(c *worker.Config) { c.MaxBatch = 1000 })
	var seqs []uint64
	for range 5 {
		seqs = append(seqs, submit(t, c, 400)) // two fit
	}
	seqs = append(seqs, submit(t, c, 5000)) // one that fits into none has its own
	seqs = append(seqs, submit(t, c, 1))
	if want := []uint64{100, 100, 101, 101, 102, 103, 104}; !slices.Equal(seqs, want) {
		t.Errorf("numbers %v, want %v", seqs, want)
	}
	for _, b := range drain(c).Persist {
		if len(b.Raw) > 1000 && b.Count > 1 {
			t.Errorf("batch %d holds %d transactions in %d bytes", b.Seq, b.Count, len(b.Raw))
		}
	}
}

func TestSubmitRefuses(t *testing.T) {
	c := newCore(t, func(c *worker.Config) { c.MaxPending = 10_000 })
	for _, size := range []int{0, remora.MaxTxBytes + 1} {
		if _, err := c.Submit(make([]byte, size)); !errors.Is(err, worker.ErrTxSize) {
			t.Errorf("%d bytes: got %v", size, err)
		}
	}
	taken := 0
	for ; ; taken++ {
		if _, err := c.Submit(make([]byte, 1000)); errors.Is(err, worker.ErrBusy) {
			break
		} else if err != nil || taken > 10 {
			t.Fatalf("after %d: %v", taken, err)
		}
	}
	if taken != 9 {
		t.Errorf("took %d transactions of 1,000 bytes with 10,000 allowed", taken)
	}
	r := ticks(c, 2)
	if _, err := c.Submit(make([]byte, 1000)); !errors.Is(err, worker.ErrBusy) {
		t.Errorf("sealed, not executed: got %v", err)
	}
	step(t, c, worker.BlockExecuted{Executed: []remora.Hash{r.Persist[0].Digest, {1}}})
	if c.Pending() != 0 {
		t.Errorf("%d bytes pending after execution", c.Pending())
	}
	submit(t, c, 1000)
}

// Small batches are bounded in number: each takes at least 4 KiB of what may wait, as it does at the peers.
func TestSmallBatchesAreFew(t *testing.T) {
	c := newCore(t, func(c *worker.Config) { c.MaxPending = 40 << 10 })
	taken := 0
	for ; taken < 100; taken++ {
		if _, err := c.Submit([]byte{1}); errors.Is(err, worker.ErrBusy) {
			break
		}
		ticks(c, 2)
	}
	if taken != 10 {
		t.Errorf("took %d batches, want 10", taken)
	}
}

func TestCertifiedByStake(t *testing.T) {
	c := newCore(t, func(c *worker.Config) { c.Committee = mempooltest.NewWeightedCommittee(10, 20, 30, 40) }) // a quorum is 67
	submit(t, c, 10)
	b := ticks(c, 2).Persist[0]
	for _, tt := range []struct {
		from remora.Authority
		want int
	}{{1, 0}, {1, 0}, {2, 0}, {3, 1}} {
		r := step(t, c, worker.Acked{From: tt.from, Digest: b.Digest})
		if len(r.Certified) != tt.want {
			t.Errorf("after the ack of %d: certified %v", tt.from, r.Certified)
		}
		if tt.want == 1 && r.Certified[0] != b.Ref() {
			t.Errorf("certified %v", r.Certified[0])
		}
	}
	for _, from := range []remora.Authority{0, 4} {
		if err := c.Step(worker.Acked{From: from, Digest: b.Digest}); !errors.Is(err, worker.ErrAck) {
			t.Errorf("ack of %d: got %v", from, err)
		}
	}
	step(t, c, worker.BlockExecuted{Executed: []remora.Hash{b.Digest}})
	if r := step(t, c, worker.Acked{From: 3, Digest: b.Digest}); len(r.Certified) != 0 {
		t.Error("certified after its execution")
	}
}

func TestAloneIsAQuorum(t *testing.T) {
	c := newCore(t, func(c *worker.Config) { c.Committee = mempooltest.NewCommittee(1) })
	submit(t, c, 10)
	if r := ticks(c, 2); len(r.Certified) != 1 || len(r.Persist) != 1 {
		t.Errorf("certified %v", r.Certified)
	}
}

func TestResend(t *testing.T) {
	c := newCore(t, func(c *worker.Config) { c.ResendTicks = 10 })
	submit(t, c, 10)
	b := ticks(c, 2).Persist[0]
	step(t, c, worker.Acked{From: 2, Digest: b.Digest})
	got := map[int][]remora.Authority{}
	for i := 3; i < 300; i++ {
		if i == 100 {
			step(t, c, worker.Acked{From: 1, Digest: b.Digest}) // a quorum
		}
		for _, s := range ticks(c, 1).Resend {
			got[i] = append(got[i], s.To)
		}
	}
	want := map[int][]remora.Authority{12: {1, 3}, 32: {1, 3}, 72: {1, 3}, 152: {3}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sent again (-want +got):\n%s", diff)
	}
}

// TestResendAfterSilence hears from a peer after a long silence, as after a partition: batches without a quorum are sent
// again with the next tick. A peer that sends all the time causes no more repetitions.
func TestResendAfterSilence(t *testing.T) {
	c := newCore(t, func(c *worker.Config) { c.ResendTicks = 10 })
	submit(t, c, 10)
	ticks(c, 80) // sent again after 10, 20 and 40 ticks; next after 80
	step(t, c, worker.PeerBatch{From: 1, Batch: batchOf(1, 5, 1, 100)})
	if r := ticks(c, 1); len(r.Resend) != 3 {
		t.Errorf("%d sent again after a sign of life", len(r.Resend))
	}
	sent := 0
	for i := range uint64(15) {
		step(t, c, worker.PeerBatch{From: 1, Batch: batchOf(1, 5, 2+i, 100)})
		sent += len(ticks(c, 1).Resend)
	}
	if sent != 0 {
		t.Errorf("%d sent again although nobody was silent", sent)
	}
	if err := c.Step(worker.Acked{From: 200}); err == nil {
		t.Error("an ack from outside the committee")
	}
}

func TestPeerBatch(t *testing.T) {
	c := newCore(t, nil)
	b := batchOf(2, 5, 1, 100)
	stored, ack := []worker.Stored{{Ref: b.Ref()}}, []worker.Ack{{To: 2, Digest: b.Digest}}
	first := step(t, c, worker.PeerBatch{From: 2, Batch: b})
	if diff := cmp.Diff(worker.Ready{Persist: []remora.Batch{b}, Stored: stored, Acks: ack}, first); diff != "" {
		t.Errorf("first (-want +got):\n%s", diff)
	}
	for _, when := range []string{"again", "after its execution"} {
		r := step(t, c, worker.PeerBatch{From: 2, Batch: b})
		if diff := cmp.Diff(worker.Ready{Stored: stored, Acks: ack}, r); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
		step(t, c, worker.BlockExecuted{Executed: []remora.Hash{b.Digest}})
	}
}

func TestPeerBatchRefused(t *testing.T) {
	c := newCore(t, nil)
	other := batchOf(2, 5, 1, 100)
	other.Worker = 1
	for name, tt := range map[string]struct {
		message worker.Message
		want    error
	}{
		"of another author": {worker.PeerBatch{From: 3, Batch: batchOf(2, 5, 1, 100)}, worker.ErrAuthor},
		"of this author":    {worker.PeerBatch{From: 3, Batch: batchOf(0, 5, 1, 100)}, worker.ErrAuthor},
		"from outside":      {worker.PeerBatch{From: 4, Batch: batchOf(4, 5, 1, 100)}, worker.ErrAuthor},
		"of an outsider":    {worker.FetchedBatch{Lister: 3, Round: 7, Batch: batchOf(4, 5, 1, 100)}, worker.ErrAuthor},
		"listed by another": {worker.FetchedBatch{Lister: 3, Round: 7, Batch: batchOf(2, 5, 3, 100)}, nil},
		"own, forgotten":    {worker.FetchedBatch{Lister: 3, Round: 7, Batch: batchOf(0, 5, 3, 100)}, nil},
		"own, listed":       {worker.FetchedBatch{Lister: 0, Round: 7, Batch: batchOf(0, 5, 1, 100)}, worker.ErrAuthor},
		"other worker":      {worker.PeerBatch{From: 2, Batch: other}, worker.ErrWorker},
		"expired":           {worker.PeerBatch{From: 2, Batch: batchOf(2, 3, 1, 100)}, worker.ErrEpoch},
		"far epoch":         {worker.PeerBatch{From: 2, Batch: batchOf(2, 7, 1, 100)}, worker.ErrEpoch},
		"last epoch":        {worker.PeerBatch{From: 2, Batch: batchOf(2, 4, 1, 100)}, nil},
		"next epoch":        {worker.PeerBatch{From: 2, Batch: batchOf(2, 6, 1, 100)}, nil},
		"expired, fetched":  {worker.FetchedBatch{Lister: 2, Round: 7, Batch: batchOf(2, 3, 2, 100)}, nil},
	} {
		err := c.Step(tt.message)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
		if r := drain(c); (len(r.Persist) == 1) != (tt.want == nil) {
			t.Errorf("%s: persists %d", name, len(r.Persist))
		}
	}
	if err := c.Step(nil); !errors.Is(err, remora.ErrInvalid) {
		t.Errorf("no message: got %v", err)
	}
}

func TestPushQuota(t *testing.T) {
	for _, fetched := range []bool{false, true} {
		c := newCore(t, func(c *worker.Config) { c.PushQuota, c.ListQuota = 50_000, 50_000 })
		send := func(author remora.Authority, seq uint64, size int) error {
			if fetched {
				return c.Step(worker.FetchedBatch{Lister: author, Round: 7, Batch: batchOf(author, 5, seq, size)})
			}
			return c.Step(worker.PeerBatch{From: author, Batch: batchOf(author, 5, seq, size)})
		}
		for seq := range uint64(9) {
			if err := send(2, seq, 5000); err != nil {
				t.Fatal(err)
			}
		}
		if err := send(2, 9, 5000); !errors.Is(err, worker.ErrQuota) {
			t.Errorf("fetched %t: got %v", fetched, err)
		}
		if err := send(3, 0, 5000); err != nil {
			t.Errorf("fetched %t: another author: %v", fetched, err)
		}
		first := batchOf(2, 5, 0, 5000).Ref()
		named := first
		named.Epoch = 1
		step(t, c, worker.BlockExecuted{Listed: []remora.BatchRef{named}})
		if err := send(2, 9, 5000); !errors.Is(err, worker.ErrQuota) {
			t.Errorf("fetched %t: a false reference ends a charge: %v", fetched, err)
		}
		step(t, c, worker.BlockExecuted{Listed: []remora.BatchRef{first}})
		if err := send(2, 9, 5000); err != nil {
			t.Errorf("fetched %t: after the block that orders one: %v", fetched, err)
		}
		step(t, c, worker.EpochChanged{Epoch: 7})
		if _, held := c.Held(); held != 0 {
			t.Errorf("fetched %t: %d bytes of expired batches are accounted for", fetched, held)
		}
	}
}

// A header may list any number of batches of any size: voters store at most its author's quota.
func TestHeadersDoNotFillTheDisk(t *testing.T) {
	for name, size := range map[string]int{"large": remora.MaxTxBytes, "small": 1} {
		c, stored, count := newCore(t, nil), 0, 0
		for seq := range uint64(2 * 64 << 20 / max(size, 4<<10)) {
			b := batchOf(2, 5, seq, size)
			if c.Step(worker.FetchedBatch{Lister: 2, Round: 7, Batch: b}) == nil {
				stored, count = stored+len(b.Raw), count+1
			}
			drain(c)
		}
		if _, held := c.Held(); stored > 64<<20 || count > 64<<20/(4<<10) || held > 64<<20 {
			t.Errorf("%s batches: %d of them with %d bytes are stored, %d bytes accounted for", name, count, stored, held)
		}
		step(t, c, worker.FetchedBatch{Lister: 3, Round: 7, Batch: batchOf(3, 5, 1, 1000)})
	}
}

// However many batches are executed, only the newest are remembered.
func TestExecutedAreForgotten(t *testing.T) {
	c := newCore(t, nil)
	for seq := range uint64(3 * worker.MaxRecent) {
		b := batchOf(2, 5, seq, 1)
		b.Digest[0], b.Digest[1], b.Digest[2] = byte(seq), byte(seq>>8), byte(seq>>16)
		step(t, c, worker.PeerBatch{From: 2, Batch: b})
		step(t, c, worker.BlockExecuted{Listed: []remora.BatchRef{b.Ref()}, Executed: []remora.Hash{b.Digest}})
	}
	if digests, held := c.Held(); digests != worker.MaxRecent || held != 0 {
		t.Errorf("remembers %d digests, %d bytes", digests, held)
	}
}

func TestExpiredAreSealedAnew(t *testing.T) {
	c := newCore(t, func(c *worker.Config) { c.MaxPending = 60 })
	for _, tx := range []string{"a", "b"} {
		if _, err := c.Submit([]byte(tx)); err != nil {
			t.Fatal(err)
		}
	}
	old := ticks(c, 2).Persist[0]
	if r := step(t, c, worker.EpochChanged{Epoch: 6}); len(r.Persist) != 0 {
		t.Fatal("expired after one epoch")
	}
	r := step(t, c, worker.EpochChanged{Epoch: 7})
	if len(r.Persist) != 1 || len(r.Broadcast) != 1 || r.Persist[0].Epoch != 7 || r.Persist[0].Seq != old.Seq || !slices.Equal(txs(r.Persist), []string{"a", "b"}) {
		t.Errorf("sealed %+v", r.Persist)
	}
	if r := step(t, c, worker.Acked{From: 1, Digest: old.Digest}); len(r.Certified) != 0 {
		t.Error("the expired batch collects acks")
	}
	if r := step(t, c, worker.EpochChanged{Epoch: 3}); len(r.Persist) != 0 || len(ticks(c, 9).Persist) != 0 {
		t.Error("an epoch of the past changes something")
	}
}

// TestExpiredTxsAreDropped has one of two transactions expire before its batch is sealed again, then the other: what nobody
// would execute is handed back, also after a restart and when another batch has the number, and no empty batch is made.
func TestExpiredTxsAreDropped(t *testing.T) {
	keep := func(c *worker.Config) {
		c.Keep = func(tx []byte, sealing remora.Epoch) bool { return sealing <= remora.Epoch(tx[0]) }
	}
	c := newCore(t, keep)
	for _, until := range []byte{8, 7, 8} {
		if _, err := c.Submit([]byte{until}); err != nil {
			t.Fatal(err)
		}
	}
	old := ticks(c, 2).Persist[0]
	step(t, c, worker.EpochOrdered{Epoch: 8}) // the batch will be sealed in the ordered epoch
	r := step(t, c, worker.EpochChanged{Epoch: 7})
	if !slices.Equal(txs(r.Persist), []string{"\x08", "\x08"}) || len(r.Broadcast) != 1 || len(r.Dropped) != 1 || r.Dropped[0][0] != 7 || r.Persist[0].Seq != old.Seq {
		t.Errorf("sealed %q, dropped %q", txs(r.Persist), r.Dropped)
	}
	if r := step(t, c, worker.EpochChanged{Epoch: 9}); len(r.Persist)+len(r.Dropped) != 0 {
		t.Errorf("not expired yet: %+v", r)
	}
	r = step(t, c, worker.EpochChanged{Epoch: 10})
	if len(r.Persist)+len(r.Broadcast) != 0 || len(r.Dropped) != 2 || c.Pending() != 0 {
		t.Errorf("sealed %q, dropped %q, %d bytes wait", txs(r.Persist), r.Dropped, c.Pending())
	}
	again := newCore(t, keep)
	if r := step(t, again, worker.Restored{Batch: batchOf(0, 3, 4, 10)}); len(r.Persist)+len(r.Broadcast) != 0 || len(r.Dropped) != 1 {
		t.Errorf("restored: sealed %q, dropped %q", txs(r.Persist), r.Dropped)
	}
	submit(t, again, 1) // valid until epoch 7
	mine := ticks(again, 2).Persist[0]
	step(t, again, worker.EpochOrdered{Epoch: 8})
	rival := mine.Ref()
	rival.Digest[0]++
	r = step(t, again, worker.BlockExecuted{Accepted: []remora.BatchRef{rival}})
	if len(r.Persist) != 0 || len(r.Dropped) != 1 || again.Pending() != 0 {
		t.Errorf("number taken: sealed %q, dropped %q", txs(r.Persist), r.Dropped)
	}
}

func TestRestored(t *testing.T) {
	c := newCore(t, nil)
	b := batchOf(0, 4, 300, 10)
	for i := range 2 {
		r := step(t, c, worker.Restored{Batch: b})
		if len(r.Broadcast) != 1-i || len(r.Persist)+len(r.Sealed) != 0 {
			t.Errorf("time %d: broadcast %d, persist %d", i, len(r.Broadcast), len(r.Persist))
		}
	}
	step(t, c, worker.Acked{From: 1, Digest: b.Digest})
	if r := step(t, c, worker.Acked{From: 2, Digest: b.Digest}); !slices.Equal(r.Certified, []remora.BatchRef{b.Ref()}) {
		t.Errorf("certified %v", r.Certified)
	}
	if seq := submit(t, c, 1); seq != 301 {
		t.Errorf("the next batch has number %d", seq)
	}
	if r := step(t, c, worker.Restored{Batch: batchOf(0, 3, 2, 10)}); len(r.Persist) != 1 || r.Persist[0].Seq != 2 || r.Persist[0].Epoch != 5 {
		t.Errorf("expired one: %+v", r)
	}
	if err := c.Step(worker.Restored{Batch: batchOf(1, 5, 1, 10)}); !errors.Is(err, remora.ErrCorrupt) {
		t.Errorf("of another author: got %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	for name, config := range map[string]worker.Config{
		"no committee": {}, "outsider": {Committee: mempooltest.NewCommittee(4), Self: 4},
	} {
		if _, err := worker.New(config); !errors.Is(err, remora.ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// Four workers exchange batches over a lossy network: everything is certified in the end, and stored by a quorum before.
func TestWorkersCertifyEverything(t *testing.T) {
	committee := mempooltest.NewCommittee(4)
	var cores []*worker.Core
	for a := range remora.Authority(4) {
		cores = append(cores, newCore(t, func(c *worker.Config) { c.Committee, c.Self, c.ResendTicks = committee, a, 5 }))
	}
	holders := map[remora.Hash]map[remora.Authority]bool{}
	certified, packets := map[remora.Hash]bool{}, 0
	lost := func() bool { packets++; return packets%3 == 0 }
	for tick := range 400 {
		for a, c := range cores {
			if tick < 50 {
				if _, err := c.Submit(fmt.Appendf(nil, "%d/%d", a, tick)); err != nil {
					t.Fatal(err)
				}
			}
			c.Tick()
		}
		for range 4 {
			for a, c := range cores {
				r := drain(c)
				self := remora.Authority(a)
				for _, b := range r.Persist {
					if holders[b.Digest] == nil {
						holders[b.Digest] = map[remora.Authority]bool{}
					}
					holders[b.Digest][self] = true
				}
				offer := func(to remora.Authority, b remora.Batch) {
					if to != self && !lost() {
						if err := cores[to].Step(worker.PeerBatch{From: self, Batch: b}); err != nil {
							t.Fatal(err)
						}
					}
				}
				for _, b := range r.Broadcast {
					for to := range remora.Authority(4) {
						offer(to, b)
					}
				}
				for _, s := range r.Resend {
					offer(s.To, s.Batch)
				}
				for _, ack := range r.Acks {
					if !lost() {
						if err := cores[ack.To].Step(worker.Acked{From: self, Digest: ack.Digest}); err != nil {
							t.Fatal(err)
						}
					}
				}
				for _, ref := range r.Certified {
					if certified[ref.Digest] || len(holders[ref.Digest]) < 3 {
						t.Fatalf("certified again or with %d holders", len(holders[ref.Digest]))
					}
					certified[ref.Digest] = true
				}
			}
		}
	}
	if len(certified) != len(holders) || len(certified) < 50 {
		t.Errorf("certified %d of %d", len(certified), len(holders))
	}
}

func BenchmarkSubmit(b *testing.B) {
	c := newCore(b, func(c *worker.Config) { c.Committee = mempooltest.NewCommittee(1) })
	tx := make([]byte, 512)
	b.ReportAllocs()
	b.SetBytes(int64(len(tx)))
	for b.Loop() {
		if _, err := c.Submit(tx); err != nil {
			b.Fatal(err)
		}
		if r, ok := c.Ready(); ok {
			c.Advance(r)
			for _, batch := range r.Persist {
				if err := c.Step(worker.BlockExecuted{Executed: []remora.Hash{batch.Digest}}); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
}

// A slow authority, whose execution lags, seals in the epoch that ordering has reached and accepts peers' batches of that
// epoch. Execution alone expires batches.
func TestSealsInTheOrderedEpoch(t *testing.T) {
	c := newCore(t, nil)
	submit(t, c, 10)
	early := ticks(c, 4).Persist[0]
	step(t, c, worker.EpochOrdered{Epoch: 9})
	if r := step(t, c, worker.EpochOrdered{Epoch: 8}); len(r.Persist) != 0 {
		t.Errorf("%d batches sealed anew by what is ordered", len(r.Persist))
	}
	submit(t, c, 10)
	if late := ticks(c, 4).Persist[0]; early.Epoch != 5 || late.Epoch != 9 {
		t.Errorf("sealed in epochs %d and %d", early.Epoch, late.Epoch)
	}
	for _, tt := range []struct {
		epoch remora.Epoch
		taken bool
	}{{4, true}, {9, true}, {10, true}, {11, false}} {
		err := c.Step(worker.PeerBatch{From: 1, Batch: batchOf(1, tt.epoch, uint64(tt.epoch), 10)})
		if taken := err == nil; taken != tt.taken || err != nil && !errors.Is(err, worker.ErrEpoch) {
			t.Errorf("a peer's batch of epoch %d: %v", tt.epoch, err)
		}
	}
	drain(c)
	r := step(t, c, worker.EpochChanged{Epoch: 7}) // executed so far: the early one can no longer be
	if len(r.Persist) != 1 || r.Persist[0].Epoch != 9 || r.Persist[0].Seq != early.Seq {
		t.Errorf("sealed anew %+v", r.Persist)
	}
}
