package flight

import (
	"bytes"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/mempool/mempooltest"
	"github.com/remora-network/remora/node/restore"
	"github.com/remora-network/remora/state/statetest"
)

// FuzzRecord decodes anything as any kind of record: no panic, and accepted bodies have one encoding.
func FuzzRecord(f *testing.F) {
	committee := mempooltest.NewCommittee(4)
	dag := mempooltest.NewBuilder(committee)
	cert := dag.Grow()[0]
	vote := mempooltest.NewVote(committee, 1, &cert.Header)
	for _, m := range []mempool.Message{
		mempool.HeaderReceived{Header: &cert.Header},
		mempool.HeaderReceived{},
		mempool.VoteReceived{Vote: vote},
		mempool.CertificateReceived{Certificate: cert},
		mempool.CertificateReceived{},
		mempool.BatchStored{Ref: remora.BatchRef{Author: 3}},
		mempool.BatchReady{},
		mempool.ShareMade{},
		mempool.ContributionMade{},
		mempool.Demand{Uncertified: true},
		mempool.TipReceived{From: 1, Certificate: cert},
	} {
		r, err := encodeMessage(committee.Domain, m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(byte(r.kind), r.body)
	}
	snapshot := restore.Snapshot{Mempool: mempool.Snapshot{
		Certificates: dag.All(), Proposed: &cert.Header, Votes: []remora.Vote{vote},
	}}
	f.Add(byte(kindStart), remora.Encode(start{Genesis: *statetest.Genesis("dev-fuzz", 4), Snapshot: snapshot}))
	f.Fuzz(func(t *testing.T, k byte, body []byte) {
		r := record{kind(k), body}
		if s, err := decodeStart(r); err == nil && !bytes.Equal(remora.Encode(s), body) {
			t.Error("a start has two spellings")
		}
		m, err := decodeMessage(committee.Domain, r)
		if err != nil {
			return
		}
		again, err := encodeMessage(committee.Domain, m)
		if err != nil || again.kind != r.kind || !bytes.Equal(again.body, body) {
			t.Errorf("a message of kind %d has two spellings: %v", k, err)
		}
	})
}

// FuzzTape reads anything as a recording: no panic, and it ends.
func FuzzTape(f *testing.F) {
	f.Add(appendRecord(appendRecord([]byte(magic), kindTick, []byte{1}), kindWork, make([]byte, 32)))
	f.Add([]byte(magic + "\xff\xff\xff\xff0000"))
	f.Fuzz(func(t *testing.T, recording []byte) {
		tape, err := newTape(recording)
		for records := 0; err == nil; records++ {
			if records > len(recording)/recordSize {
				t.Fatalf("%d records in %d bytes", records, len(recording))
			}
			_, err = tape.nextRecord()
		}
	})
}
