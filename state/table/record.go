package table

import (
	"fmt"

	"github.com/remora-network/remora"
)

// Load decodes the record under a key, whose encoding has at most limit bytes, and reports whether there is one.
func Load(v View, t ID, key []byte, limit int, record any) (exists bool, err error) {
	b, err := v.Get(t, key)
	if err != nil || b == nil {
		return false, err
	}
	return true, decodeRecord(t, key, b, limit, record)
}

// Visit visits the records whose keys start with prefix in the order of their keys, until visit returns false. Each encoding
// has at most limit bytes.
func Visit[Record any](v View, t ID, prefix []byte, limit int, visit func(key []byte, record Record) bool) error {
	var bad error
	err := v.Ascend(t, prefix, func(key, value []byte) bool {
		var record Record
		if bad = decodeRecord(t, key, value, limit, &record); bad != nil {
			return false
		}
		return visit(key, record)
	})
	if err != nil {
		return err
	}
	return bad
}

func decodeRecord(t ID, key, value []byte, limit int, record any) error {
	if err := remora.Decode(value, limit, record); err != nil {
		return fmt.Errorf("%w: row %x of the table of %s: %w", remora.ErrCorrupt, key, t, err)
	}
	return nil
}
