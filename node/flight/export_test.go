package flight

import (
	"errors"
	"io"
	"testing"
)

// Record is a record of the tape, for tests.
type Record struct {
	Kind byte
	Body []byte
}

// KindWork is the kind of a hash of work.
const KindWork = byte(kindWork)

// Decisive reports whether a replay of busy cores must fail without the first record of a kind.
func Decisive(k byte) bool {
	switch kind(k) {
	case kindTick, kindOrdered, kindHeaderSigned, kindVoteSigned, kindAggregated, kindHeader, kindCertificate, kindBatchReady:
		return true
	default:
		return false
	}
}

// Split returns the records of a recording.
func Split(t *testing.T, recording []byte) []Record {
	t.Helper()
	tape, err := newTape(recording)
	if err != nil {
		t.Fatal(err)
	}
	var records []Record
	for {
		r, err := tape.nextRecord()
		if errors.Is(err, io.EOF) {
			return records
		}
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, Record{byte(r.kind), append([]byte(nil), r.body...)})
	}
}

// Join returns the recording of some records.
func Join(records []Record) []byte {
	b := []byte(magic)
	for _, r := range records {
		b = appendRecord(b, kind(r.Kind), r.Body)
	}
	return b
}
