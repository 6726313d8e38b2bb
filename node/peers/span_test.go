package peers

import (
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/replay/replaytest"
	"github.com/remora-network/remora/node/trust"
)

// FuzzSpan opens what a peer may answer in place of blocks.
func FuzzSpan(f *testing.F) {
	c := replaytest.New(f, "dev-span")
	members, err := c.Genesis.Committee()
	if err != nil {
		f.Fatal(err)
	}
	committee, err := trust.New(members)
	if err != nil {
		f.Fatal(err)
	}
	for range 3 {
		c.Certify(c.Block(remora.EncodeOpaque([]byte("payload"))).Header.Height)
	}
	raw, err := (&Server{Domain: c.Genesis.Domain(), Store: c.Store}).serveBlocks(f.Context(), "", remora.Encode(RangeRequest{From: 1, Count: 9}))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add(remora.Encode(BlocksAnswer{Newest: 9}))
	f.Fuzz(func(t *testing.T, answer []byte) {
		got, err := OpenSpan(committee, 1, RangeRequest{From: 1, Count: 3}, answer)
		if err == nil && len(got.Blocks) > 0 && got.Blocks[0].Block.Header.Height != 1 {
			t.Errorf("takes block %d for block 1", got.Blocks[0].Block.Header.Height)
		}
	})
}
