package delivery

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/remora-network/remora"
)

// maxFuzz bounds what a fuzz target decodes; a transaction may be longer.
const maxFuzz = 1 << 20

// FuzzVerify feeds whatever decodes to the verifier. It may not panic, and passes nothing but the one good opening.
func FuzzVerify(f *testing.F) {
	w := smallWorld(f)
	good := remora.Encode(w.openChallenge(f))
	f.Add(good)
	f.Add(remora.Encode(wideWorld(f).openChallenge(f)))
	f.Add(remora.Encode(&remora.OpenClaim{Epoch: w.commit.Epoch}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		o := new(remora.OpenClaim)
		if remora.Decode(data, maxFuzz, o) != nil {
			return
		}
		opened, err := w.challenge.Verify(o)
		if err != nil && !errors.Is(err, ErrOpening) || (err == nil) != (len(opened) > 0) {
			t.Fatalf("%d receipts: %v", len(opened), err)
		}
		if again := remora.Encode(o); err == nil && !sameButSignature(again, good) {
			t.Fatalf("a second form of the opening: %x", again)
		}
	})
}

// sameButSignature compares encodings without the signature, which Verify does not check. It stands before the echo.
func sameButSignature(a, b []byte) bool {
	const echo = 2 + remora.HashSize
	if len(a) != len(b) || len(a) < echo+remora.BLSSignatureSize {
		return false
	}
	end := len(a) - echo
	start := end - remora.BLSSignatureSize
	return bytes.Equal(a[:start], b[:start]) && bytes.Equal(a[end:], b[end:])
}

// FuzzChallenge gives the verifier a challenge that contradicts itself in some way: it may not panic either.
func FuzzChallenge(f *testing.F) {
	w := smallWorld(f)
	o := w.openChallenge(f)
	f.Add(remora.Encode(&w.commit), w.commit.Total, uint32(len(w.commit.Items)))
	f.Add([]byte{}, uint64(1), uint32(1))
	f.Fuzz(func(t *testing.T, data []byte, total uint64, count uint32) {
		c := w.challenge
		c.Claim.Bytes, c.Claim.Count, c.Items = total, count, nil
		for ; len(data) >= 16; data = data[16:] {
			item := remora.ClaimItem{Session: remora.SessionID(binary.BigEndian.Uint64(data)), Bytes: binary.BigEndian.Uint64(data[8:])}
			c.Items = append(c.Items, item)
		}
		if _, err := c.Verify(o); err == nil {
			t.Fatal("an opening of another claim")
		}
	})
}

// FuzzDecodeCommitClaim checks that what decodes has one spelling and that a claim that passes Check is sound.
func FuzzDecodeCommitClaim(f *testing.F) {
	w := smallWorld(f)
	f.Add(remora.Encode(&w.commit))
	f.Add(remora.Encode(&wideWorld(f).commit))
	f.Add(remora.Encode(new(remora.CommitClaim)))
	f.Fuzz(func(t *testing.T, data []byte) {
		var c remora.CommitClaim
		if remora.Decode(data, maxFuzz, &c) != nil {
			return
		}
		if again := remora.Encode(&c); !bytes.Equal(again, data) {
			t.Fatalf("%x decodes and encodes as %x", data, again)
		}
		if c.Check() != nil {
			return
		}
		challenge := challengeOf(t, remora.Address{}, &c, remora.Hash{1})
		if err := challenge.checkItems(); err != nil {
			t.Fatalf("a claim that passed Check: %v", err)
		}
		if _, err := challenge.Verify(&remora.OpenClaim{Node: challenge.Claim.Node, Epoch: c.Epoch}); !errors.Is(err, ErrOpening) {
			t.Fatalf("an empty opening: %v", err)
		}
	})
}

// FuzzDecodeOpenClaim checks that what decodes has one spelling.
func FuzzDecodeOpenClaim(f *testing.F) {
	f.Add(remora.Encode(smallWorld(f).openChallenge(f)))
	f.Add(remora.Encode(new(remora.OpenClaim)))
	f.Fuzz(func(t *testing.T, data []byte) {
		var o remora.OpenClaim
		if remora.Decode(data, maxFuzz, &o) != nil {
			return
		}
		if again := remora.Encode(&o); !bytes.Equal(again, data) {
			t.Fatalf("%x decodes and encodes as %x", data, again)
		}
	})
}

// FuzzTally compares a tally that grows by arbitrary extents with the naive tree.
func FuzzTally(f *testing.F) {
	f.Add([]byte{0, 0, 1, 0, 1, 1, 0, 2, 5, 7, 200, 3})
	f.Fuzz(func(t *testing.T, data []byte) {
		var tally Tally
		for ; len(data) >= 3 && tally.Len() < 300; data = data[3:] {
			before, n := tally.Clone(), tally.Len()
			e := runOfBytes(uint64(data[0]), uint64(data[1])*256)
			var err error
			if data[2]%2 == 0 {
				err = tally.Add(e)
			} else {
				err = tally.Replace(n-uint32(data[2]/2%3), []remora.Extent{e, runOfBytes(0, 1)})
			}
			if err != nil {
				requireExtents(t, &tally, before.Extents())
			}
		}
		total := uint64(0)
		for _, e := range tally.Extents() {
			if err := e.Check(); err != nil {
				t.Fatal(err)
			}
			total += e.Bytes
		}
		if total != tally.Bytes() {
			t.Fatalf("%d bytes, the extents have %d", tally.Bytes(), total)
		}
		requireExtents(t, &tally, tally.Extents())
	})
}
