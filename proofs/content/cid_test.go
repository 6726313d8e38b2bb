package content

import (
	"errors"
	"strings"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"

	"github.com/remora-network/remora"
)

var cidRoot = remora.SumBLAKE3([]byte("remora"))

// inBase spells a CID in another multibase by way of a CID that is written in it.
func inBase(t testing.TB, c cid.Cid, base byte) string {
	t.Helper()
	model := map[byte]string{
		'b': "bafkqaaa", 'B': "BAFKQAAA", 'f': "f01550000", 'z': "z7acG8", 'k': "k6ufp0",
	}[base]
	encoding, err := cid.ExtractEncoding(model)
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.StringOfBase(encoding)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newCID(t testing.TB, codec, hash uint64, sum []byte) cid.Cid {
	t.Helper()
	mh, err := multihash.Encode(sum, hash)
	if err != nil {
		t.Fatal(err)
	}
	return cid.NewCidV1(codec, mh)
}

func TestCIDRoundTrip(t *testing.T) {
	for _, directory := range []bool{false, true} {
		s := CID(cidRoot, directory)
		c, err := cid.Decode(s)
		if err != nil || !strings.HasPrefix(s, "b") {
			t.Fatalf("%s: %v", s, err)
		}
		for _, base := range []byte{'b', 'k', 'z'} {
			root, isDirectory, err := ParseCID(inBase(t, c, base))
			if err != nil || root != cidRoot || isDirectory != directory {
				t.Errorf("base %c of %s: %s, %t, %v", base, s, root, isDirectory, err)
			}
		}
	}
}

func TestCIDsAreRefused(t *testing.T) {
	raw := newCID(t, cid.Raw, multihash.BLAKE3, cidRoot[:])
	text := raw.String()
	tests := []struct {
		name, text string
		want       error
	}{
		{"empty", "", ErrCID},
		{"one letter", "b", ErrCID},
		{"no CID", "hello", ErrCID},
		{"long", "b" + strings.Repeat("a", 1000), ErrCID},
		{"upper case", inBase(t, raw, 'B'), ErrCID},
		{"mixed case", "bA" + text[2:], ErrCID},
		{"hexadecimal", inBase(t, raw, 'f'), ErrCID},
		{"cut", text[:len(text)-2], ErrCID},
		{"more", text + "aa", ErrCID},
		{"padding", text + "=", ErrCID},
		{"stray bits", text[:len(text)-1] + string(text[len(text)-1]+1), ErrCID},
		{"path", text + "/index.html", ErrCID},
		{"space", " " + text, ErrCID},
		{"version 0", "QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n", ErrForeignCID},
		{"unixfs", newCID(t, cid.DagProtobuf, multihash.SHA2_256, cidRoot[:]).String(), ErrForeignCID},
		{"sha2-256", newCID(t, cid.Raw, multihash.SHA2_256, cidRoot[:]).String(), ErrForeignCID},
		{"another codec", newCID(t, cid.DagCBOR, multihash.BLAKE3, cidRoot[:]).String(), ErrForeignCID},
		{"short hash", newCID(t, cid.Raw, multihash.BLAKE3, cidRoot[:16]).String(), ErrForeignCID},
		{"identity", newCID(t, cid.Raw, multihash.IDENTITY, cidRoot[:]).String(), ErrForeignCID},
	}
	for _, tt := range tests {
		if _, _, err := ParseCID(tt.text); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

func FuzzParseCID(f *testing.F) {
	f.Add(CID(cidRoot, false))
	f.Add(CID(cidRoot, true))
	f.Add("QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n")
	f.Add("zz")
	f.Fuzz(func(t *testing.T, s string) {
		root, directory, err := ParseCID(s)
		if err != nil {
			if !errors.Is(err, ErrCID) && !errors.Is(err, ErrForeignCID) {
				t.Fatalf("%v is no sentinel", err)
			}
			return
		}
		again, isDirectory, err := ParseCID(CID(root, directory))
		if err != nil || again != root || isDirectory != directory {
			t.Fatalf("%s does not round trip: %v", s, err)
		}
		if s[0] == 'b' && s != CID(root, directory) {
			t.Fatalf("%s: a second spelling of %s", s, CID(root, directory))
		}
	})
}
