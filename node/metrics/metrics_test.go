package metrics_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/remora-network/remora/node/metrics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serveFigures serves a figure and series until the test ends, and returns a function that fetches a path.
func serveFigures(t *testing.T, series metrics.Series) func(path string) (int, string) {
	t.Helper()
	one := metrics.Figure{Name: "one", Help: "One.", Value: func() float64 { return 1 }}
	server, err := metrics.New("127.0.0.1:0", []metrics.Figure{one}, http.NotFoundHandler(), series)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	transport := &http.Transport{DisableKeepAlives: true}
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return func(path string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+server.Addr().String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b)
	}
}

// TestSeries reads counters that differ by their labels, and sees that they change between two scrapes.
func TestSeries(t *testing.T) {
	hits := 6.0
	get := serveFigures(t, metrics.Series{
		Name: "limit_hits_total", Help: "Refusals.", Labels: []string{"limit", "who"},
		Values: func(add func(float64, ...string)) {
			hits++
			add(hits, "rpc waits", "127.0.0.9")
			add(1, "rpc waits", "others")
		},
	})
	for _, want := range []string{`remora_limit_hits_total{limit="rpc waits",who="127.0.0.9"} 7`, `who="127.0.0.9"} 8`} {
		status, page := get("/metrics")
		if status != 200 || !strings.Contains(page, want) || !strings.Contains(page, `who="others"} 1`) || !strings.Contains(page, "remora_one 1") {
			t.Errorf("%d, without %s: %.2000s", status, want, page)
		}
	}
}
