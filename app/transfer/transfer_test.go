package transfer

import (
	"errors"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/proofs/content"
)

func TestContentRequestLimits(t *testing.T) {
	good := ContentRequest{Length: 10 << 20, Offset: 16 << 10, Bytes: MaxRange}
	if _, err := DecodeContentRequest(remora.Encode(good)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		request ContentRequest
		want    error
	}{
		"too much":    {ContentRequest{Length: 10 << 20, Bytes: MaxRange + 1}, remora.ErrTooLarge},
		"beyond":      {ContentRequest{Length: 100, Offset: 50, Bytes: 51}, content.ErrRange},
		"overflowing": {ContentRequest{Length: 100, Offset: 1<<64 - 1, Bytes: 51}, content.ErrRange},
		"nothing":     {ContentRequest{Length: 100}, content.ErrRange},
	} {
		if _, err := DecodeContentRequest(remora.Encode(c.request)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := DecodeHasRequest(remora.Encode(HasRequest{Roots: make([]remora.Hash, MaxRoots+1)})); !errors.Is(err, remora.ErrTooLarge) {
		t.Errorf("too many roots: %v", err)
	}
}

func FuzzRequests(f *testing.F) {
	f.Add(remora.Encode(ContentRequest{Length: 5, Bytes: 5}))
	f.Add(remora.Encode(HasRequest{Roots: make([]remora.Hash, 2)}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := DecodeContentRequest(b); err == nil && r.Range().Check(r.Length) != nil {
			t.Error("a range outside the content was taken")
		}
		if r, err := DecodeHasRequest(b); err == nil && len(r.Roots) > MaxRoots {
			t.Error("too many roots were taken")
		}
	})
}
