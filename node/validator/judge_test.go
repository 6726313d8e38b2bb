package validator

import (
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/limits"
)

// TestFaultsAreNamed: whose batch holds a fault, and whose header lists a batch of a later epoch, is seen by name.
func TestFaultsAreNamed(t *testing.T) {
	_, c, _ := newFloodedBatcher(t)
	for name, tt := range map[string]struct {
		block   remora.Block
		batches []remora.Batch
		named   []string
	}{
		"good": {
			remora.Block{Results: []byte{0, byte(remora.CodeNonceUsed)}}, []remora.Batch{{Author: 1, Count: 2}}, nil,
		},
		"faults": {
			remora.Block{Results: []byte{0, byte(remora.CodeBadSignature), byte(remora.CodeSkipped)}},
			[]remora.Batch{{Author: 1, Count: 1}, {Author: 2, Count: 2}},
			[]string{c.Members[2].Name},
		},
		"epochs to come": {
			remora.Block{Header: remora.BlockHeader{Epoch: 7}, DAG: []*remora.Header{
				{Author: 1, Payload: []remora.BatchRef{{Epoch: 7}, {Epoch: 6}}}, {Author: 3, Payload: []remora.BatchRef{{Epoch: 8}}},
			}}, nil, []string{c.Members[3].Name},
		},
	} {
		hits := limits.NewHits(time.Now, slog.New(slog.DiscardHandler))
		newJudge(c, new(Progress), hits, slog.New(slog.DiscardHandler)).noteFaults(&tt.block, tt.batches)
		var named []string
		for _, h := range hits.Lately() {
			named = append(named, h.Who)
		}
		if !slices.Equal(named, tt.named) {
			t.Errorf("%s: named %v, want %v", name, named, tt.named)
		}
	}
}
