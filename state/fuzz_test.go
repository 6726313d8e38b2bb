package state_test

import (
	"maps"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/statetest"
	"github.com/remora-network/remora/state/verdict"
)

// yes accepts every signature and aggregate, so that fuzzing gets behind them.
type yes struct{ statetest.Verifier }

func (y *yes) Holds(s verdict.Statement) bool {
	switch s.(type) {
	case verdict.Signed, verdict.Aggregate:
		return true
	}
	return y.Verifier.Holds(s)
}

// FuzzApplyTx holds for any bytes: admission and execution agree, nothing panics, coins are conserved, and an opaque
// transaction is judged as by decoding it.
func FuzzApplyTx(f *testing.F) {
	f.Add([]byte{})
	for _, tt := range codeCases {
		if raw := tt.tx(&builder{codeGenesis()}); len(raw) < 2000 {
			f.Add(raw)
		}
	}
	for _, size := range []int{0, 1, 23, 24, 255, 256, 257} {
		f.Add(remora.EncodeOpaque(make([]byte, size)))
	}
	f.Add([]byte{0x82, 0, 0x5a, 0, 0, 0, 1, 7}) // a longer head than needed
	f.Add([]byte{0x82, 0, 0x58, 2, 7, 7})
	f.Add([]byte{0x82, 0, 0x5f, 0x41, 7, 0xff})
	f.Add([]byte{0x82, 0, 0x60})
	w := newOpenWorld(f)
	nonces := w.nonces
	for _, tt := range deliveryCases {
		w.nonces = maps.Clone(nonces) // each is the account's next
		if raw := tt.tx(w); len(raw) < 12_000 {
			f.Add(raw)
		}
	}
	bases := []*statetest.Chain{newCodeChain(f), w.Chain}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, base := range bases {
			applyAny(t, base.With(t), raw)
		}
	})
}

func applyAny(t *testing.T, c *statetest.Chain, raw []byte) {
	t.Helper()
	want := codeOf(t, c.Machine.Admit(c.View, raw, new(yes)))
	if remora.IsOpaque(raw) {
		_, err := remora.DecodeOpaque(raw)
		if decoded := codeOf(t, err); decoded != want {
			t.Fatalf("opaque %x is %s, decoding it says %s", raw, want, decoded)
		}
	}
	if len(raw) == 0 || len(raw) > remora.MaxTxBytes {
		return // no batch holds it
	}
	ref := c.Batch(0, raw)
	in := c.Input(c.SubDAG(statetest.Draft{Time: c.View.Tip.Time, Payload: payload{0: {ref}}}))
	out, err := c.Machine.Apply(c.View, in, new(yes))
	if err != nil {
		t.Fatal(err)
	}
	if got := remora.Code(out.Block.Results[0]); got != want {
		t.Fatalf("%x executed as %s, admitted as %s", raw, got, want)
	}
}

// TestOpaqueLengths compares the shortcut for opaque transactions with the decoder around every length of the head,
// exact, cut off and with something after it.
func TestOpaqueLengths(t *testing.T) {
	c := statetest.NewChain(t, statetest.Genesis(dev, 1))
	for _, size := range []int{0, 1, 2, 22, 23, 24, 25, 254, 255, 256, 257, 65529, 65530, 65531, 65532, 65536} {
		exact := remora.EncodeOpaque(make([]byte, size))
		for _, raw := range [][]byte{exact, exact[:len(exact)-1], append(exact, 0), append(exact, 0, 0)} {
			_, err := remora.DecodeOpaque(raw)
			want := codeOf(t, err)
			if len(raw) == 2 {
				want = remora.CodeMalformed // the head of an array of two without its second element
			}
			if got := codeOf(t, c.Machine.Admit(c.View, raw, c.Verifier)); got != want {
				t.Errorf("%d bytes of payload in %d: %s, decoding says %s", size, len(raw), got, want)
			}
		}
	}
}

// TestOpaqueHeads compares them for every byte that may follow the head of an opaque transaction.
func TestOpaqueHeads(t *testing.T) {
	c := statetest.NewChain(t, statetest.Genesis(dev, 1))
	for head := range 256 {
		for size := range 300 {
			raw := append([]byte{0x82, 0, byte(head)}, make([]byte, size)...)
			_, err := remora.DecodeOpaque(raw)
			if got, want := codeOf(t, c.Machine.Admit(c.View, raw, c.Verifier)), codeOf(t, err); got != want {
				t.Fatalf("head %#x and %d bytes: %s, decoding says %s", head, size, got, want)
			}
		}
	}
}
