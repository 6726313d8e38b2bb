package peers

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/trust"
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

// forgedScheme takes every header and no aggregate, and counts the aggregates that it is asked for.
type forgedScheme struct {
	trust.Scheme
	aggregates int
}

func (s *forgedScheme) VerifyDigest(remora.Authority, remora.Hash, remora.Signature) bool {
	return true
}

func (s *forgedScheme) VerifyAggregates(items []trust.Aggregate) []error {
	s.aggregates += len(items)
	errs := make([]error, len(items))
	for i := range errs {
		errs[i] = trust.ErrSignature
	}
	return errs
}

// TestFirstBadCertificateEndsAnAnswer gets as many forged certificates as an answer may hold: a few of them are checked.
func TestFirstBadCertificateEndsAnAnswer(t *testing.T) {
	members, _, _ := trusttest.Committee(t)
	scheme := new(forgedScheme)
	committee := trust.NewWith(members.Committee, scheme)
	var items [][]byte
	for i := range MaxCertificateRange {
		h := remora.Header{Term: 1, Round: 1, CreatedAt: remora.Millis(i), Parents: remora.GenesisParents(members.Committee, remora.Hash{9})}
		items = append(items, remora.Encode(remora.Certificate{Header: h, Signers: remora.NewBitmap(4, 0, 1, 2)}))
	}
	found, err := OpenCertificates(committee, items)
	if len(found) != 0 || !errors.Is(err, trust.ErrSignature) || scheme.aggregates > answerStep {
		t.Errorf("%d found, %v, %d aggregates checked, want at most %d", len(found), err, scheme.aggregates, answerStep)
	}
}

// FuzzAcks holds that what decodes encodes to the same bytes.
func FuzzAcks(f *testing.F) {
	f.Add(make([]byte, 32))
	f.Add(make([]byte, 33))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, frame []byte) {
		digests, err := DecodeAcks(frame)
		if err != nil {
			return
		}
		if again := EncodeAcks(digests); len(again) != 1 || !bytes.Equal(again[0], frame) {
			t.Errorf("%d digests encode to %d frames", len(digests), len(again))
		}
	})
}
