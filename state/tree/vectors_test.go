package tree_test

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/tree"
)

// hexBytes is bytes that JSON spells in hexadecimal; null stays nil and "" is empty.
type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) error {
	*h = make([]byte, hex.DecodedLen(len(text)))
	_, err := hex.Decode(*h, text)
	return err
}

type vectors struct {
	Description string `json:"description"`
	KeyHashes   []struct {
		Table byte        `json:"table"`
		Key   hexBytes    `json:"key"`
		Hash  remora.Hash `json:"hash"`
	} `json:"key_hashes"`
	Cases []struct {
		Name   string `json:"name"`
		Leaves []struct {
			Key   remora.Hash `json:"key"`
			Value hexBytes    `json:"value"`
		} `json:"leaves"`
		Root   remora.Hash `json:"root"`
		Proofs []struct {
			Key   remora.Hash     `json:"key"`
			Value hexBytes        `json:"value"`
			Proof json.RawMessage `json:"proof"`
		} `json:"proofs"`
	} `json:"cases"`
}

func readVectors(t *testing.T) vectors {
	t.Helper()
	b, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.KeyHashes) == 0 || len(v.Cases) == 0 {
		t.Fatal("testdata/vectors.json holds no vectors")
	}
	return v
}

func TestKeyHashVectors(t *testing.T) {
	for _, v := range readVectors(t).KeyHashes {
		if got := tree.KeyHash(v.Table, v.Key); got != v.Hash {
			t.Errorf("KeyHash(%d, %x) = %s, want %s", v.Table, []byte(v.Key), got, v.Hash)
		}
	}
}

func TestTreeVectors(t *testing.T) {
	for _, c := range readVectors(t).Cases {
		t.Run(c.Name, func(t *testing.T) {
			var leaves []tree.Change
			for _, l := range c.Leaves {
				leaves = append(leaves, tree.Set(l.Key, l.Value))
			}
			tr, err := tree.Tree{}.Update(leaves)
			if err != nil {
				t.Fatal(err)
			}
			if tr.Root() != c.Root {
				t.Fatalf("root %s, want %s", tr.Root(), c.Root)
			}
			for _, q := range c.Proofs {
				made := tr.Prove(q.Key)
				text, err := json.Marshal(made)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(plain(t, q.Proof), plain(t, text)); diff != "" {
					t.Errorf("proof of %s (-want +got):\n%s", q.Key, diff)
				}
				var read tree.Proof
				if err := json.Unmarshal(q.Proof, &read); err != nil {
					t.Fatal(err)
				}
				if err := read.Verify(c.Root, q.Key, q.Value); err != nil {
					t.Errorf("proof from the file: %v", err)
				}
			}
		})
	}
}

func plain(t *testing.T, text []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}
