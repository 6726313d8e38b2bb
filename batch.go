package remora

import (
	"encoding/binary"
	"fmt"
	"iter"
)

// A batch is one byte string, hashed once and walked in place; it is never decoded into a list. Layout, big endian:
//
//	"RBA2" | term u64 | epoch u64 | author u16 | worker u16 | seq u64 | weight u64 | count u32 | { length u32 | transaction }*
const (
	batchMagic      = "RBA2"
	BatchHeaderSize = 4 + 8 + 8 + 2 + 2 + 8 + 8 + 4
	// BatchWeightOffset is where a batch declares its weight.
	BatchWeightOffset = 32
	batchTxOverhead   = 4
	// MaxBatchBytes bounds a batch on the wire and on disk. Batches are sealed well below it.
	MaxBatchBytes = 640 << 10
	// MaxTxBytes bounds one transaction. The largest are openings: 32 chunks with their paths, 110 KB at most.
	MaxTxBytes = 128 << 10
	// AcceptWindow is the number of batches below a worker's highest accepted one that can still be accepted.
	AcceptWindow = 4096
	// ListQuota bounds the charges of the batches that an author's headers may make another validator fetch, until it has
	// executed them.
	ListQuota = 64 << 20
	// txFloor is what a transaction counts at least, in bytes: it bounds the number of transactions of a batch.
	txFloor = 64
	// batchFloor is what a batch counts at least, in bytes: it bounds the number of batches that wait.
	batchFloor = 4 << 10
)

// Batch is a parsed view of a batch's bytes, which it does not own or copy.
type Batch struct {
	Term   Term  // in which alone it is accepted
	Epoch  Epoch // in which it was sealed: it is accepted once, in this epoch or the next
	Author Authority
	Worker Worker
	Seq    uint64 // numbers the worker's batches: of several with one number, one is accepted
	Weight Weight // of its transactions, as its author declares: execution skips what would pass it
	Count  int
	Raw    []byte
	Digest Hash // BLAKE3 of Raw
}

// ParseBatch checks the framing of raw and hashes it. Transactions inside are opaque bytes of 1 to MaxTxBytes.
func ParseBatch(raw []byte) (Batch, error) {
	if len(raw) > MaxBatchBytes {
		return Batch{}, fmt.Errorf("batch: %w: %d bytes, at most %d", ErrTooLarge, len(raw), MaxBatchBytes)
	}
	if len(raw) < BatchHeaderSize || string(raw[:4]) != batchMagic {
		return Batch{}, fmt.Errorf("batch: %w: no batch header", ErrMalformed)
	}
	b := Batch{
		Term:   Term(binary.BigEndian.Uint64(raw[4:])),
		Epoch:  Epoch(binary.BigEndian.Uint64(raw[12:])),
		Author: Authority(binary.BigEndian.Uint16(raw[20:])),
		Worker: Worker(binary.BigEndian.Uint16(raw[22:])),
		Seq:    binary.BigEndian.Uint64(raw[24:]),
		Weight: Weight(binary.BigEndian.Uint64(raw[BatchWeightOffset:])),
		Count:  int(binary.BigEndian.Uint32(raw[40:])),
		Raw:    raw,
	}
	if err := b.checkFrames(); err != nil {
		return Batch{}, err
	}
	b.Digest = SumBLAKE3(raw)
	return b, nil
}

func (b *Batch) checkFrames() error {
	if most := MaxBatchBytes / txFloor; b.Count > most {
		return fmt.Errorf("batch: %w: %d transactions, at most %d", ErrTooLarge, b.Count, most)
	}
	rest, n := b.Raw[BatchHeaderSize:], 0
	for ; len(rest) > 0; n++ {
		if len(rest) < batchTxOverhead {
			return fmt.Errorf("batch: %w: %d bytes after the last transaction", ErrMalformed, len(rest))
		}
		size := binary.BigEndian.Uint32(rest)
		if size == 0 || size > MaxTxBytes || int(size) > len(rest)-batchTxOverhead {
			return fmt.Errorf("batch: %w: transaction %d claims %d bytes", ErrMalformed, n, size)
		}
		rest = rest[batchTxOverhead+int(size):]
	}
	if n == 0 || n != b.Count {
		return fmt.Errorf("batch: %w: header counts %d transactions, body holds %d", ErrMalformed, b.Count, n)
	}
	return nil
}

// Ref returns the reference by which headers of the batch's term list it.
func (b Batch) Ref() BatchRef {
	return BatchRef{
		Digest: b.Digest, Author: b.Author, Worker: b.Worker, Epoch: b.Epoch, Seq: b.Seq,
		Bytes: uint32(len(b.Raw)), Count: uint32(b.Count), Weight: b.Weight,
	}
}

// Txs yields the transactions in order, as slices of Raw.
func (b Batch) Txs() iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		rest := b.Raw[BatchHeaderSize:]
		for i := 0; len(rest) > 0; i++ {
			size := int(binary.BigEndian.Uint32(rest))
			if !yield(i, rest[batchTxOverhead:batchTxOverhead+size:batchTxOverhead+size]) {
				return
			}
			rest = rest[batchTxOverhead+size:]
		}
	}
}

// BatchBuilder fills a batch. The zero value is empty and ready.
type BatchBuilder struct {
	raw    []byte
	count  int
	weight Weight
}

// Len returns the number of bytes that the batch would have if it were sealed now.
func (b *BatchBuilder) Len() int { return max(len(b.raw), BatchHeaderSize) }

// Count returns the number of transactions added.
func (b *BatchBuilder) Count() int { return b.count }

// Weight returns the weight of the transactions added.
func (b *BatchBuilder) Weight() Weight { return b.weight }

// Fits reports whether the batch stays within limit bytes and MaxBatchWeight if a transaction is added.
func (b *BatchBuilder) Fits(tx []byte, limit int) bool {
	return max(b.Len()+batchTxOverhead+len(tx), (b.count+1)*txFloor) <= limit && b.weight+WeighTx(tx) <= MaxBatchWeight
}

// Add appends a copy of tx, which must have 1 to MaxTxBytes bytes.
func (b *BatchBuilder) Add(tx []byte) {
	if b.raw == nil {
		b.raw = make([]byte, BatchHeaderSize, 16<<10)
	}
	b.raw = binary.BigEndian.AppendUint32(b.raw, uint32(len(tx)))
	b.raw = append(b.raw, tx...)
	b.count++
	b.weight += WeighTx(tx)
}

// Seal finishes the batch, which declares the weight of its transactions, hands its bytes to the caller and empties the
// builder.
func (b *BatchBuilder) Seal(term Term, epoch Epoch, author Authority, worker Worker, seq uint64) Batch {
	if b.raw == nil {
		b.raw = make([]byte, BatchHeaderSize)
	}
	raw := b.raw
	copy(raw, batchMagic)
	binary.BigEndian.PutUint64(raw[4:], uint64(term))
	binary.BigEndian.PutUint64(raw[12:], uint64(epoch))
	binary.BigEndian.PutUint16(raw[20:], uint16(author))
	binary.BigEndian.PutUint16(raw[22:], uint16(worker))
	binary.BigEndian.PutUint64(raw[24:], seq)
	binary.BigEndian.PutUint64(raw[BatchWeightOffset:], uint64(b.weight))
	binary.BigEndian.PutUint32(raw[40:], uint32(b.count))
	sealed := Batch{
		Term: term, Epoch: epoch, Author: author, Worker: worker, Seq: seq, Weight: b.weight, Count: b.count,
		Raw: raw, Digest: SumBLAKE3(raw),
	}
	*b = BatchBuilder{}
	return sealed
}
