package delivery

import (
	"encoding/binary"
	"fmt"

	"github.com/remora-network/remora"
)

// Kinds of rows in the journal: the first byte of a key. The numbers that follow are big endian, so that the rows of an
// epoch are together, and within it those of a session, in order.
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

// sessionKey returns the key of a receipt, or the prefix of the keys of its extents.
func sessionKey(kind byte, e remora.Epoch, id remora.SessionID) []byte {
	return binary.BigEndian.AppendUint64(epochKey(kind, e), uint64(id))
}

func extentKey(e remora.Epoch, id remora.SessionID, index uint32) []byte {
	return binary.BigEndian.AppendUint32(sessionKey(rowExtent, e, id), index)
}

func accountKey(id remora.SessionID) []byte {
	return binary.BigEndian.AppendUint64([]byte{rowAccount}, uint64(id))
}

// keySizes are the lengths of keys that begin with a number.
var keySizes = map[byte]int{rowReceipt: 1 + 8 + 8, rowExtent: 1 + 8 + 8 + 4, rowPlan: 1 + 8, rowAccount: 1 + 8}

// keyNumber returns the session of the key of totals, the epoch of any other key.
func keyNumber(key []byte) (uint64, error) {
	if len(key) == 0 || len(key) != keySizes[key[0]] {
		return 0, fmt.Errorf("journal of receipts: %w: a key of %d bytes, %.8x", remora.ErrCorrupt, len(key), key)
	}
	return binary.BigEndian.Uint64(key[1:]), nil
}

// decodeRow decodes what this package encoded, and checks it.
func decodeRow[T any](value []byte, limit int) (row T, err error) {
	err = remora.Decode(value, limit, &row)
	if c, has := any(&row).(interface{ Check() error }); has && err == nil {
		err = c.Check()
	}
	if err != nil {
		return row, fmt.Errorf("journal of receipts: %w: %w", remora.ErrCorrupt, err)
	}
	return row, nil
}

func encodeOpen(e remora.Epoch) []byte { return binary.BigEndian.AppendUint64(nil, uint64(e)) }

func decodeOpen(value []byte) (remora.Epoch, error) {
	if len(value) != 8 {
		return 0, fmt.Errorf("journal of receipts: %w: an epoch of %d bytes, want 8", remora.ErrCorrupt, len(value))
	}
	return remora.Epoch(binary.BigEndian.Uint64(value)), nil
}
