package store

import (
	"encoding/binary"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/table"
)

// The database's key space: one byte names the kind of record. Numbers are big endian, so ranges are in order.
const (
	keyMeta        = 'm' // name -> value
	keyBlock       = 'b' // height -> block
	keyCertificate = 'k' // height -> block certificate
	keyBatch       = 'g' // batch digest -> height that executed it
	keyTx          = 't' // hash of a signed transaction -> height, position
	keyState       = 's' // table, key -> value
	keyVertex      = 'c' // round, author -> certificate of the DAG
	keyVote        = 'v' // author -> newest vote for a header of that author
	keyProposed    = 'p' // the newest own header
	keyFloor       = 'f' // round above which everything this authority signed is stored; empty: records were lost
)

const (
	metaGenesis   = "genesis"   // hash
	metaHeight    = "height"    // of the newest block
	metaCertified = "certified" // height up to which every block has its certificate
	metaPruned    = "pruned"    // segment up to which batches that never execute are gone
	metaOwed      = "owed"      // followed by an author: segment of the first batch that may be unexecuted
)

func metaKey(name string) []byte { return append([]byte{keyMeta}, name...) }

func heightKey(kind byte, h remora.Height) []byte {
	return binary.BigEndian.AppendUint64([]byte{kind}, uint64(h))
}

func hashKey(kind byte, h remora.Hash) []byte { return append([]byte{kind}, h[:]...) }

func stateKey(t table.ID, key []byte) []byte {
	return append(append(make([]byte, 0, 2+len(key)), keyState, byte(t)), key...)
}

func vertexKey(r remora.Round, a remora.Authority) []byte {
	k := binary.BigEndian.AppendUint64([]byte{keyVertex}, uint64(r))
	return binary.BigEndian.AppendUint16(k, uint16(a))
}

func voteKey(a remora.Authority) []byte {
	return binary.BigEndian.AppendUint16([]byte{keyVote}, uint16(a))
}

// prefixSuccessor returns the smallest key above all keys with this prefix, nil if there is none.
func prefixSuccessor(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		end[i]++
		if end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}
