package remora_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand"
	"slices"
	"testing"

	"github.com/remora-network/remora"
)

// TestBatch builds random batches, parses them and walks them.
func TestBatch(t *testing.T) {
	rng := rand.New(rand.NewSource(1))
	var b remora.BatchBuilder
	for range 200 {
		var txs [][]byte
		for range 1 + rng.Intn(20) {
			tx := make([]byte, 1+rng.Intn(300))
			rng.Read(tx)
			if after := max(b.Len()+4+len(tx), 64*(b.Count()+1)); !b.Fits(tx, after) || b.Fits(tx, after-1) {
				t.Fatal("Fits is not exact")
			}
			b.Add(tx)
			txs = append(txs, slices.Clone(tx))
			clear(tx) // the builder keeps a copy
		}
		count, size, weight := b.Count(), b.Len(), b.Weight()
		epoch, author, worker, seq := remora.Epoch(rng.Uint64()), remora.Authority(rng.Intn(1<<16)), remora.Worker(rng.Intn(1<<16)), rng.Uint64()
		sealed := b.Seal(1, epoch, author, worker, seq)
		if b.Count() != 0 || b.Len() != remora.BatchHeaderSize {
			t.Fatal("Seal does not empty the builder")
		}
		if sealed.Count != count || len(sealed.Raw) != size {
			t.Fatalf("sealed %d in %d bytes, announced %d in %d", sealed.Count, len(sealed.Raw), count, size)
		}
		parsed, err := remora.ParseBatch(sealed.Raw)
		if err != nil {
			t.Fatal(err)
		}
		if parsed.Digest != sealed.Digest || parsed.Ref() != sealed.Ref() || parsed.Author != author || parsed.Seq != seq || parsed.Count != count {
			t.Fatalf("parsed %+v of sealed %+v", parsed.Ref(), sealed.Ref())
		}
		want := remora.BatchRef{
			Digest: remora.SumBLAKE3(sealed.Raw), Author: author, Worker: worker, Epoch: epoch, Seq: seq,
			Bytes: uint32(size), Count: uint32(count), Weight: weight,
		}
		if parsed.Ref() != want {
			t.Fatalf("Ref = %+v, want %+v", parsed.Ref(), want)
		}
		for i, tx := range parsed.Txs() {
			if !bytes.Equal(tx, txs[i]) {
				t.Fatalf("transaction %d differs", i)
			}
			if cap(tx) != len(tx) {
				t.Fatal("appending to a transaction would overwrite the next one")
			}
		}
		for range parsed.Txs() {
			break // a walk may end early
		}
	}
}

func TestParseBatchRefuses(t *testing.T) {
	good := sampleBatch().Raw
	edit := func(change func(b []byte) []byte) []byte { return change(slices.Clone(good)) }
	put := func(at int, v uint32) []byte {
		return edit(func(b []byte) []byte { binary.BigEndian.PutUint32(b[at:], v); return b })
	}
	var empty remora.BatchBuilder
	tests := []struct {
		name string
		raw  []byte
		want error
	}{
		{"as made", good, nil},
		{"nothing", nil, remora.ErrMalformed},
		{"other magic", put(0, 1), remora.ErrMalformed},
		{"no transaction", empty.Seal(1, 1, 2, 3, 4).Raw, remora.ErrMalformed},
		{"count too high", put(40, 3), remora.ErrMalformed},
		{"count too low", put(40, 1), remora.ErrMalformed},
		{"count of 2^32-1", put(40, 1<<32-1), remora.ErrTooLarge},
		{"transaction of no bytes", put(44, 0), remora.ErrMalformed},
		{"transaction beyond the end", put(44, 60_000), remora.ErrMalformed},
		{"transaction of 2^32-1 bytes", put(44, 1<<32-1), remora.ErrMalformed},
		{"half a length at the end", edit(func(b []byte) []byte { return append(b, 0, 0) }), remora.ErrMalformed},
		{"too large", make([]byte, remora.MaxBatchBytes+1), remora.ErrTooLarge},
		{"largest transaction", batchOf(remora.MaxTxBytes), nil},
		{"larger transaction", batchOf(remora.MaxTxBytes + 1), remora.ErrMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := remora.ParseBatch(tt.raw); !errors.Is(err, tt.want) {
				t.Errorf("ParseBatch = %v, want %v", err, tt.want)
			}
		})
	}
}

// batchOf returns a batch of one transaction of the given size.
func batchOf(size int) []byte {
	var b remora.BatchBuilder
	b.Add(make([]byte, size))
	return b.Seal(1, 1, 2, 3, 4).Raw
}

// FuzzParseBatch: a batch that parses can be walked and rebuilt from its parts.
func FuzzParseBatch(f *testing.F) {
	f.Add(sampleBatch().Raw)
	f.Add(batchOf(1))
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := remora.ParseBatch(raw)
		if err != nil {
			return
		}
		var again remora.BatchBuilder
		for _, tx := range b.Txs() {
			again.Add(tx)
		}
		if sealed := again.Seal(1, b.Epoch, b.Author, b.Worker, b.Seq); !bytes.Equal(sealed.Raw, raw) || sealed.Digest != b.Digest {
			t.Errorf("%x is built again as %x", raw, sealed.Raw)
		}
	})
}
