package flight_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/mempool/mempooltest"
	"github.com/remora-network/remora/node/flight"
)

const unlimited = 1 << 40

func TestReplaysToTheSameWork(t *testing.T) {
	c := newCluster(t, unlimited)
	c.run(600)
	for _, m := range c.members {
		report, err := flight.Replay(m.recording(t, flight.Current))
		if err != nil {
			t.Fatalf("member %d: %v", m.self, err)
		}
		if got, want := report.Rounds, m.cores.Mempool.Round(); got != want || want < 20 || report.Records < 1000 || report.Stopped != nil {
			t.Errorf("member %d: %d records to round %d, it was in round %d: %v", m.self, report.Records, got, want, report.Stopped)
		}
	}
}

func TestReplaysARestart(t *testing.T) {
	c := newCluster(t, unlimited)
	c.run(200)
	m := c.members[1]
	before := m.cores.Mempool.Round()
	c.start(m)
	if report, err := flight.Replay(m.recording(t, flight.Previous)); err != nil || report.Rounds != before {
		t.Errorf("before the restart: round %d, it was in round %d: %v", report.Rounds, before, err)
	}
	c.run(200)
	if report, err := flight.Replay(m.recording(t, flight.Current)); err != nil || report.Rounds != m.cores.Mempool.Round() {
		t.Errorf("after the restart: round %d, it is in round %d: %v", report.Rounds, m.cores.Mempool.Round(), err)
	}
}

func TestFlippedByteIsNoticed(t *testing.T) {
	c := newCluster(t, unlimited)
	c.run(40)
	sound := c.members[0].recording(t, flight.Current)
	if _, err := flight.Replay(sound); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(sound); i += 1 + i/100 {
		damaged := slices.Clone(sound)
		damaged[i] ^= 0x10
		if _, err := flight.Replay(damaged); !errors.Is(err, remora.ErrCorrupt) && !errors.Is(err, remora.ErrMalformed) {
			t.Fatalf("byte %d of %d flipped: %v", i, len(sound), err)
		}
	}
}

func TestTornTailIsTolerated(t *testing.T) {
	c := newCluster(t, unlimited)
	c.run(40)
	sound := c.members[0].recording(t, flight.Current)
	whole, err := flight.Replay(sound)
	if err != nil {
		t.Fatal(err)
	}
	for cut := 1; cut < len(sound)-8; cut += 1 + cut/50 {
		report, err := flight.Replay(sound[:len(sound)-cut])
		if err != nil || report.Records >= whole.Records {
			t.Fatalf("%d of %d bytes cut off: %d of %d records, %v", cut, len(sound), report.Records, whole.Records, err)
		}
	}
	for _, short := range [][]byte{nil, sound[:3], []byte("something else")} {
		if _, err := flight.Replay(short); !errors.Is(err, remora.ErrMalformed) {
			t.Errorf("%q: %v", short, err)
		}
	}
}

// TestChangeIsNoticed replays recordings in which one record is missing or doubled: the replay differs.
func TestChangeIsNoticed(t *testing.T) {
	c := newCluster(t, unlimited)
	c.run(60)
	records := flight.Split(t, c.members[0].recording(t, flight.Current))
	kinds := map[byte]bool{}
	for i := 1; i < len(records)/2; i++ {
		if k := records[i].Kind; kinds[k] {
			continue
		}
		k := records[i].Kind
		kinds[k] = true
		_, err := flight.Replay(flight.Join(slices.Delete(slices.Clone(records), i, i+1)))
		if flight.Decisive(k) && !errors.Is(err, flight.ErrDiffers) {
			t.Errorf("record %d of kind %d left out: %v", i, k, err)
		}
	}
	for i := range records {
		if records[i].Kind == flight.KindWork {
			records[i].Body = bytes.Repeat([]byte{1}, len(records[i].Body))
			break
		}
	}
	if _, err := flight.Replay(flight.Join(records)); !errors.Is(err, flight.ErrDiffers) {
		t.Errorf("another hash of the work: %v", err)
	}
}

func TestRecordingsAreBounded(t *testing.T) {
	const limit = 100_000
	c := newCluster(t, limit)
	c.run(300)
	m := c.members[2]
	if !m.recorder.Full() {
		t.Fatal("not full")
	}
	if _, err := flight.Replay(m.recording(t, flight.Current)); err != nil {
		t.Error(err)
	}
	m.certificates, m.proposed = nil, nil
	for range 3 {
		c.start(m)
		if m.recorder.Full() {
			t.Error("full from the start")
		}
	}
	for range 100 {
		m.recorder.Step(mempool.VoteReceived{})
	}
	for range 20_000 {
		m.recorder.Tick(7)
	}
	entries, err := os.ReadDir(m.dir)
	if err != nil || len(entries) != 2 {
		t.Fatalf("%d recordings, %v", len(entries), err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Size() > limit/2+1000 {
			t.Errorf("%s: %d bytes, %v", e.Name(), info.Size(), err)
		}
	}
}

// A replay returns the error that stopped the node.
func TestReplayStopsAsTheNodeDid(t *testing.T) {
	c := newCluster(t, unlimited)
	m := c.members[0]
	parents := remora.GenesisParents(c.committee, c.genesis.Hash())
	var failed error
	for _, worker := range []remora.Worker{1, 2} {
		h := mempooltest.NewHeader(c.committee, 2, 1, parents, remora.BatchRef{Worker: worker})
		message := mempool.CertificateReceived{Certificate: mempooltest.Certify(c.committee, h)}
		m.recorder.Step(message)
		failed = m.cores.Mempool.Step(message)
	}
	report, err := flight.Replay(m.recording(t, flight.Current))
	if err != nil || !errors.Is(failed, mempool.ErrSafety) || !errors.Is(report.Stopped, mempool.ErrSafety) {
		t.Errorf("the node met %v, the replay %v and %v", failed, report.Stopped, err)
	}
}

// A recorder that cannot write stops and disturbs nothing.
func TestRecorderWithoutAFolder(t *testing.T) {
	c := newCluster(t, unlimited)
	m := c.members[0]
	blocked := filepath.Join(m.dir, "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, r := range []*flight.Recorder{nil, flight.New(blocked, unlimited, discard()), flight.New(t.TempDir(), 10, discard())} {
		m.recorder.Close()
		m.recorder = r
		c.start(m)
		c.run(20)
		if r.Full() {
			t.Error("full of nothing")
		}
	}
}
