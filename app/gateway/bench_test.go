package gateway_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/remora-network/remora/app/gateway"
	"github.com/remora-network/remora/app/store"
	"github.com/remora-network/remora/app/transfer/transfertest"
	"github.com/remora-network/remora/proofs/content"
)

// BenchmarkOwnCopy serves a file from the gateway's own store over a connection of this machine.
func BenchmarkOwnCopy(b *testing.B) {
	const size = 64 << 20
	n := transfertest.New("c0")
	data := make([]byte, size)
	c := n.Add(data, false)
	st, err := store.Open(b.TempDir(), store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	if err := st.Import(bytes.NewReader(data), c); err != nil {
		b.Fatal(err)
	}
	g := gateway.New(n, n, st, slog.New(slog.DiscardHandler), nil)
	defer g.Close()
	s := httptest.NewServer(g)
	defer s.Close()
	url := s.URL + "/ipfs/" + content.CID(c.Root, false)
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url, nil)
		if err != nil {
			b.Fatal(err)
		}
		resp, err := s.Client().Do(r)
		if err != nil {
			b.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, resp.Body); err != nil || n != size {
			b.Fatal(n, err)
		}
		resp.Body.Close()
	}
}
