package validator

import (
	"path/filepath"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/keystore"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/node/store"
)

// What a start may find, and what follows from it.
func TestDoubtAtStart(t *testing.T) {
	used := func(round remora.Round) *keystore.Record { return &keystore.Record{Used: true, Round: round} }
	unused := &keystore.Record{}
	for name, test := range map[string]struct {
		Findings
		want mempool.Doubt
	}{
		"new keys, new disk":                   {Findings{unused, store.Unmarked, 0, 0}, mempool.Trusted},
		"new keys, disk marked before a crash": {Findings{unused, store.Complete, 0, 0}, mempool.Trusted},
		"new keys, a disk that signed":         {Findings{unused, store.Complete, 0, 40}, mempool.Lost},
		"new keys, a disk that rejoined":       {Findings{unused, store.Complete, 40, 0}, mempool.Lost},
		"restart":                              {Findings{used(256), store.Complete, 0, 40}, mempool.Listening},
		"restart before anything was signed":   {Findings{used(0), store.Complete, 0, 0}, mempool.Listening},
		"restart after a rejoin":               {Findings{used(9256), store.Complete, 9100, 0}, mempool.Listening},
		"record far ahead of the disk":         {Findings{used(600), store.Complete, 0, 40}, mempool.Lost},
		"record as far ahead as it may be":     {Findings{used(552), store.Complete, 0, 40}, mempool.Listening},
		"used keys, empty disk":                {Findings{used(256), store.Unmarked, 0, 0}, mempool.Lost},
		"used keys, disk that lost its record": {Findings{used(256), store.Incomplete, 0, 40}, mempool.Lost},
		"no record, empty disk":                {Findings{nil, store.Unmarked, 0, 0}, mempool.Lost},
		"no record, marked disk":               {Findings{nil, store.Complete, 0, 40}, mempool.Lost},
		"home from before there were records":  {Findings{nil, store.Unmarked, 0, 40}, mempool.Listening},
		"the same, its record just made":       {Findings{used(296), store.Unmarked, 0, 40}, mempool.Listening},
		"the same from long ago":               {Findings{used(9000), store.Unmarked, 0, 40}, mempool.Lost},
	} {
		if got := test.Doubt(); got != test.want {
			t.Errorf("%s: doubt %d, want %d", name, got, test.want)
		}
	}
}

// The record is ahead of every header and vote, and written once for many rounds.
func TestSigningIsCovered(t *testing.T) {
	path := filepath.Join(t.TempDir(), "signing.json")
	s := &Signing{
		record: keystore.Record{Used: true, ChainID: "dev-1", Genesis: remora.Hash{1}},
		save:   func(r keystore.Record) error { return keystore.SaveRecord(path, r) },
	}
	writes, last := 0, remora.Round(0)
	for round := remora.Round(1); round < 2000; round++ {
		records := []mempool.Record{{Header: &remora.Header{Round: round}}, {Vote: &remora.Vote{Round: round + 1}}, {Floor: 1 << 40}, {Lost: true}}
		if err := s.CoverRecords(records); err != nil {
			t.Fatal(err)
		}
		r, err := keystore.LoadRecord(path)
		if err != nil || r.Round < round+1 || r.Round > round+1+signingAhead {
			t.Fatalf("round %d: %+v, %v", round, r, err)
		}
		if r.Round != last {
			writes, last = writes+1, r.Round
		}
	}
	if writes > 16 {
		t.Errorf("%d writes for 2000 rounds", writes)
	}
}
