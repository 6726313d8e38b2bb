package fetch_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/fetch"
	"github.com/remora-network/remora/app/gateway"
	"github.com/remora-network/remora/app/store"
	"github.com/remora-network/remora/app/transfer/transfertest"
	"github.com/remora-network/remora/crypto/ed25519"
	"github.com/remora-network/remora/proofs/content"
)

// world is a network of paid caches, a gateway and an account that pays.
type world struct {
	*transfertest.Network
	paid *market
	url  string
	key  *ed25519.PrivateKey
	dir  string // of the key's books
}

func testKey() *ed25519.PrivateKey {
	key, err := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	if err != nil {
		panic(err)
	}
	return key
}

func newWorld(t testing.TB, caches ...string) *world {
	t.Helper()
	n := transfertest.New(caches...)
	w := &world{
		Network: n, paid: &market{network: n, price: 10, balance: 1 << 40, epoch: 1},
		key: testKey(), dir: filepath.Join(t.TempDir(), "key.sessions"),
	}
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	g := gateway.New(n, n, st, slog.New(slog.DiscardHandler), nil)
	mux := http.NewServeMux()
	mux.Handle("/ipfs/", g)
	mux.Handle("POST /v1/deliveries/", w.paid)
	s := httptest.NewServer(mux)
	w.url = s.URL
	t.Cleanup(func() {
		s.Close()
		g.Close()
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// options returns the options to fetch a file into a temporary folder.
func (w *world) options(t testing.TB, c remora.Content) fetch.Options {
	return fetch.Options{
		Gateway: w.url, CID: content.CID(c.Root, false), Out: filepath.Join(t.TempDir(), "out"),
		Key: w.key, Chain: w.paid, Sessions: w.dir,
	}
}

// caches returns the caches in the order in which a content is asked of them.
func (w *world) caches(root remora.Hash) []remora.Address {
	var nodes []remora.Address
	all, _ := w.Caches()
	for _, c := range all {
		nodes = append(nodes, c.Address)
	}
	return remora.Assign(root, nodes, len(nodes))
}

// acked returns how many bytes are acknowledged to all caches.
func (w *world) acked() (total uint64) {
	all, _ := w.Caches()
	for _, c := range all {
		total += w.paid.bytesAcked(c.Address)
	}
	return total
}

func BenchmarkPaid(b *testing.B) {
	w := newWorld(b, "c0")
	c := w.Add(random(256<<20), false)
	o := w.options(b, c)
	b.SetBytes(256 << 20)
	for b.Loop() {
		r, err := fetch.Fetch(b.Context(), o)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(r.Receipts), "receipts/op")
	}
	if f := w.paid.clientFaults(); len(f) > 0 {
		b.Fatal(f)
	}
	if w.acked() == 0 {
		b.Fatal("nothing was acknowledged")
	}
}
