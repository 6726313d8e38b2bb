package remora

import "math/bits"

// Weight measures the work that a transaction, a batch or a block is for every node of the chain. A unit is 10 ns of a core,
// about what ordering and storing one byte takes. docs/benchmarks.md has the measurements behind the unit costs.
type Weight uint64

// Bounds of a transaction's weight.
const (
	// MinTxWeight is the weight of the lightest transaction: each has a result, a place in a batch and a hash.
	MinTxWeight Weight = 64
	// MaxTxWeight bounds the weight of every transaction of at most MaxTxBytes. The heaviest are full claims.
	MaxTxWeight Weight = 10_000_000
)

// Bounds of a block's weight and of what may wait for execution, and what chains use unless their genesis says otherwise.
const (
	MinBlockWeight     = 1 << 24
	DefaultBlockWeight = 1 << 26
	MaxBlockWeight     = 1 << 28

	MinQueueBytes     = 1 << 20
	DefaultQueueBytes = 32 << 20
	MaxQueueBytes     = 256 << 20
)

// MaxBatchWeight bounds the weight of a batch with more than one transaction: every block has room for one.
const MaxBatchWeight Weight = MinBlockWeight

// MaxOpeningWeight bounds the weight of the transaction that opens a claim.
const MaxOpeningWeight = weightByte*MaxTxBytes + weightValue*MaxTxBytes/8 + weightSignature +
	weightOpening + weightReceipt*ClaimSamples + weightRow*openingRows

// Rows that the transactions of a claim write, and that the end of the claim deletes.
const (
	claimRows   = 11
	openingRows = 8
)

// The unit costs.
const (
	weightByte       Weight = 1
	weightValue      Weight = 10
	weightSignature  Weight = 7_000
	weightPossession Weight = 110_000
	weightOpening    Weight = 250_000
	weightReceipt    Weight = 45_000
	weightItem       Weight = 2_000
	weightRow        Weight = 1_000
)

// Work is what a transaction makes every node do, counted from its bytes alone.
type Work struct {
	Bytes       int // ordered, stored and hashed
	Values      int // of the encoding: decoded, and encoded again to compare
	Signatures  int // by Ed25519
	Possessions int // proofs of possession of a BLS key
	Openings    int // of a claim: one pairing equation and the claim's items
	Receipts    int // of an opening: each is a key and a message of the equation
	Items       int // of a claim: each debits a grant, and may return to it
	Rows        int // of the state that it writes, or that the end of what it makes deletes
}

// Weight adds up the unit costs.
func (w Work) Weight() Weight {
	sum := weightByte*Weight(w.Bytes) + weightValue*Weight(w.Values) + weightSignature*Weight(w.Signatures) +
		weightPossession*Weight(w.Possessions) + weightOpening*Weight(w.Openings) + weightReceipt*Weight(w.Receipts) +
		weightItem*Weight(w.Items) + weightRow*Weight(w.Rows)
	return max(sum, MinTxWeight)
}

// WeighTx returns the weight of a transaction, whether or not it is valid. It allocates nothing.
func WeighTx(raw []byte) Weight { return MeasureTx(raw).Weight() }

// WeighClaim bounds the weight of the transaction that commits a claim of some items.
func WeighClaim(items int) Weight {
	const (
		around     = 512 // bytes of all but the items
		itemBytes  = 24
		valuesOf   = 32 // of all but the items
		itemValues = 3
	)
	return Work{
		Bytes: around + itemBytes*items, Values: valuesOf + itemValues*items, Signatures: 1, Items: items, Rows: claimRows,
	}.Weight()
}

// MeasureTx counts the work of a transaction. Lists count by the lengths that their heads name, up to the limit beyond which
// the rule of their kind refuses them unread.
func MeasureTx(raw []byte) Work {
	w := Work{Bytes: len(raw)}
	if len(raw) == 0 || raw[0] != SignedHead {
		return w // opaque, or no transaction
	}
	w.Signatures = 1
	kind, body := Kind(0), []byte(nil)
	for s := (scanner{raw}); ; w.Values++ {
		v, ok := s.nextValue()
		if !ok {
			break
		}
		switch w.Values {
		case placeOfKind:
			kind = Kind(min(v.argument, 255))
		case placeOfBody:
			body = v.text
		}
	}
	w.Values += countValues(body)
	w.addRules(kind, body)
	return w
}

// Places among the values of a signed transaction, whose array comes first.
const (
	placeOfKind = 1
	placeOfBody = 7
)

// addRules adds what the rule of a kind does. Every kind writes the sender's account.
func (w *Work) addRules(kind Kind, body []byte) {
	w.Rows = 1
	switch kind {
	case KindTransfer, KindRegisterContent:
		w.Rows = 2
	case KindRegisterNode:
		w.Possessions, w.Rows = 2, 12 // the record, its name and four keys, and those of the record before
	case KindOpenSession:
		w.Possessions, w.Rows = 1, 10+2*listLength(body, 6, MaxAllotments)
	case KindCloseSession:
		w.Rows = 4
	case KindCommitClaim:
		w.Items, w.Rows = listLength(body, 3, MaxClaimItems), claimRows
	case KindOpenClaim:
		w.Openings, w.Receipts, w.Rows = 1, listLength(body, 3, ClaimSamples), openingRows
	default: // no signed kind: a fault
	}
}

func countValues(b []byte) int {
	n := 0
	for s := (scanner{b}); ; n++ {
		if _, ok := s.nextValue(); !ok {
			return n
		}
	}
}

// listLength returns the length, at most most, that the head of the list at a place among the values of a body names.
func listLength(body []byte, place, most int) int {
	s := scanner{body}
	for {
		v, ok := s.nextValue()
		switch {
		case !ok:
			return 0
		case place == 0:
			return int(min(v.argument, uint64(most)))
		}
		place--
	}
}

// scanner reads CBOR head by head, without regard to nesting (RFC 8949 §3).
type scanner struct{ rest []byte }

// value is a number, a string, or the head of a list.
type value struct {
	argument uint64
	text     []byte // of a string
}

// nextValue returns false at the end, and at bytes that no transaction may hold.
func (s *scanner) nextValue() (value, bool) {
	if len(s.rest) == 0 {
		return value{}, false
	}
	head := s.rest[0]
	v, size := value{argument: uint64(head & 0x1f)}, 0
	if v.argument >= 24 {
		if v.argument > 27 {
			return value{}, false
		}
		size = 1 << (v.argument - 24)
		if len(s.rest) <= size {
			return value{}, false
		}
		v.argument = 0
		for _, b := range s.rest[1 : 1+size] {
			v.argument = v.argument<<8 | uint64(b)
		}
	}
	s.rest = s.rest[1+size:]
	if major := head >> 5; major == 2 || major == 3 {
		if v.argument > uint64(len(s.rest)) {
			return value{}, false
		}
		v.text, s.rest = s.rest[:v.argument], s.rest[v.argument:]
	}
	return v, true
}

// LeastFee returns the lowest fee for a transaction of a weight. It saturates at the highest amount, which nobody can pay.
func (p *Params) LeastFee(w Weight) Amount {
	const most = Amount(1<<64 - 1)
	hi, lo := bits.Mul64(uint64(w), uint64(p.WeightPrice))
	lo, carry := bits.Add64(lo, weightPriced-1, 0)
	if hi += carry; hi >= weightPriced {
		return most
	}
	price, _ := bits.Div64(hi, lo, weightPriced)
	fee, fits := Amount(price).Add(p.MinFee)
	if !fits {
		return most
	}
	return fee
}

// weightPriced is the weight that costs Params.WeightPrice.
const weightPriced = 1000

// FeeOf returns the least fee of a transaction of which all but fee and signature are final. The fee is part of the encoding
// that it pays for.
func (p *Params) FeeOf(tx *Tx) Amount {
	draft := *tx
	for draft.Fee = 0; ; {
		fee := p.LeastFee(WeighTx(Encode(&draft)))
		if fee <= draft.Fee {
			return draft.Fee
		}
		draft.Fee = fee
	}
}
