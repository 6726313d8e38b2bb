package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool/mempooltest"
	"github.com/remora-network/remora/node/flight"
	"github.com/remora-network/remora/node/restore"
	"github.com/remora-network/remora/state/statetest"
)

func TestReplayOfARecording(t *testing.T) {
	dir := t.TempDir()
	record(t, dir)
	file := filepath.Join(dir, flight.Current)
	doc, err := replayFile(t, file)
	if err != nil || !doc.Matches || doc.Records < 30 || doc.Rounds != 1 || doc.Error != "" {
		t.Errorf("got %+v, %v", doc, err)
	}
	damaged, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	damaged[len(damaged)/2] ^= 1
	if err := os.WriteFile(file, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	if doc, err := replayFile(t, file); err == nil || doc.Matches || !strings.Contains(doc.Error, "checksum") {
		t.Errorf("damaged: got %+v, %v", doc, err)
	}
	if _, err := replayFile(t, filepath.Join(dir, "none")); err == nil {
		t.Error("a file that is not there is replayed")
	}
}

// record lets the cores of one validator of four tick alone.
func record(t *testing.T, dir string) {
	t.Helper()
	g := statetest.Genesis("dev-flight", 4)
	committee, err := g.Committee()
	if err != nil {
		t.Fatal(err)
	}
	r := flight.New(dir, 1<<20, slog.New(slog.DiscardHandler))
	defer r.Close()
	cores, err := r.Start(restore.Snapshot{}, restore.Config{
		Genesis: g, Committee: committee, Signer: mempooltest.Signer{Committee: committee},
	})
	if err != nil {
		t.Fatal(err)
	}
	for now := range remora.Millis(30) {
		r.Tick(now)
		cores.Mempool.Tick(now)
		if rd, ok := cores.Mempool.Ready(); ok {
			r.Took(&rd)
			cores.Mempool.Advance(rd)
		}
	}
}

// replayFile runs the command on a file. A document is there unless the file cannot be read.
func replayFile(t *testing.T, file string) (replayed, error) {
	t.Helper()
	var out bytes.Buffer
	p := &program{in: strings.NewReader(""), out: &out, err: &out}
	app := &cli.App{Commands: []*cli.Command{p.simReplayCommand()}, ExitErrHandler: func(*cli.Context, error) {}}
	err := app.RunContext(t.Context(), []string{"sim", "replay", "-o", "json", file})
	var doc replayed
	if out.Len() > 0 {
		if err := json.Unmarshal(out.Bytes(), &doc); err != nil {
			t.Fatal(err)
		}
	}
	return doc, err
}
