package flight

import (
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/node/restore"
)

// kind says what a record holds.
type kind uint8

// The kinds. A new one goes to the end; the magic changes with the meaning of an old one.
const (
	_ kind = iota
	kindStart
	kindTick
	kindWork    // the hash of all work that the shell has taken, see digest
	kindOrdered // digests of sub-DAGs: the commit rule under replay makes them again
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
)

// start is where the cores of a recording begin.
type start struct {
	_        struct{} `cbor:",toarray"`
	Genesis  remora.Genesis
	Self     remora.Authority
	Pace     mempool.Pace
	Snapshot restore.Snapshot
}

// headerSigned, voteSigned and aggregated are answers of the signer, in the order of the questions.
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

// encodeMessage returns the record of a message. What consensus ordered is recorded by name.
func encodeMessage(chainID string, m mempool.Message) (record, error) {
	var k kind
	switch m := m.(type) {
	case mempool.Ordered:
		return record{kindOrdered, remora.Encode(digests(chainID, m.SubDAGs))}, nil
	case mempool.HeaderReceived:
		k = kindHeader
	case mempool.VoteReceived:
		k = kindVote
	case mempool.CertificateReceived:
		k = kindCertificate
	case mempool.BatchStored:
		k = kindBatchStored
	case mempool.BatchReady:
		k = kindBatchReady
	case mempool.ShareMade:
		k = kindShare
	case mempool.ContributionMade:
		k = kindContribution
	case mempool.Demand:
		k = kindDemand
	case mempool.TipReceived:
		k = kindTip
	default:
		return record{}, fmt.Errorf("flight: no kind of record for a message of type %T", m)
	}
	return record{k, remora.Encode(m)}, nil
}

// decodeMessage reads a message other than Ordered, and seals what it carries.
func decodeMessage(chainID string, r record) (mempool.Message, error) {
	switch r.kind {
	case kindHeader:
		m, err := decode[mempool.HeaderReceived](r)
		seal(chainID, m.Header)
		return m, err
	case kindVote:
		return decode[mempool.VoteReceived](r)
	case kindCertificate:
		m, err := decode[mempool.CertificateReceived](r)
		sealCertificate(chainID, m.Certificate)
		return m, err
	case kindBatchStored:
		return decode[mempool.BatchStored](r)
	case kindBatchReady:
		return decode[mempool.BatchReady](r)
	case kindShare:
		return decode[mempool.ShareMade](r)
	case kindContribution:
		return decode[mempool.ContributionMade](r)
	case kindDemand:
		return decode[mempool.Demand](r)
	case kindTip:
		m, err := decode[mempool.TipReceived](r)
		sealCertificate(chainID, m.Certificate)
		return m, err
	default:
		return nil, fmt.Errorf("flight: %w: a record of kind %d is no message", remora.ErrMalformed, r.kind)
	}
}

func decode[T any](r record) (T, error) {
	var v T
	if err := remora.Decode(r.body, len(r.body), &v); err != nil {
		return v, fmt.Errorf("flight: record of kind %d: %w", r.kind, err)
	}
	return v, nil
}

// decodeStart reads the first record.
func decodeStart(r record) (start, error) {
	if r.kind != kindStart {
		return start{}, fmt.Errorf("flight: %w: a recording begins with a record of kind %d", remora.ErrMalformed, r.kind)
	}
	s, err := decode[start](r)
	if err != nil {
		return s, err
	}
	chainID := s.Genesis.ChainID
	seal(chainID, s.Snapshot.Mempool.Proposed)
	for _, c := range s.Snapshot.Mempool.Certificates {
		if c == nil {
			return s, fmt.Errorf("flight: %w: a snapshot without one of its certificates", remora.ErrMalformed)
		}
		sealCertificate(chainID, c)
	}
	return s, nil
}

func seal(chainID string, h *remora.Header) {
	if h != nil {
		h.Seal(chainID)
	}
}

func sealCertificate(chainID string, c *remora.Certificate) {
	if c != nil {
		c.Header.Seal(chainID)
	}
}

func digests(chainID string, subs []remora.SubDAG) []remora.Hash {
	names := make([]remora.Hash, len(subs))
	for i := range subs {
		names[i] = subs[i].Digest(chainID)
	}
	return names
}

// work is what one Ready asks for, as far as two runs must agree on it, and what all before asked for.
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

// digest chains a Ready to the work before it.
func digest(before remora.Hash, rd *mempool.Ready) remora.Hash {
	w := work{Before: before, Persist: rd.Persist, Sync: rd.Sync, Send: rd.Send, Want: rd.Want}
	for _, c := range rd.Delivered {
		w.Delivered = append(w.Delivered, c.Digest())
	}
	for _, e := range rd.Events {
		w.Events = append(w.Events, fmt.Sprintf("%T", e))
	}
	return remora.SumBLAKE3(remora.Encode(w))
}
