package content

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/testdata/goldentest"
)

// vectors is the folder shared with other implementations.
const vectors = "../../testdata/content"

// treeVector describes one content: byte i is i modulo 251, as in BLAKE3's own vectors.
type treeVector struct {
	Size     int           `json:"size"`
	Root     remora.Hash   `json:"root"`
	CID      string        `json:"cid"`
	Outboard remora.Hash   `json:"outboard_blake3"` // post-order pairs above pieces of 16 KiB
	Stream   remora.Hash   `json:"stream_blake3"`   // of the whole content
	Proofs   []proofVector `json:"proofs"`
}

type proofVector struct {
	Chunk uint64        `json:"chunk"`
	Data  remora.Hash   `json:"data_blake3"`
	Path  []remora.Hash `json:"path"` // the chunk's own neighbour first
}

type directoryVector struct {
	Encoding string      `json:"encoding"`
	Root     remora.Hash `json:"root"`
	CID      string      `json:"cid"`
}

// TestVectors compares the outputs for fixed inputs with the files that other implementations check against.
func TestVectors(t *testing.T) {
	var trees []treeVector
	for _, size := range []int{0, 1, 1023, 1024, 1025, 2048, 16383, 16384, 16385, 32768, 32769, 49152, 100_000, 1 << 20, 1<<20 + 1} {
		trees = append(trees, newTreeVector(t, size))
	}
	goldentest.CompareJSON(t, filepath.Join(vectors, "trees.json"), trees)

	d, err := NewDirectory(site())
	if err != nil {
		t.Fatal(err)
	}
	empty, err := NewDirectory(nil)
	if err != nil {
		t.Fatal(err)
	}
	goldentest.CompareJSON(t, filepath.Join(vectors, "directories.json"), []directoryVector{newDirectoryVector(empty), newDirectoryVector(d)})
}

func newTreeVector(t *testing.T, size int) treeVector {
	t.Helper()
	data := sample(size)
	root, outboard := build(t, data)
	v := treeVector{
		Size: size, Root: root, CID: CID(root, false),
		Outboard: remora.SumBLAKE3(outboard), Stream: remora.SumBLAKE3(encode(t, data, Whole(uint64(size)))),
	}
	last := Chunks(uint64(size)) - 1
	for i, chunk := range []uint64{0, last / 2, last} {
		if i > 0 && chunk == v.Proofs[len(v.Proofs)-1].Chunk {
			continue
		}
		p := prove(t, data, outboard, chunk)
		v.Proofs = append(v.Proofs, proofVector{chunk, remora.SumBLAKE3(p.Data), append([]remora.Hash{}, p.Path...)})
	}
	return v
}

func newDirectoryVector(d *Directory) directoryVector {
	encoded := d.Encode()
	root := remora.SumBLAKE3(encoded)
	return directoryVector{hex.EncodeToString(encoded), root, CID(root, true)}
}

// TestVectorsVerify reads the proofs back, as another implementation would.
func TestVectorsVerify(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(vectors, "trees.json"))
	if err != nil {
		t.Fatal(err)
	}
	var trees []treeVector
	if err := json.Unmarshal(raw, &trees); err != nil {
		t.Fatal(err)
	}
	for _, v := range trees {
		data, length := sample(v.Size), uint64(v.Size)
		for _, p := range v.Proofs {
			chunk := data[p.Chunk*ChunkSize : min(length, (p.Chunk+1)*ChunkSize)]
			if err := VerifyChunk(v.Root, length, p.Chunk, ChunkProof{Data: chunk, Path: p.Path}); err != nil {
				t.Errorf("chunk %d of %d bytes: %v", p.Chunk, v.Size, err)
			}
		}
		if root, directory, err := ParseCID(v.CID); err != nil || root != v.Root || directory {
			t.Errorf("%s: %s, %t, %v", v.CID, root, directory, err)
		}
	}
	if len(trees) == 0 {
		t.Error("no vectors")
	}
}
