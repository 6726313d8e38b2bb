package mempool_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/mempool/mempooltest"
)

// anyHeader draws a header that may be wrong in every field, but is sealed, as all headers from the wire are.
func anyHeader(t *rapid.T, r *rig) *remora.Header {
	author := rapid.Custom(func(t *rapid.T) remora.Authority { return remora.Authority(rapid.IntRange(0, 5).Draw(t, "author")) })
	h := &remora.Header{
		Term:      remora.Term(rapid.SampledFrom([]uint64{1, 1, 1, 1, 2}).Draw(t, "term")),
		Author:    author.Draw(t, "author"),
		Round:     remora.Round(rapid.SampledFrom([]uint64{0, 1, 1, 2, 2, 3, 4, 30, 1 << 63}).Draw(t, "round")),
		CreatedAt: remora.Millis(rapid.Uint64Range(0, 2).Draw(t, "time")),
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "batches") {
		h.Payload = append(h.Payload, batch(h.Author, uint64(i)))
	}
	switch rapid.IntRange(0, 3).Draw(t, "parents") {
	case 0:
		for range rapid.IntRange(0, 6).Draw(t, "count") {
			h.Parents = append(h.Parents, remora.Parent{Author: author.Draw(t, "parent")})
		}
	default:
		if h.Round > 0 && h.Round <= 4 {
			h.Parents = r.Parents(h.Round - 1)
		}
	}
	mempooltest.Sign(r.Committee, h)
	return h
}

func anyMessage(t *rapid.T, r *rig) mempool.Message {
	switch rapid.IntRange(0, 7).Draw(t, "kind") {
	case 0, 1:
		return mempool.HeaderReceived{Header: anyHeader(t, r)}
	case 2:
		signers := rapid.SliceOfN(rapid.Byte(), 0, 2).Draw(t, "signers")
		return mempool.CertificateReceived{Certificate: &remora.Certificate{Header: *anyHeader(t, r), Signers: signers}}
	case 3:
		round := remora.Round(rapid.IntRange(1, 3).Draw(t, "round"))
		return mempool.CertificateReceived{Certificate: r.Certificate(round, remora.Authority(rapid.IntRange(0, 3).Draw(t, "author")))}
	case 4:
		h := r.mine
		if h == nil || rapid.Bool().Draw(t, "strange") {
			h = anyHeader(t, r)
		}
		return mempool.VoteReceived{Vote: mempooltest.NewVote(r.Committee, remora.Authority(rapid.IntRange(0, 5).Draw(t, "voter")), h)}
	case 5:
		return stored(batch(remora.Authority(rapid.IntRange(0, 5).Draw(t, "author")), uint64(rapid.IntRange(0, 2).Draw(t, "batch"))))
	case 6:
		return mempool.BatchReady{Ref: batch(0, uint64(rapid.IntRange(0, 9).Draw(t, "batch")))}
	}
	h := &remora.Header{Round: remora.Round(rapid.IntRange(1, 12).Draw(t, "leader"))}
	return mempool.Ordered{SubDAGs: []remora.SubDAG{{Headers: []*remora.Header{h}}}}
}

// Under any messages in any order nothing panics, no author gets two votes in a round, no header or certificate leaves
// before its record, and a second core with the same input gives the same output.
func TestAnyMessages(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r, twin := newRig(t), newRig(t)
		for range 3 {
			r.Grow()
		}
		voted := map[string]remora.Hash{}
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			var got, again mempool.Ready
			if rapid.IntRange(0, 4).Draw(rt, "tick") == 0 {
				got, again = r.ticks(1), twin.ticks(1)
			} else {
				m := anyMessage(rt, r)
				ready, err := r.step(m)
				same, sameErr := twin.step(m)
				if got, again = ready, same; fmt.Sprint(err) != fmt.Sprint(sameErr) {
					rt.Fatalf("%T: %v, then %v", m, err, sameErr)
				}
			}
			if a, b := format(got), format(again); a != b {
				rt.Fatalf("two cores differ:\n%s\n%s", a, b)
			}
			for _, v := range votes(got) {
				key := fmt.Sprint(v.Author, "/", v.Round)
				if old, ok := voted[key]; ok && old != v.Digest {
					rt.Fatalf("two votes for %s", key)
				}
				voted[key] = v.Digest
			}
			if h := proposal(got); h != nil && h.Check(r.Committee) != nil {
				rt.Fatalf("proposed an invalid header: %v", h.Check(r.Committee))
			}
		}
	})
}
