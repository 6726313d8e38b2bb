package store

import (
	"fmt"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/store/crashfs"
	"github.com/remora-network/remora/node/store/segment"
)

// TestReadBatchIsDurableBeforeItCounts crashes a store after one goroutine appended a batch that another one found
// before it was synced.
func TestReadBatchIsDurableBeforeItCounts(t *testing.T) {
	for name, rely := range map[string]func(*Store, remora.Batch) error{
		"a vote": func(s *Store, b remora.Batch) error {
			_, err := s.BatchRef(b.Digest)
			return err
		},
		"a block": func(s *Store, b remora.Batch) error {
			block := &remora.Block{Header: remora.BlockHeader{Height: 1}, Batches: []remora.Hash{b.Digest}}
			return s.Commit(Commit{Block: block})
		},
	} {
		t.Run(name, func(t *testing.T) {
			fs := crashfs.New(1)
			s := openAt(t, fs)
			var builder remora.BatchBuilder
			builder.Add([]byte("transaction"))
			b := builder.Seal(1, 1, 0, 0, 1)
			if _, err := s.batches.Append(segment.Record{Digest: b.Digest, Epoch: uint64(b.Epoch), Payload: b.Raw}); err != nil {
				t.Fatal(err)
			}
			if err := rely(s, b); err != nil {
				t.Fatal(err)
			}
			after := openAt(t, fs.Crash(crashfs.Strict))
			if raw, err := after.Batch(b.Digest); err != nil || fmt.Sprintf("%x", raw) != fmt.Sprintf("%x", b.Raw) {
				t.Errorf("relied on and lost: %v", err)
			}
		})
	}
}

func openAt(t *testing.T, fs *crashfs.FS) *Store {
	t.Helper()
	s, err := Open("home", Options{FS: fs, Cache: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
