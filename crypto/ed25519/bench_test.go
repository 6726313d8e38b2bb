package ed25519_test

import (
	"fmt"
	"testing"

	"github.com/remora-network/remora/crypto/ed25519"
)

func BenchmarkSign(b *testing.B) {
	k, msg := newKey(b, 1), make([]byte, 128)
	for b.Loop() {
		k.Sign(msg)
	}
}

func BenchmarkVerify(b *testing.B) {
	it := item(b, 1)
	for b.Loop() {
		if !ed25519.Verify(it.Public, it.Message, it.Signature) {
			b.Fatal("refused")
		}
	}
}

func BenchmarkBatch(b *testing.B) {
	for _, n := range []int{2, 4, 8, 16, 32, 64, 128, 256, 1024} {
		all := items(b, n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				if !ed25519.VerifyTogether(all) {
					b.Fatal("refused")
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/sig")
		})
	}
}
