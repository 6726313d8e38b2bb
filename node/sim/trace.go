package sim

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"time"

	"github.com/remora-network/remora"
)

// what happened, as one byte of the trace.
type what byte

const (
	headerArrives what = iota + 1
	voteArrives
	certificateArrives
	batchArrives
	ackArrives
	questionArrives
	answerArrives
	junkArrives
	starts
	ends
	executes
)

// overConnection reports whether the event is a part of a request: what the network loses of it is sent again.
func (w what) overConnection() bool { return w == questionArrives || w == answerArrives }

// trace hashes everything that happens, in order.
type trace struct {
	sum    hash.Hash
	buffer []byte
	events int
}

func newTrace() *trace { return &trace{sum: sha256.New()} }

// addEvent notes an event at a time between two validators, or at one, about something that a hash names.
func (t *trace) addEvent(at time.Duration, w what, from, to remora.Authority, about remora.Hash) {
	t.events++
	t.buffer = binary.BigEndian.AppendUint64(t.buffer, uint64(at))
	t.buffer = append(t.buffer, byte(w))
	t.buffer = binary.BigEndian.AppendUint16(t.buffer, uint16(from))
	t.buffer = binary.BigEndian.AppendUint16(t.buffer, uint16(to))
	t.buffer = append(t.buffer, about[:]...)
	if len(t.buffer) > 1<<14 {
		t.sum.Write(t.buffer)
		t.buffer = t.buffer[:0]
	}
}

func (t *trace) traceHash() remora.Hash {
	t.sum.Write(t.buffer)
	t.buffer = t.buffer[:0]
	return remora.Hash(t.sum.Sum(nil))
}
