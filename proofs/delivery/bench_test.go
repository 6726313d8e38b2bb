package delivery

import (
	"fmt"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/bls"
)

// busyWorld is a claim of 4,000 receipts of 4,096 extents each over content of 64 MiB: a challenge meets 32 receipts.
func busyWorld(b *testing.B) *world {
	b.Helper()
	const receipts, extents = 4000, 4096
	f := newFile(b, 1, 64<<20)
	list := make([]remora.Extent, extents)
	for i := range list {
		list[i] = f.extentOf(uint64(i)*16, 16<<10-1)
	}
	w := newWorld(b, []*file{f}, [][]remora.Extent{list})
	first := w.receipts[0].Receipt
	for i := 1; i < receipts; i++ {
		r := first
		r.Session = remora.SessionID(3*i + 5)
		w.addKey(b, i)
		w.receipts = append(w.receipts, w.signReceipt(i, testDomain, r, remora.SchemeBLS))
		w.extents = append(w.extents, list)
		w.commit.Items = append(w.commit.Items, remora.ClaimItem{Session: r.Session, Bytes: r.Bytes})
		w.commit.Total += r.Bytes
	}
	w.commit.Receipts = ReceiptsRoot(testDomain, w.plainReceipts())
	w.challenge = challengeOf(b, first.Node, &w.commit, remora.SumBLAKE3([]byte("seed")))
	return w
}

func BenchmarkVerify(b *testing.B) {
	w := busyWorld(b)
	o := w.openChallenge(b)
	encoded := remora.Encode(o)
	b.Run("decode", func(b *testing.B) {
		for b.Loop() {
			if err := remora.Decode(encoded, len(encoded), new(remora.OpenClaim)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("tree", func(b *testing.B) {
		for b.Loop() {
			if _, err := w.challenge.Verify(o); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("signed", func(b *testing.B) {
		for b.Loop() {
			if err := w.verifyOpening(&w.challenge, o); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(len(o.Receipts)), "receipts")
		b.ReportMetric(float64(len(encoded)), "bytes/opening")
	})
	// The keys come from the state as bytes: parsing them is part of what a validator does.
	b.Run("signed with keys parsed", func(b *testing.B) {
		for b.Loop() {
			for i := range o.Receipts {
				if _, err := bls.ParsePublicKey(w.secret[i].Public()); err != nil {
					b.Fatal(err)
				}
			}
			if err := w.verifyOpening(&w.challenge, o); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			w.openChallenge(b)
		}
	})
}

func BenchmarkTally(b *testing.B) {
	for _, n := range []int{1, 1000, remora.MaxExtents - 1} {
		extents := make([]remora.Extent, n)
		for i := range extents {
			extents[i] = runOfBytes(uint64(i%50)*2, 1024)
		}
		tally, err := NewTally(extents)
		if err != nil {
			b.Fatal(err)
		}
		last := extents[n-1]
		b.Run(fmt.Sprintf("new/%d", n), func(b *testing.B) {
			for b.Loop() {
				if _, err := NewTally(extents); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("lengthen and root/%d", n), func(b *testing.B) {
			content := last.Content
			content.Length = remora.MaxContentBytes
			grown := tally.Clone()
			grown.extents[n-1].Content = content
			next := remora.Extent{Content: content, First: last.First + 1, Bytes: 1024}
			for b.Loop() {
				if err := grown.Add(next); err != nil {
					b.Fatal(err)
				}
				next.First++
				if grown.Root().IsZero() {
					b.Fatal("no root")
				}
			}
		})
	}
	b.Run("add and root", func(b *testing.B) {
		var tally Tally
		for i := uint64(0); b.Loop(); i++ {
			if tally.Len() == remora.MaxExtents {
				tally = Tally{}
			}
			if err := tally.Add(runOfBytes(i%50*2, 1000)); err != nil {
				b.Fatal(err)
			}
			if tally.Root().IsZero() {
				b.Fatal("no root")
			}
		}
	})
}
