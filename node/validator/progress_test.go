package validator

import (
	"slices"
	"testing"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool/worker"
)

// TestRetentionWaitsForTimeAndCertificates passes a leader a second: its certificates go once a minute is over and its
// block is certified, and not twice.
func TestRetentionWaitsForTimeAndCertificates(t *testing.T) {
	r := Retention{Served: time.Minute}
	at := func(second int) time.Time { return time.Unix(int64(second), 0) }
	for second := range 10 {
		r.PassLeader(remora.Round(100+2*second), remora.Round(50+2*second), at(second))
	}
	for _, step := range []struct {
		now       int
		certified remora.Round
		want      remora.Round
	}{
		{59, 200, 0},  // nobody had a minute
		{60, 99, 0},   // not certified
		{60, 100, 50}, // the first one
		{60, 200, 0},  // once
		{64, 105, 54}, // those that are certified
		{64, 200, 58},
		{999, 200, 68},
		{999, 200, 0},
	} {
		if got := r.TakeDue(at(step.now), step.certified); got != step.want {
			t.Errorf("second %d, certified to round %d: certificates go up to round %d, want %d", step.now, step.certified, got, step.want)
		}
	}
}

// TestOwnBatches offers a batch again until a block executes it or its epoch is over.
func TestOwnBatches(t *testing.T) {
	var own OwnBatches
	for i := range byte(4) {
		own.Add(remora.BatchRef{Digest: remora.Hash{4 - i}, Epoch: remora.Epoch(4 - i)})
	}
	expect := func(want ...byte) {
		t.Helper()
		var got []byte
		for _, ref := range own.Waiting() {
			got = append(got, ref.Digest[0])
		}
		if !slices.Equal(got, want) {
			t.Errorf("batches %v wait, want %v", got, want)
		}
	}
	expect(1, 2, 3, 4)
	own.Forget(worker.BlockExecuted{Executed: []remora.Hash{{3}, {9}}})
	expect(1, 2, 4)
	own.Forget(worker.EpochChanged{Epoch: 3})
	expect(2, 4)
}
