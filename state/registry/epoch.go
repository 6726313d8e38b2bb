package registry

import (
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/table"
)

var (
	epochKey = []byte("epoch")
	termKey  = []byte("term")
	clockKey = []byte("clock")
)

// Epoch is the accounting period that the next block belongs to.
type Epoch struct {
	_           struct{} `cbor:",toarray"`
	Number      remora.Epoch
	StartTime   remora.Millis // on the active clock, of the block that ended the epoch before, of genesis for the first
	StartHeight remora.Height // of the epoch's first block
}

// After returns the epoch of the block that follows a block of this epoch, whose time on the active clock is not before
// StartTime. The epoch ends once it has its length both in time and in blocks.
func (e Epoch) After(time remora.Millis, height remora.Height, p *remora.Params) Epoch {
	if time-e.StartTime < p.EpochMillis || height+1-e.StartHeight < p.EpochBlocks {
		return e
	}
	return Epoch{Number: e.Number + 1, StartTime: time, StartHeight: height + 1}
}

// GetEpoch returns the epoch of the next block.
func GetEpoch(v table.View) (Epoch, error) {
	var e Epoch
	err := loadRecord(v, epochKey, &e)
	return e, err
}

// PutEpoch writes the epoch of the next block.
func PutEpoch(o *table.Overlay, e Epoch) { o.Put(table.Chain, epochKey, remora.Encode(e)) }

// Term is the span in which one committee runs one DAG.
type Term struct {
	_         struct{} `cbor:",toarray"`
	Number    remora.Term
	Committee remora.Hash
}

// GetTerm returns the present term.
func GetTerm(v table.View) (Term, error) {
	var t Term
	err := loadRecord(v, termKey, &t)
	return t, err
}

// PutTerm writes the present term.
func PutTerm(o *table.Overlay, t Term) { o.Put(table.Chain, termKey, remora.Encode(t)) }

func loadRecord(v table.View, key []byte, record any) error {
	exists, err := table.Load(v, table.Chain, key, maxRecord, record)
	if err == nil && !exists {
		err = fmt.Errorf("%w: the state has no %s: start from genesis", remora.ErrCorrupt, key)
	}
	return err
}
