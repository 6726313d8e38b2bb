package remora_test

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/remora-network/remora"
)

func signedTx(kind remora.Kind, body any) []byte {
	tx := sampleTx()
	tx.Kind, tx.Body = kind, remora.Encode(body)
	return remora.Encode(tx)
}

func openingOf(receipts int) remora.OpenClaim {
	return remora.OpenClaim{Receipts: make([]remora.OpenedReceipt, receipts), Chunks: make([]remora.OpenedChunk, 3)}
}

// TestWork counts what each kind makes a node do.
func TestWork(t *testing.T) {
	const envelope = 9 // values around the body
	for _, tt := range []struct {
		name string
		raw  []byte
		want remora.Work
	}{
		{"transfer", remora.Encode(sampleTx()), remora.Work{Values: envelope + 3, Signatures: 1, Rows: 2}},
		{"node", signedTx(remora.KindRegisterNode, remora.Node{Addrs: []string{"/a", "/b"}}), remora.Work{Values: envelope + 12, Signatures: 1, Possessions: 2, Rows: 12}},
		{"content", signedTx(remora.KindRegisterContent, remora.RegisterContent{Path: make([]remora.Hash, 5)}), remora.Work{Values: envelope + 13, Signatures: 1, Rows: 2}},
		{
			"session", signedTx(remora.KindOpenSession, remora.OpenSession{Allotments: make([]remora.Allotment, 3)}),
			remora.Work{Values: envelope + 7 + 9, Signatures: 1, Possessions: 1, Rows: 16},
		},
		{"end of a session", signedTx(remora.KindCloseSession, remora.CloseSession{}), remora.Work{Values: envelope + 2, Signatures: 1, Rows: 4}},
		{
			"claim", signedTx(remora.KindCommitClaim, remora.CommitClaim{Items: make([]remora.ClaimItem, 300)}),
			remora.Work{Values: envelope + 5 + 900, Signatures: 1, Items: 300, Rows: 11},
		},
		{
			"claim beyond the limit", signedTx(remora.KindCommitClaim, remora.CommitClaim{Items: make([]remora.ClaimItem, 5000)}),
			remora.Work{Values: envelope + 5 + 15_000, Signatures: 1, Items: remora.MaxClaimItems, Rows: 11},
		},
		{"opening", signedTx(remora.KindOpenClaim, openingOf(7)), remora.Work{Values: envelope + 8 + 28 + 9, Signatures: 1, Openings: 1, Receipts: 7, Rows: 8}},
		{"unknown kind", signedTx(77, remora.Transfer{}), remora.Work{Values: envelope + 3, Signatures: 1, Rows: 1}},
		{"opaque", remora.EncodeOpaque(make([]byte, 500)), remora.Work{}},
		{"garbage", []byte("garbage"), remora.Work{}},
		{"nothing", nil, remora.Work{}},
	} {
		tt.want.Bytes = len(tt.raw)
		if got := remora.MeasureTx(tt.raw); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// TestWeightBounds: the lightest transaction weighs something, the heaviest of every kind stays below the bounds that blocks and
// caches count on, and bytes that carry nothing weigh what they are.
func TestWeightBounds(t *testing.T) {
	for _, size := range []int{0, 1, 63} {
		if got := remora.WeighTx(make([]byte, size)); got != remora.MinTxWeight {
			t.Errorf("%d bytes weigh %d", size, got)
		}
	}
	if raw := remora.EncodeOpaque(make([]byte, 512)); remora.WeighTx(raw) != remora.Weight(len(raw)) {
		t.Errorf("an opaque transaction of %d bytes weighs %d", len(raw), remora.WeighTx(raw))
	}
	full := remora.CommitClaim{Epoch: math.MaxUint64, Total: math.MaxUint64, Items: make([]remora.ClaimItem, remora.MaxClaimItems)}
	for i := range full.Items {
		full.Items[i] = remora.ClaimItem{Session: math.MaxUint64, Bytes: math.MaxUint64}
	}
	if raw := signedTx(remora.KindCommitClaim, full); remora.WeighTx(raw) > remora.WeighClaim(remora.MaxClaimItems) {
		t.Errorf("a full claim weighs %d, the bound is %d", remora.WeighTx(raw), remora.WeighClaim(remora.MaxClaimItems))
	}
	opening := openingOf(remora.ClaimSamples)
	opening.Extents = make([]remora.OpenedExtent, remora.ClaimSamples)
	for i := range opening.Extents {
		opening.Extents[i].Path = make([]remora.SumNode, 70)
	}
	raw := signedTx(remora.KindOpenClaim, opening)
	if got := remora.WeighTx(raw); len(raw) < 80_000 || got > remora.MaxOpeningWeight {
		t.Errorf("an opening of %d bytes weighs %d, the bound is %d", len(raw), got, remora.MaxOpeningWeight)
	}
	if remora.WeighClaim(remora.MaxClaimItems) > remora.MaxTxWeight || remora.MaxOpeningWeight > remora.MaxTxWeight {
		t.Error("a claim or its opening may weigh more than a transaction")
	}
}

// TestWeighingIsCheap: weighing allocates nothing, whatever the bytes.
func TestWeighingIsCheap(t *testing.T) {
	for name, raw := range map[string][]byte{
		"transfer": remora.Encode(sampleTx()), "opaque": remora.EncodeOpaque(make([]byte, 512)),
		"claim":   signedTx(remora.KindCommitClaim, remora.CommitClaim{Items: make([]remora.ClaimItem, 300)}),
		"garbage": append([]byte{remora.SignedHead}, make([]byte, 1000)...),
	} {
		if n := testing.AllocsPerRun(100, func() { remora.WeighTx(raw) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// FuzzWeighTx holds for any bytes that fit a transaction: the weight is within its bounds, and more bytes never weigh less than
// they are.
func FuzzWeighTx(f *testing.F) {
	f.Add(remora.Encode(sampleTx()))
	f.Add(signedTx(remora.KindOpenClaim, openingOf(2)))
	f.Add([]byte{remora.SignedHead, 6, 0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{remora.SignedHead, 0x5b, 0xff})
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > remora.MaxTxBytes {
			return
		}
		w := remora.WeighTx(raw)
		if w < remora.MinTxWeight || w < remora.Weight(len(raw)) || w > remora.MaxTxWeight {
			t.Errorf("%d bytes weigh %d", len(raw), w)
		}
	})
}

// TestLeastFee compares the fee with arithmetic that has no bounds: it is rounded up, and what does not fit is more than anybody
// has.
func TestLeastFee(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := remora.Params{MinFee: remora.Amount(rapid.Uint64().Draw(rt, "min")), WeightPrice: remora.Amount(rapid.Uint64().Draw(rt, "price"))}
		w := rapid.Uint64Range(0, 1<<40).Draw(rt, "weight")
		want := new(big.Int).Mul(new(big.Int).SetUint64(w), new(big.Int).SetUint64(uint64(p.WeightPrice)))
		want.Add(want, big.NewInt(999)).Div(want, big.NewInt(1000)).Add(want, new(big.Int).SetUint64(uint64(p.MinFee)))
		if !want.IsUint64() {
			want.SetUint64(math.MaxUint64)
		}
		if got := p.LeastFee(remora.Weight(w)); uint64(got) != want.Uint64() {
			rt.Fatalf("weight %d at %+v: %s, want %s", w, p, got, want)
		}
	})
}

// TestFeeOf: the fee pays for its own encoding.
func TestFeeOf(t *testing.T) {
	for _, p := range []remora.Params{{}, {WeightPrice: 17, MinFee: 10}, {WeightPrice: 1 << 20}, {MinFee: math.MaxUint64}} {
		tx := sampleTx()
		tx.Fee = p.FeeOf(tx)
		if least := p.LeastFee(remora.WeighTx(remora.Encode(tx))); tx.Fee < least || tx.Fee > least+8*p.WeightPrice {
			t.Errorf("%+v: fee %s, least %s", p, tx.Fee, least)
		}
	}
}

// TestBatchWeight: a batch is full before it weighs more than a block may execute, so that a block can take it.
func TestBatchWeight(t *testing.T) {
	heavy := signedTx(remora.KindCommitClaim, remora.CommitClaim{Items: make([]remora.ClaimItem, remora.MaxClaimItems)})
	var b remora.BatchBuilder
	for b.Fits(heavy, remora.MaxBatchBytes) {
		b.Add(heavy)
	}
	if b.Count() == 0 || b.Weight() > remora.MinBlockWeight || b.Weight()+remora.WeighTx(heavy) <= remora.MinBlockWeight {
		t.Errorf("%d claims of weight %d, the lightest block takes %d", b.Count(), b.Weight(), remora.MinBlockWeight)
	}
	if remora.MaxTxWeight > remora.MinBlockWeight {
		t.Error("a transaction may weigh more than a block executes")
	}
}
