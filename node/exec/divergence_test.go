package exec_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/state/table"
)

// TestDivergenceNamesTheRow says of both values what is known: the bytes, the hash, or that there is no row.
func TestDivergenceNamesTheRow(t *testing.T) {
	hash := remora.Hash{0xab}
	for want, row := range map[string]exec.Row{
		`first row that differs: table "accounts", key 6b6579: expected 0102, got no row`: {
			Table: table.Accounts, Key: []byte("key"), Expected: exec.Value{Hash: hash, Bytes: []byte{1, 2}},
		},
		`table "grants", key 6b: expected a value with SHA-256 ` + hash.String() + `, got 03`: {
			Table: table.Grants, Key: []byte("k"), Expected: exec.Value{Hash: hash}, Got: exec.Value{Hash: hash, Bytes: []byte{3}},
		},
		"expected no row, got a value with SHA-256 " + hash.String(): {
			Table: table.Nodes, Key: []byte("k"), Got: exec.Value{Hash: hash, Bytes: bytes.Repeat([]byte{7}, 65)},
		},
		"place " + hash.String() + " of the state tree": {Place: hash, Expected: exec.Value{Hash: hash}},
	} {
		d := &exec.Divergence{Height: 3, Row: &row}
		if text := d.Error(); !strings.Contains(text, want) {
			t.Errorf("%q does not contain %q", text, want)
		}
	}
}

// TestDivergenceNamesBothVersions helps an operator who forgot an upgrade.
func TestDivergenceNamesBothVersions(t *testing.T) {
	d := &exec.Divergence{Expected: remora.BlockHeader{Version: 7}, Got: remora.BlockHeader{Version: 5}}
	if text := d.Error(); !strings.Contains(text, "(protocol version 7)") || !strings.Contains(text, "(protocol version 5)") {
		t.Errorf("%q does not name both versions", text)
	}
}
