package bls

import (
	"fmt"
	"testing"
)

func BenchmarkSign(b *testing.B) {
	k := newCommittee(b, 1).secret[0]
	msg := make([]byte, 32)
	for b.Loop() {
		k.Sign(msg)
	}
}

func BenchmarkParsePublicKey(b *testing.B) {
	raw := newCommittee(b, 1).secret[0].Public()
	for b.Loop() {
		if _, err := ParsePublicKey(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyPossession(b *testing.B) {
	k := newCommittee(b, 1).secret[0]
	pk, pop := k.Public(), k.ProvePossession()
	for b.Loop() {
		if err := VerifyPossession(pk, pop); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	c := newCommittee(b, 1)
	msg := make([]byte, 32)
	sig := c.secret[0].Sign(msg)
	for b.Loop() {
		if err := Verify(c.public[0], msg, sig); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyAggregate(b *testing.B) {
	for _, n := range []int{4, 100} {
		c := newCommittee(b, n)
		msg := make([]byte, 32)
		signers := make([]int, 2*n/3+1)
		for i := range signers {
			signers[i] = i
		}
		sig := c.aggregate(b, msg, signers...)
		b.Run(fmt.Sprintf("%dof%d", len(signers), n), func(b *testing.B) {
			for b.Loop() {
				if err := c.ring.VerifyAggregate(signers, msg, sig); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkVerifyAggregates(b *testing.B) {
	c := newCommittee(b, 4)
	for _, n := range []int{3, 20} {
		items := makeItems(b, c, n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				for _, err := range VerifyAggregates(items) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

func BenchmarkAggregateVerified(b *testing.B) {
	c := newCommittee(b, 4)
	msg := make([]byte, 32)
	good := c.votes(msg, 0, 1, 2)
	oneBad := c.votes(msg, 0, 1, 2, 3)
	oneBad[3].Signature = oneBad[0].Signature
	for _, bench := range []struct {
		name  string
		votes []Vote
	}{{"3good", good}, {"3good1bad", oneBad}} {
		b.Run(bench.name, func(b *testing.B) {
			for b.Loop() {
				if _, _, _, err := AggregateVerified(c.ring, bench.votes, msg); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
