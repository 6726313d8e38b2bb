package client_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/ed25519"
	"github.com/remora-network/remora/node/client"
)

// The client against servers that lie; node/rpc tests it against the real one.

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// against returns a client of a server that always answers the same way.
func against(t *testing.T, answer http.HandlerFunc) *client.Client {
	t.Helper()
	server := httptest.NewServer(answer)
	c, err := client.New(server.URL + "/")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		server.Close()
	})
	return c
}

func says(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		w.Header().Set("Retry-After", "3")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
}

func TestNew(t *testing.T) {
	for _, url := range []string{"", "127.0.0.1:4240", "ftp://host", "http://", "http://host?x=1", "http://host#x", "http://%zz", "host"} {
		if _, err := client.New(url); !errors.Is(err, remora.ErrInvalid) {
			t.Errorf("%q: %v, want ErrInvalid", url, err)
		}
	}
}

func TestUnusableAnswers(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"not JSON":            says(200, "<html>"),
		"nothing":             says(200, ""),
		"endless":             func(w http.ResponseWriter, _ *http.Request) { _, _ = io.CopyN(w, spaces{}, 64<<20) },
		"error of a proxy":    says(502, "<html>bad gateway</html>"),
		"error without code":  says(500, `{"error":{}}`),
		"endless error":       func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500); _, _ = io.CopyN(w, spaces{}, 64<<20) },
		"redirect":            http.RedirectHandler("http://127.0.0.1:1/", http.StatusFound).ServeHTTP,
		"wrong type":          says(200, `{"height":"1"}`),
		"height out of range": says(200, `{"height":-1}`),
	} {
		c := against(t, answer)
		if _, err := c.Status(t.Context()); !errors.Is(err, client.ErrAnswer) {
			t.Errorf("%s: %v, want ErrAnswer", name, err)
		}
	}
}

type spaces struct{}

// Read implements io.Reader.
func (spaces) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

func TestErrors(t *testing.T) {
	tests := []struct {
		code string
		want error
	}{
		{client.CodeServerBusy, client.ErrBusy},
		{client.CodeNotFound, remora.ErrNotFound},
		{client.CodeNotCertified, client.ErrNotCertified},
	}
	for _, tt := range tests {
		c := against(t, says(429, fmt.Sprintf(`{"error":{"code":%q,"message":"why"}}`, tt.code)))
		_, err := c.Status(t.Context())
		var answer *client.Error
		if !errors.Is(err, tt.want) || !errors.As(err, &answer) || answer.RetryAfter != 3*time.Second || client.CodeOf(err) != tt.code {
			t.Errorf("%s: %v", tt.code, err)
		}
	}
	if client.CodeOf(io.EOF) != "" {
		t.Error("an error of nobody has a code")
	}
	if code := client.CodeOf(remora.Reject(remora.CodeNonceUsed, "x")); code != "TX_NONCE_USED" {
		t.Errorf("a rejection has code %q", code)
	}
}

func TestNodeDown(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	c, err := client.New(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	server.Close()
	if _, err := c.Status(t.Context()); err == nil || !strings.Contains(err.Error(), server.URL) {
		t.Errorf("got %v", err)
	}
}

// TestSubmittedMismatch sends two transactions and gets answers about others.
func TestSubmittedMismatch(t *testing.T) {
	hash := strings.Repeat("00", 32)
	for _, text := range []string{
		`{}`,
		`{"tx":[0]}`,
		`{"batches":["` + hash + `"],"tx":[0,1]}`,
		`{"batches":["` + hash + `"],"tx":[0,-2]}`,
		`{"batches":["` + hash + `"],"tx":[0,-1]}`,
		`{"batches":["` + hash + `"],"tx":[0,-1],"rejected":[{"index":0}]}`,
		`{"batches":["` + hash + `"],"tx":[0,-1],"rejected":[{"index":2}]}`,
		`{"batches":["` + hash + `"],"tx":[-1,-1],"rejected":[{"index":1},{"index":1}]}`,
	} {
		c := against(t, says(200, text))
		if _, err := c.SendTxs(t.Context(), [][]byte{{1}, {2}}); !errors.Is(err, client.ErrAnswer) {
			t.Errorf("%s: %v, want ErrAnswer", text, err)
		}
	}
}

func TestBlockStreams(t *testing.T) {
	block := remora.Encode(&remora.CertifiedBlock{Block: remora.Block{Header: remora.BlockHeader{Height: 1}, DAG: []*remora.Header{{}}}})
	frame := append(binary.BigEndian.AppendUint32(nil, uint32(len(block))), block...)
	for name, text := range map[string][]byte{
		"nothing":       nil,
		"cut off":       frame[:len(frame)-1],
		"half a length": {0, 0},
		"huge":          {0xff, 0xff, 0xff, 0xff, 1},
		"twice":         bytes.Repeat(frame, 2),
		"no block":      {0, 0, 0, 1, 0xf6},
	} {
		c := against(t, says(200, string(text)))
		seen := 0
		err := c.CertifiedBlocks(t.Context(), 1, 2, func(*remora.CertifiedBlock) error { seen++; return nil })
		if err == nil || seen > 1 {
			t.Errorf("%s: %d blocks and %v", name, seen, err)
		}
	}
	stop := errors.New("enough")
	c := against(t, says(200, string(frame)))
	if err := c.CertifiedBlocks(t.Context(), 1, 1, func(*remora.CertifiedBlock) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the visitor's error became %v", err)
	}
}

func TestEventStreams(t *testing.T) {
	c := against(t, says(200, ":\n\nid: 1\nevent: block\ndata: {\"height\":1}\n\ndata: {\n\n"))
	var heights []remora.Height
	var last error
	for e, err := range c.Events(t.Context(), 1) {
		heights, last = append(heights, e.Height), err
	}
	if len(heights) != 2 || heights[0] != 1 || !errors.Is(last, client.ErrAnswer) {
		t.Errorf("got %v and %v", heights, last)
	}
	for _, err := range against(t, says(429, `{"error":{"code":"SERVER_BUSY","message":"x"}}`)).Events(t.Context(), 0) {
		if !errors.Is(err, client.ErrBusy) {
			t.Errorf("got %v", err)
		}
	}
}

// TestSignPaysEnough signs for prices at which the fee's own length matters.
func TestSignPaysEnough(t *testing.T) {
	key, err := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []remora.Params{{}, {MinFee: 1}, {WeightPrice: 1000}, {MinFee: 90, WeightPrice: 17}, {MinFee: 65_300, WeightPrice: 1000}, {WeightPrice: 1 << 40}} {
		g := &remora.Genesis{ChainID: "dev-fee", Params: p}
		raw := client.Sign(key, g, client.Draft{Kind: remora.KindTransfer, Body: remora.Transfer{Amount: 1}}, client.Nonce{Nonce: 3, Epoch: 7})
		tx, err := remora.DecodeTx(raw)
		if err != nil {
			t.Fatal(err)
		}
		message := tx.Message(g.Domain())
		if !ed25519.Verify(key.Public(), message[:], tx.Signature) || tx.Nonce != 3 {
			t.Errorf("%+v: not signed", p)
		}
		if least := p.LeastFee(remora.WeighTx(raw)); tx.Fee < least || tx.Fee > least+8*p.WeightPrice {
			t.Errorf("%+v: fee %s, least %s", p, tx.Fee, least)
		}
	}
}
