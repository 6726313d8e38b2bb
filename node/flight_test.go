package node_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/flight"
)

// TestRecordingOfAValidatorReplays records a validator whose recordings are full again and again: its cores are built
// anew each time, the chain goes on, and both recordings replay.
func TestRecordingOfAValidatorReplays(t *testing.T) {
	f := newFleet(t, 4)
	dir := filepath.Join(t.TempDir(), "flight")
	f.configs[0].Tuning.Flight = flight.New(dir, 256<<10, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	for i := range f.configs {
		f.start(i)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	var height remora.Height
	previous := filepath.Join(dir, flight.Previous)
	for _, err := os.Stat(previous); errors.Is(err, fs.ErrNotExist); _, err = os.Stat(previous) {
		sent, err := f.client(0).Transfer(ctx, account(t, 0), account(t, 1).Public(), 5, true)
		if err != nil {
			t.Fatal(err)
		}
		height = sent.Tx.Height
	}
	sent, err := f.client(0).Transfer(ctx, account(t, 0), account(t, 1).Public(), 5, true)
	if err != nil {
		t.Fatal(err)
	}
	f.agree(ctx, max(height, sent.Tx.Height), 0, 1, 2, 3)
	f.stop(0)
	for _, name := range []string{flight.Previous, flight.Current} {
		recording, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		report, err := flight.Replay(recording)
		if err != nil || report.Records < 10 || report.Stopped != nil {
			t.Errorf("%s: %+v, %v", name, report, err)
		}
	}
}
