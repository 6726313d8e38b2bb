package peers

import (
	"context"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/trust/trusttest"
)

// TestBlockCertificatesBesideGarbage gets certificates among items that are none.
func TestBlockCertificatesBesideGarbage(t *testing.T) {
	committee, _, _ := trusttest.Committee(t)
	cert := remora.BlockCertificate{Height: 3, Hash: remora.Hash{1}, Signers: remora.NewBitmap(4, 0, 1, 2)}
	call := func(context.Context, string, string, []byte, int) ([]byte, error) {
		return encodeItems([][]byte{nil, {1, 2}, remora.Encode(cert), nil}), nil
	}
	found, err := NewClient(committee, call).AskBlockCertificates(t.Context(), 1, RangeRequest{From: 1, Count: 4})
	if err != nil || len(found) != 1 || found[0].Height != 3 || found[0].Hash != cert.Hash {
		t.Errorf("%d certificates, %v, want that of block 3", len(found), err)
	}
}
