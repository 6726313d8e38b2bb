package exec

import (
	"errors"
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state"
	"github.com/remora-network/remora/state/table"
)

// ErrDiverged says that executing a block gave another header than the one that came with it. See Divergence.
var ErrDiverged = errors.New("state diverged")

// Divergence is the first block at which two executions differ.
type Divergence struct {
	Height        remora.Height
	Expected, Got remora.BlockHeader
	View          state.View // after the block with header Got, without tables
	Row           *Row       // the first row that differs, in the order of the state tree; nil when unknown
}

// Row is a row of the state with different values after two executions.
type Row struct {
	Place         remora.Hash // of the row in the state tree
	Table         table.ID    // zero when only the place is known
	Key           []byte
	Expected, Got Value
}

// Value is the value of a row, or only its hash.
type Value struct {
	Hash  remora.Hash // in the state tree; zero if the row is absent
	Bytes []byte      // nil when only the hash is known
}

// Error returns height, both state roots and protocol versions, the field that differs first and the row that does.
func (d *Divergence) Error() string {
	message := fmt.Sprintf("%v at block %d: %s; expected state root %s (protocol version %d), got %s (protocol version %d)",
		ErrDiverged, d.Height, d.firstDifference(), d.Expected.StateRoot, d.Expected.Version, d.Got.StateRoot, d.Got.Version)
	if d.Row != nil {
		message += "; first row that differs: " + d.Row.String()
	}
	return message
}

// Is makes a Divergence an ErrDiverged.
func (d *Divergence) Is(target error) bool { return target == ErrDiverged }

func (d *Divergence) firstDifference() string {
	e, g := &d.Expected, &d.Got
	switch {
	case e.Version != g.Version:
		return fmt.Sprintf("protocol version %d against %d", e.Version, g.Version)
	case e.Parent != g.Parent:
		return "parent differs"
	case e.SubDAG != g.SubDAG:
		return "sub-DAG differs"
	case e.TxRoot != g.TxRoot:
		return "executed batches differ"
	case e.Time != g.Time || e.Epoch != g.Epoch:
		return "time or epoch differs"
	case e.Beacon != g.Beacon:
		return "beacon differs"
	case e.ResultsRoot != g.ResultsRoot:
		return "results differ"
	case e.StateRoot != g.StateRoot:
		return "state differs"
	}
	return "header differs"
}

// String returns table, key and both values in hex.
func (r *Row) String() string {
	name := fmt.Sprintf("table %q, key %x", r.Table, r.Key)
	if r.Table == 0 {
		name = "place " + r.Place.String() + " of the state tree, which the block does not change"
	}
	return fmt.Sprintf("%s: expected %s, got %s", name, r.Expected, r.Got)
}

// maxShown is the length of the longest value that a message shows.
const maxShown = 64

// String returns the value in hex when it is known and short, else its hash.
func (v Value) String() string {
	switch {
	case v.Hash.IsZero():
		return "no row"
	case v.Bytes == nil || len(v.Bytes) > maxShown:
		return "a value with SHA-256 " + v.Hash.String()
	}
	return fmt.Sprintf("%x", v.Bytes)
}
