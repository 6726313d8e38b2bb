package delivery

import (
	"encoding/binary"
	"fmt"

	"github.com/remora-network/remora"
)

// The journal's key space: one byte names the kind of row. Numbers are big endian, so the rows of an epoch, and in it of
// a session, stand together and in order.
const (
	rowReceipt = 'r' // epoch, session -> the newest signed receipt
	rowExtent  = 'x' // epoch, session, index -> extent of that receipt
	rowPlan    = 'p' // epoch -> plan of its claim
	rowAccount = 's' // session -> totals over all epochs
	rowOpen    = 'o' // the first epoch that takes receipts
)

// Limits of rows.
const (
	maxReceiptRow = 512
	maxExtentRow  = 128
	maxTotalsRow  = 512
	maxPlanRow    = 256 << 10
)

func epochKey(kind byte, e remora.Epoch) []byte {
	return binary.BigEndian.AppendUint64([]byte{kind}, uint64(e))
}

// sessionKey is the key of a receipt, and the beginning of the keys of its extents.
func sessionKey(kind byte, e remora.Epoch, id remora.SessionID) []byte {
	return binary.BigEndian.AppendUint64(epochKey(kind, e), uint64(id))
}

func extentKey(e remora.Epoch, id remora.SessionID, index uint32) []byte {
	return binary.BigEndian.AppendUint32(sessionKey(rowExtent, e, id), index)
}

func accountKey(id remora.SessionID) []byte {
	return binary.BigEndian.AppendUint64([]byte{rowAccount}, uint64(id))
}

// keyEpoch returns the epoch of the key of a receipt, an extent or a plan.
func keyEpoch(key []byte, size int) (remora.Epoch, error) {
	if len(key) != size {
		return 0, fmt.Errorf("journal of receipts: %w: a key of %d bytes, want %d", remora.ErrCorrupt, len(key), size)
	}
	return remora.Epoch(binary.BigEndian.Uint64(key[1:])), nil
}

// The lengths of keys.
const (
	epochKeySize   = 1 + 8
	sessionKeySize = epochKeySize + 8
	extentKeySize  = sessionKeySize + 4
	accountKeySize = 1 + 8
)

// keySession returns the session of the key of totals.
func keySession(key []byte) (remora.SessionID, error) {
	if len(key) != accountKeySize {
		return 0, fmt.Errorf("journal of receipts: %w: a key of %d bytes, want %d", remora.ErrCorrupt, len(key), accountKeySize)
	}
	return remora.SessionID(binary.BigEndian.Uint64(key[1:])), nil
}

// decodeRow decodes what this package encoded.
func decodeRow(value []byte, limit int, v any) error {
	if err := remora.Decode(value, limit, v); err != nil {
		return fmt.Errorf("journal of receipts: %w: %w", remora.ErrCorrupt, err)
	}
	return nil
}

func decodeReceipt(value []byte) (r remora.SignedReceipt, err error) {
	return r, decodeRow(value, maxReceiptRow, &r)
}

func decodeExtent(value []byte) (e remora.Extent, err error) {
	if err := decodeRow(value, maxExtentRow, &e); err != nil {
		return e, err
	}
	if err := e.Check(); err != nil {
		return e, fmt.Errorf("journal of receipts: %w: %w", remora.ErrCorrupt, err)
	}
	return e, nil
}

func decodeTotals(value []byte) (t totals, err error) {
	if err := decodeRow(value, maxTotalsRow, &t); err != nil {
		return t, err
	}
	if len(t.Passes) > keptPasses {
		return t, fmt.Errorf("journal of receipts: %w: %d passes, at most %d", remora.ErrCorrupt, len(t.Passes), keptPasses)
	}
	return t, nil
}

func decodePlan(value []byte) (*plan, error) {
	p := new(plan)
	if err := decodeRow(value, maxPlanRow, p); err != nil {
		return nil, err
	}
	if err := p.Commit.Check(); err != nil {
		return nil, fmt.Errorf("journal of receipts: %w: %w", remora.ErrCorrupt, err)
	}
	return p, nil
}

func encodeOpen(e remora.Epoch) []byte { return binary.BigEndian.AppendUint64(nil, uint64(e)) }

func decodeOpen(value []byte) (remora.Epoch, error) {
	if len(value) != 8 {
		return 0, fmt.Errorf("journal of receipts: %w: an epoch of %d bytes, want 8", remora.ErrCorrupt, len(value))
	}
	return remora.Epoch(binary.BigEndian.Uint64(value)), nil
}
