package remora_test

import (
	"encoding/hex"
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/testdata/goldentest"
)

// vector is a file of testdata/encodings, for other implementations to check themselves against.
type vector struct {
	Object   string        `json:"object"`
	Domain   remora.Domain `json:"domain"`   // of the chain id dev-test, a genesis hash of consecutive bytes and fork 0
	Encoding string        `json:"encoding"` // hexadecimal
	Digest   remora.Hash   `json:"digest"`
	Covers   string        `json:"digest_is"`
}

// samples holds an encoded object of each type with its digest and a decoder that returns the digest of what it read.
var samples = []struct {
	object, covers string
	encoding       []byte
	digest         remora.Hash
	decode         func([]byte) (remora.Hash, []byte, error)
}{
	{
		"header", "what the header's Ed25519 signature covers; the vertex's name", remora.Encode(sampleHeader()), sampleHeader().Digest(),
		func(b []byte) (remora.Hash, []byte, error) {
			h, err := remora.DecodeHeader(domain, b)
			if err != nil {
				return remora.Hash{}, nil, err
			}
			return h.Digest(), remora.Encode(h), nil
		},
	},
	{
		"vote", "BLAKE3 of the encoding", remora.Encode(sampleVote()), remora.SumBLAKE3(remora.Encode(sampleVote())),
		func(b []byte) (remora.Hash, []byte, error) {
			v, err := remora.DecodeVote(b)
			return remora.SumBLAKE3(b), remora.Encode(v), err
		},
	},
	{
		"certificate", "what its votes sign", remora.Encode(sampleCertificate()), remora.VoteMessage(domain, sampleHeader()),
		func(b []byte) (remora.Hash, []byte, error) {
			c, err := remora.DecodeCertificate(domain, b)
			if err != nil {
				return remora.Hash{}, nil, err
			}
			return remora.VoteMessage(domain, &c.Header), remora.Encode(c), nil
		},
	},
	{
		"block-header", "the block's hash", remora.Encode(sampleBlockHeader()), sampleBlockHeader().Hash(),
		func(b []byte) (remora.Hash, []byte, error) {
			var h remora.BlockHeader
			err := remora.Decode(b, 1<<16, &h)
			return h.Hash(), remora.Encode(h), err
		},
	},
	{
		"tx", "what the transaction's Ed25519 signature covers", remora.Encode(sampleTx()), sampleTx().Message(domain),
		func(b []byte) (remora.Hash, []byte, error) {
			tx, err := remora.DecodeTx(b)
			if err != nil {
				return remora.Hash{}, nil, err
			}
			return tx.Message(domain), remora.Encode(tx), nil
		},
	},
	{
		"batch", "BLAKE3 of the bytes", sampleBatch().Raw, sampleBatch().Digest,
		func(b []byte) (remora.Hash, []byte, error) {
			batch, err := remora.ParseBatch(b)
			return batch.Digest, batch.Raw, err
		},
	},
	{
		"genesis", "the genesis hash", remora.Encode(sampleGenesis()), sampleGenesis().Hash(),
		func(b []byte) (remora.Hash, []byte, error) {
			var g remora.Genesis
			err := remora.Decode(b, remora.MaxGenesisBytes, &g)
			return g.Hash(), remora.Encode(g), err
		},
	},
}

// TestVectors compares encodings and digests with the published ones.
// Rewrite them with: go test . -run TestVectors -rewrite
func TestVectors(t *testing.T) {
	for _, s := range samples {
		t.Run(s.object, func(t *testing.T) {
			file := filepath.Join("testdata", "encodings", s.object+".json")
			got := vector{s.object, domain, hex.EncodeToString(s.encoding), s.digest, s.covers}
			goldentest.CompareJSON(t, file, got)
			digest, again, err := s.decode(s.encoding)
			if err != nil || digest != s.digest || !slices.Equal(again, s.encoding) {
				t.Errorf("the vector decodes to digest %s, encoding %x, %v", digest, again, err)
			}
		})
	}
}

// TestCanonical offers every sample in other encodings, truncated and extended: only the canonical encoding decodes.
func TestCanonical(t *testing.T) {
	for _, s := range samples {
		t.Run(s.object, func(t *testing.T) {
			for cut := range s.encoding {
				if _, _, err := s.decode(s.encoding[:cut]); err == nil {
					t.Fatalf("the first %d of %d bytes decode", cut, len(s.encoding))
				}
			}
			if _, _, err := s.decode(append(slices.Clone(s.encoding), 0)); err == nil {
				t.Error("a byte more decodes")
			}
			if s.object == "batch" { // the only one that is not CBOR
				return
			}
			spellings := respell(t, s.encoding)
			if len(spellings) < 20 {
				t.Fatalf("only %d other spellings", len(spellings))
			}
			for _, spelling := range spellings {
				if _, _, err := s.decode(spelling); err == nil {
					t.Errorf("another spelling decodes: %x", spelling)
				}
			}
		})
	}
}

// respell returns encodings of the same value that are not canonical: each length and number in each longer form,
// each list and string of indefinite length, each empty list as null.
func respell(t *testing.T, b []byte) [][]byte {
	t.Helper()
	var out [][]byte
	replace := func(from, to int, by ...byte) { out = append(out, slices.Concat(b[:from], by, b[to:])) }
	var item func(at int) int // returns where the item ends
	item = func(at int) int {
		kind, info := b[at]>>5, b[at]&31
		argument, size := uint64(info), 0
		if info >= 24 {
			size = 1 << (info - 24)
			argument = 0
			for _, c := range b[at+1 : at+1+size] {
				argument = argument<<8 | uint64(c)
			}
		}
		body := at + 1 + size
		for longer := byte(24); longer < 28; longer++ {
			if width := 1 << (longer - 24); width > size {
				by := []byte{kind<<5 | longer}
				for i := width - 1; i >= 0; i-- {
					by = append(by, byte(argument>>(8*i)))
				}
				replace(at, body, by...)
			}
		}
		end := body
		switch kind {
		case 2, 3:
			end += int(argument)
			replace(at, end, slices.Concat([]byte{kind<<5 | 31}, b[at:end], []byte{0xff})...)
		case 4:
			for range argument {
				end = item(end)
			}
			replace(at, end, slices.Concat([]byte{0x9f}, b[body:end], []byte{0xff})...)
			if argument == 0 {
				replace(at, end, 0xf6)
			}
		}
		return end
	}
	if end := item(0); end != len(b) {
		t.Fatalf("the sample ends at %d of %d bytes", end, len(b))
	}
	return out
}

// TestMalleability flips every bit: a value that still decodes has another digest, unless the digest omits the bit.
func TestMalleability(t *testing.T) {
	uncovered := map[string]int{ // bytes at the end
		"header":      remora.SignatureSize,
		"tx":          remora.SignatureSize,
		"certificate": remora.SignatureSize + 2 + remora.BLSSignatureSize + 2, // the header's, the bitmap, the aggregate
	}
	for _, s := range samples {
		t.Run(s.object, func(t *testing.T) {
			for bit := range 8 * (len(s.encoding) - uncovered[s.object]) {
				flipped := slices.Clone(s.encoding)
				flipped[bit/8] ^= 1 << (bit % 8)
				digest, again, err := s.decode(flipped)
				if err != nil {
					continue
				}
				if digest == s.digest {
					t.Errorf("bit %d is not covered", bit)
				}
				if !slices.Equal(again, flipped) {
					t.Errorf("bit %d: %x encodes as %x", bit, flipped, again)
				}
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	type pair struct {
		_ struct{} `cbor:",toarray"`
		A uint64
		B []byte
	}
	tests := []struct {
		name, encoding string
		want           error
	}{
		{"canonical", "820541ff", nil},
		{"too few fields", "8105", remora.ErrMalformed},
		{"too many fields", "830541ff00", remora.ErrMalformed},
		{"map for list", "a2614105614241ff", remora.ErrMalformed},
		{"negative number", "822041ff", remora.ErrMalformed},
		{"float", "82f9450041ff", remora.ErrMalformed},
		{"text for bytes", "82056161", remora.ErrMalformed},
		{"tagged number", "82c20541ff", remora.ErrMalformed},
		{"bignum", "82c2410541ff", remora.ErrMalformed},
		{"null for bytes", "8205f6", remora.ErrNonCanonical},
		{"null for a number", "82f641ff", remora.ErrNonCanonical},
		{"list of numbers for bytes", "82058118ff", remora.ErrNonCanonical},
		{"undefined for a number", "82f741ff", remora.ErrNonCanonical},
		{"number in two bytes", "82180541ff", remora.ErrNonCanonical},
		{"trailing byte", "820541ff00", remora.ErrMalformed},
		{"nothing", "", remora.ErrMalformed},
		{"deep nesting", "81818181818181818181", remora.ErrMalformed},
		{"claimed length", "82055b7fffffffffffffff", remora.ErrMalformed},
		{"over the limit", "82055840" + hex.EncodeToString(make([]byte, 64)), remora.ErrTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := hex.DecodeString(tt.encoding)
			if err != nil {
				t.Fatal(err)
			}
			var p pair
			if err := remora.Decode(b, 32, &p); !errors.Is(err, tt.want) {
				t.Errorf("Decode = %v, want %v", err, tt.want)
			}
		})
	}
}

func TestEncodePanicsOnDefect(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("Encode of a channel returned")
		}
	}()
	remora.Encode(make(chan int))
}
