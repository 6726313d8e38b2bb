package gateway_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/remora-network/remora/app/gateway"
	"github.com/remora-network/remora/app/store"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/app/transfer/transfertest"
	"github.com/remora-network/remora/proofs/content"
)

// TestWarmTakesWhatIsServed has a client stream a content range by range: the gateway stores the served ranges, and
// asks the cache for none of them twice.
func TestWarmTakesWhatIsServed(t *testing.T) {
	n := transfertest.New("c0")
	const segments = 4 // as many as may wait for their turn
	data := make([]byte, segments*transfer.MaxRange-5)
	for i := range data {
		data[i] = byte(i >> 9)
	}
	c := n.Add(data, false)
	own, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := own.Close(); err != nil {
			t.Error(err)
		}
	}()
	g := gateway.New(n, n, own, slog.New(slog.DiscardHandler), nil)
	g.SetOfferWait(time.Minute)
	for at := uint64(0); at < c.Length; at += transfer.MaxRange {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/ipfs/"+content.CID(c.Root, false), nil)
		r.Header.Set("Accept", gateway.VerifiedType)
		r.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", at, min(at+transfer.MaxRange, c.Length)-1))
		w := httptest.NewRecorder()
		if g.ServeHTTP(w, r); w.Code != http.StatusOK {
			t.Fatalf("at %d: %d %s", at, w.Code, w.Body)
		}
	}
	deadline, ticker := time.After(20*time.Second), time.NewTicker(5*time.Millisecond)
	defer ticker.Stop()
	for {
		if _, held := own.Length(c.Root); held {
			break
		}
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatal("the gateway does not keep what it served")
		}
	}
	g.Close()
	if asked := n.Asked["c0"]; asked != segments {
		t.Errorf("the cache was asked %d times for %d ranges", asked, segments)
	}
}
