package flight

import "testing"

// Record is a record as tests see it.
type Record struct {
	Kind byte
	Body []byte
}

// KindWork is the kind of a hash of work.
const KindWork = byte(kindWork)

// Decisive reports whether a recording of busy cores cannot do without the first record of a kind.
func Decisive(k byte) bool {
	switch kind(k) {
	case kindTick, kindOrdered, kindHeaderSigned, kindVoteSigned, kindAggregated, kindHeader, kindCertificate, kindBatchReady:
		return true
	default:
		return false
	}
}

// Split takes a recording apart.
func Split(t *testing.T, recording []byte) []Record {
	t.Helper()
	tape, err := newTape(recording)
	if err != nil {
		t.Fatal(err)
	}
	var records []Record
	for {
		r, err := tape.next()
		if ended(err) {
			return records
		}
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, Record{byte(r.kind), append([]byte(nil), r.body...)})
	}
}

// Join puts a recording together.
func Join(records []Record) []byte {
	b := []byte(magic)
	for _, r := range records {
		b = appendRecord(b, kind(r.Kind), r.Body)
	}
	return b
}
