package delivery

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/session"
	"github.com/remora-network/remora/app/transfer"
)

// TestWebDelivers sends a good request over HTTP, and requests that must be refused.
func TestWebDelivers(t *testing.T) {
	w := newWorld(t)
	of := w.addFile(1, 40<<10, true)
	c := w.openSession(1 << 20)
	mux := http.NewServeMux()
	mux.Handle("POST /v1/deliveries/{node}", w.Service)
	post := func(node string, body []byte) *httptest.ResponseRecorder {
		answer := httptest.NewRecorder()
		mux.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/deliveries/"+node, bytes.NewReader(body)))
		return answer
	}
	good := remora.Encode(c.request(of, 0, of.Length))
	answer := post(self.String(), good)
	head, stream, err := transfer.DecodeDelivery(answer.Body.Bytes())
	if answer.Code != http.StatusOK || err != nil || head.Code != session.Delivered || uint64(len(stream)) < of.Length {
		t.Errorf("%d, %+v with %d bytes, %v", answer.Code, head, len(stream), err)
	}
	for name, tt := range map[string]struct {
		node string
		body []byte
		want int
	}{
		"another cache": {remora.Address{9}.String(), good, http.StatusNotFound},
		"no address":    {"x", good, http.StatusNotFound},
		"nothing":       {self.String(), nil, http.StatusBadRequest},
		"cut off":       {self.String(), good[:len(good)-1], http.StatusBadRequest},
		"too much":      {self.String(), make([]byte, transfer.MaxDeliveryRequest+1), http.StatusBadRequest},
	} {
		if answer := post(tt.node, tt.body); answer.Code != tt.want || !bytes.Contains(answer.Body.Bytes(), []byte(`"error"`)) {
			t.Errorf("%s: %d %s", name, answer.Code, answer.Body)
		}
	}
	for _, owner := range []string{"10.0.0.1", "10.0.0.2"} { // together all places
		const n int64 = min(maxOwnWriting, maxWriting/2)
		if !w.writing.EnterQueue(t.Context(), owner, n) {
			t.Error("places are still taken")
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if w.writing.EnterQueue(ctx, "10.0.0.3", 1) {
		t.Error("there are more places than answers may be in memory")
	}
}
