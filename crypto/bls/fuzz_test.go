package bls

import (
	"testing"

	"github.com/remora-network/remora"
)

// A signature that decodes encodes to the same bytes.
func FuzzParsePublicKey(f *testing.F) {
	good := newCommittee(f, 1).secret[0].Public()
	outside := outsideG2(f)
	for _, seed := range [][]byte{good[:], outside[:], {0xc0}, {0xe0}, make([]byte, remora.BLSPublicSize)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var raw remora.BLSPublicKey
		copy(raw[:], data)
		k, err := ParsePublicKey(raw)
		if err != nil {
			return
		}
		if k.Bytes() != raw {
			t.Fatalf("%x decodes and encodes as %x", raw, k.Bytes())
		}
	})
}

func FuzzParseSignature(f *testing.F) {
	good := newCommittee(f, 1).secret[0].Sign([]byte("m"))
	outside := outsideG1(f)
	for _, seed := range [][]byte{good[:], outside[:], {0xc0}, {0xe0}, make([]byte, remora.BLSSignatureSize)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var raw remora.BLSSignature
		copy(raw[:], data)
		again, err := Aggregate([]remora.BLSSignature{raw})
		if err != nil {
			return
		}
		if again != raw {
			t.Fatalf("%x decodes and encodes as %x", raw, again)
		}
	})
}
