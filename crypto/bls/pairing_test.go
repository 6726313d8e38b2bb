package bls

import (
	"errors"
	"testing"

	blst "github.com/supranational/blst/bindings/go"
)

// pairs returns points whose exponents multiply to a sum of zero: n pairs (i·P, Q) and one (-n(n+1)/2·P, Q).
func pairs(n int) (p [][G1Size]byte, q [][G2Size]byte) {
	g2 := [G2Size]byte(blst.P2Generator().ToAffine().Serialize())
	var step, sum blst.P1
	for range n {
		step.AddAssign(blst.P1Generator())
		sum.SubAssign(&step)
		p = append(p, [G1Size]byte(step.ToAffine().Serialize()))
		q = append(q, g2)
	}
	return append(p, [G1Size]byte(sum.ToAffine().Serialize())), append(q, g2)
}

func TestPairingProduct(t *testing.T) {
	infinity1, infinity2 := [G1Size]byte{0x40}, [G2Size]byte{0x40}
	for _, n := range []int{1, 7, 8, 20} {
		p, q := pairs(n)
		if ok, err := PairingProductIsOne(p, q); !ok || err != nil {
			t.Errorf("%d pairs: %v %v", n+1, ok, err)
		}
		if ok, err := PairingProductIsOne(append(p, p[0], infinity1), append(q, infinity2, q[0])); !ok || err != nil {
			t.Errorf("%d pairs and two with infinity: %v %v", n+1, ok, err)
		}
		if ok, err := PairingProductIsOne(p[:n], q[:n]); ok || err != nil {
			t.Errorf("%d pairs, the balancing one left out: %v %v", n, ok, err)
		}
	}
	if ok, err := PairingProductIsOne([][G1Size]byte{infinity1}, [][G2Size]byte{infinity2}); !ok || err != nil {
		t.Errorf("infinity alone: %v %v", ok, err)
	}
}

func TestPairingProductRefuses(t *testing.T) {
	p, q := pairs(1)
	out1, out2 := outsideG1(t), outsideG2(t)
	outside1 := [G1Size]byte(new(blst.P1Affine).Uncompress(out1[:]).Serialize())
	outside2 := [G2Size]byte(new(blst.P2Affine).Uncompress(out2[:]).Serialize())
	cases := []struct {
		name string
		p    [][G1Size]byte
		q    [][G2Size]byte
		want error
	}{
		{"nothing", nil, nil, ErrPairs},
		{"unequal", p, q[:1], ErrPairs},
		{"off the curve", [][G1Size]byte{{1}}, q[:1], ErrEncoding},
		{"first outside", [][G1Size]byte{outside1}, q[:1], ErrSubgroup},
		{"second outside", p[:1], [][G2Size]byte{outside2}, ErrSubgroup},
	}
	for _, tc := range cases {
		if ok, err := PairingProductIsOne(tc.p, tc.q); ok || !errors.Is(err, tc.want) {
			t.Errorf("%s: got %v %v, want %v", tc.name, ok, err, tc.want)
		}
	}
}
