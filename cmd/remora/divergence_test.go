package main

import (
	"errors"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/remora-network/remora/node/store"
	tables "github.com/remora-network/remora/state/table"
)

// damage changes the state in a home under a block that says otherwise: damage HOME.
func damage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: damage HOME")
	}
	st, err := store.Open(filepath.Join(ts.MkAbs(args[0]), "data"), store.Options{})
	ts.Check(err)
	block, err := st.Block(st.Height())
	if err == nil {
		block.Header.Height++
		row := tables.Change{Table: tables.Stakes, Key: []byte("stray"), Value: []byte("row")}
		err = st.Commit(store.Commit{Block: block, Changes: []tables.Change{row}})
	}
	ts.Check(errors.Join(err, st.Close()))
}
