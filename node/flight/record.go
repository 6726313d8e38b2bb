package flight

import (
	"fmt"
	"reflect"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/node/restore"
)

// kind is the type of a record's body.
type kind uint8

// The kinds. A new one is added at the end; when the meaning of an old one changes, so does the magic.
const (
	_ kind = iota
	kindStart
	kindTick
	kindWork    // hash of all work that the shell has taken, see chainWork
	kindOrdered // digests of sub-DAGs, which the commit rule orders again in a replay
	kindHeaderSigned
	kindVoteSigned
	kindAggregated
	kindHeader
	kindVote
	kindCertificate
	kindBatchStored
	kindBatchReady
	kindShare
	kindContribution
	kindDemand
	kindTip
	kindBatchesHeld
	kindEpochOrdered
)

// messages holds a message of each kind of message, other than Ordered.
var messages = map[kind]mempool.Message{
	kindHeader:       mempool.HeaderReceived{},
	kindVote:         mempool.VoteReceived{},
	kindCertificate:  mempool.CertificateReceived{},
	kindBatchStored:  mempool.BatchStored{},
	kindBatchReady:   mempool.BatchReady{},
	kindShare:        mempool.ShareMade{},
	kindContribution: mempool.ContributionMade{},
	kindDemand:       mempool.Demand{},
	kindTip:          mempool.TipReceived{},
	kindBatchesHeld:  mempool.BatchesHeld{},
	kindEpochOrdered: mempool.EpochOrdered{},
}

// start is the first record: the state from which the cores are built.
type start struct {
	_        struct{} `cbor:",toarray"`
	Genesis  remora.Genesis
	Self     remora.Authority
	Pace     mempool.Pace
	Snapshot restore.Snapshot
}

// headerSigned, voteSigned and aggregated are the signer's answers, in the order in which they were asked for.
type headerSigned struct {
	_         struct{} `cbor:",toarray"`
	Digest    remora.Hash
	Signature remora.Signature
}

type voteSigned struct {
	_         struct{} `cbor:",toarray"`
	Message   remora.Hash
	Signature remora.BLSSignature
}

type aggregated struct {
	_         struct{} `cbor:",toarray"`
	Message   remora.Hash
	Signature remora.BLSSignature
	Signers   remora.Bitmap
	Bad       []remora.Authority
}

// encodeMessage returns the record of a message. Ordered sub-DAGs are recorded by their digests.
func encodeMessage(d remora.Domain, m mempool.Message) (record, error) {
	if o, ordered := m.(mempool.Ordered); ordered {
		return record{kindOrdered, remora.Encode(subDAGDigests(d, o.SubDAGs))}, nil
	}
	for k, sample := range messages {
		if reflect.TypeOf(sample) == reflect.TypeOf(m) {
			return record{k, remora.Encode(m)}, nil
		}
	}
	return record{}, fmt.Errorf("flight: messages of type %T have no kind of record", m)
}

// decodeMessage decodes a message other than Ordered and seals its headers.
func decodeMessage(d remora.Domain, r record) (mempool.Message, error) {
	sample, known := messages[r.kind]
	if !known {
		return nil, fmt.Errorf("flight: %w: a record of kind %d is not a message", remora.ErrMalformed, r.kind)
	}
	decoded := reflect.New(reflect.TypeOf(sample))
	if err := r.decodeInto(decoded.Interface()); err != nil {
		return nil, err
	}
	message := decoded.Elem().Interface().(mempool.Message)
	switch m := message.(type) {
	case mempool.HeaderReceived:
		sealHeader(d, m.Header)
	case mempool.CertificateReceived:
		sealCertificate(d, m.Certificate)
	case mempool.TipReceived:
		sealCertificate(d, m.Certificate)
	}
	return message, nil
}

func decodeBody[T any](r record) (v T, err error) {
	err = r.decodeInto(&v)
	return v, err
}

func (r record) decodeInto(v any) error {
	if err := remora.Decode(r.body, len(r.body), v); err != nil {
		return fmt.Errorf("flight: record of kind %d: %w", r.kind, err)
	}
	return nil
}

// decodeStart decodes the first record.
func decodeStart(r record) (start, error) {
	if r.kind != kindStart {
		return start{}, fmt.Errorf("flight: %w: a recording begins with a record of kind %d", remora.ErrMalformed, r.kind)
	}
	s, err := decodeBody[start](r)
	if err != nil {
		return s, err
	}
	d := s.Genesis.Domain()
	sealHeader(d, s.Snapshot.Mempool.Proposed)
	for _, c := range s.Snapshot.Mempool.Certificates {
		if c == nil {
			return s, fmt.Errorf("flight: %w: a snapshot without one of its certificates", remora.ErrMalformed)
		}
		sealCertificate(d, c)
	}
	return s, nil
}

func sealHeader(d remora.Domain, h *remora.Header) {
	if h != nil {
		h.Seal(d)
	}
}

func sealCertificate(d remora.Domain, c *remora.Certificate) {
	if c != nil {
		c.Header.Seal(d)
	}
}

func subDAGDigests(d remora.Domain, subs []remora.SubDAG) []remora.Hash {
	names := make([]remora.Hash, len(subs))
	for i := range subs {
		names[i] = subs[i].Digest(d)
	}
	return names
}

// work is the part of a Ready on which two runs must agree, chained to the work before it.
type work struct {
	_         struct{} `cbor:",toarray"`
	Before    remora.Hash
	Persist   []mempool.Record
	Sync      bool
	Send      []mempool.Outgoing
	Want      []mempool.Want
	Delivered []remora.Hash
	Events    []string // their types
}

// chainWork returns the hash of a Ready chained to the work before it.
func chainWork(before remora.Hash, rd *mempool.Ready) remora.Hash {
	w := work{Before: before, Persist: rd.Persist, Sync: rd.Sync, Send: rd.Send, Want: rd.Want}
	for _, c := range rd.Delivered {
		w.Delivered = append(w.Delivered, c.Digest())
	}
	for _, e := range rd.Events {
		w.Events = append(w.Events, fmt.Sprintf("%T", e))
	}
	return remora.SumBLAKE3(remora.Encode(w))
}
