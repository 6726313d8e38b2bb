package rpc

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/state/ledger"
)

func FuzzDecodeRequest(f *testing.F) {
	for _, text := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"status"}`,
		`{"jsonrpc":"2.0","id":"x","method":"block","params":{"height":1}}`,
		`[{"jsonrpc":"2.0","method":"tx.send","params":{"txs":["00"]}}]`,
		`{"id":{},"id":null}`, `[]`, `[[[[`, `null`, `1`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		calls := []json.RawMessage{body}
		if len(body) > 0 && body[0] == '[' {
			var bad *response
			if calls, bad = splitBatch(body); bad == nil && !json.Valid(body) {
				t.Errorf("took %q for a batch", body)
			}
		}
		if len(calls) > maxBatch {
			t.Errorf("%d calls", len(calls))
		}
		for _, call := range calls {
			req, bad := decodeRequest(call)
			if bad == nil && (!json.Valid(call) || req.id != nil && !json.Valid(req.id)) {
				t.Errorf("took %q for a call", call)
			}
			if bad == nil {
				continue
			}
			if out, err := json.Marshal(bad); err != nil || !json.Valid(out) {
				t.Errorf("answer %q, %v", out, err)
			}
		}
	})
}

func FuzzSplitFrames(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x03abc\x00\x00\x00\x00"))
	f.Add([]byte("\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, body []byte) {
		txs, bad := splitFrames(body)
		if bad != nil {
			return
		}
		var again []byte
		for _, tx := range txs {
			again = append(binary.BigEndian.AppendUint32(again, uint32(len(tx))), tx...)
		}
		if !slices.Equal(again, body) {
			t.Errorf("%x became %x", body, again)
		}
	})
}

func TestWaitersAreBounded(t *testing.T) {
	s := &Server{waiting: semaphore.NewWeighted(0)}
	never := func() (bool, error) { return false, nil }
	var e *client.Error
	if _, err := s.waitUntil(t.Context(), time.Second, never); !errors.As(err, &e) || e.Code != client.CodeServerBusy {
		t.Errorf("got %v, want SERVER_BUSY", err)
	}
	if ok, err := s.waitUntil(t.Context(), 0, never); ok || err != nil {
		t.Errorf("without waiting: %v, %v", ok, err)
	}
}

func TestNoncesExpire(t *testing.T) {
	n := newNonces()
	now := time.Unix(1_000, 0)
	n.now = func() time.Time { return now }
	account := &ledger.Account{Base: 5, Used: 0b10} // 6 is used
	for _, want := range []uint64{5, 7, 8} {
		if got, ok := n.reserveLowest(remora.Address{1}, account); !ok || got != want {
			t.Errorf("took %d, want %d", got, want)
		}
	}
	now = now.Add(nonceHold)
	if got, ok := n.reserveLowest(remora.Address{1}, account); !ok || got != 5 {
		t.Errorf("after the hold: %d", got)
	}
}

func TestNoncesAreBounded(t *testing.T) {
	n := newNonces()
	now := time.Unix(1_000, 0)
	n.now = func() time.Time { return now }
	for i := range maxNonceAccounts {
		if _, ok := n.reserveLowest(remora.Address{byte(i), byte(i >> 8), 1}, new(ledger.Account)); !ok {
			t.Fatalf("account %d got none", i)
		}
	}
	if _, ok := n.reserveLowest(remora.Address{9}, new(ledger.Account)); ok || len(n.held) != maxNonceAccounts {
		t.Errorf("one account too many; %d held", len(n.held))
	}
	now = now.Add(nonceHold)
	if _, ok := n.reserveLowest(remora.Address{9}, new(ledger.Account)); !ok || len(n.held) != 1 {
		t.Errorf("after the hold %d accounts are kept", len(n.held))
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := limitConnections(inner, 1)
	dial := func() net.Conn {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	defer dial().Close()
	first, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer dial().Close()
	second := make(chan net.Conn)
	go func() {
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
		}
		second <- c
	}()
	select {
	case <-second:
		t.Fatal("accepted a second connection beside the first")
	default:
	}
	if err := errors.Join(first.Close(), first.Close()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closing twice: %v", err)
	}
	c := <-second
	ended := make(chan error)
	go func() {
		_, err := l.Accept()
		ended <- err
	}()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err == nil {
		t.Error("accepted after Close")
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func TestDecodeRequest(t *testing.T) {
	long := `"` + strings.Repeat("x", maxID) + `"`
	tests := []struct {
		name, call, id string
		number         int
	}{
		{"call", `{"jsonrpc":"2.0","id":7,"method":"status"}`, "7", 0},
		{"string id", `{"jsonrpc":"2.0","id":"a","method":"status"}`, `"a"`, 0},
		{"null id", `{"jsonrpc":"2.0","id":null,"method":"status"}`, "null", 0},
		{"large id", `{"jsonrpc":"2.0","id":1e309,"method":"status"}`, "1e309", 0},
		{"nothing", ``, "null", rpcParse},
		{"not JSON", `{`, "null", rpcParse},
		{"NaN id", `{"jsonrpc":"2.0","id":NaN,"method":"status"}`, "null", rpcParse},
		{"object id", `{"jsonrpc":"2.0","id":{},"method":"status"}`, "null", rpcInvalid},
		{"array id", `{"jsonrpc":"2.0","id":[1],"method":"status"}`, "null", rpcInvalid},
		{"bool id", `{"jsonrpc":"2.0","id":true,"method":"status"}`, "null", rpcInvalid},
		{"long id", `{"jsonrpc":"2.0","id":` + long + `,"method":"status"}`, "null", rpcInvalid},
		{"number", `1`, "null", rpcInvalid},
		{"null", `null`, "null", rpcInvalid},
		{"no version", `{"id":1,"method":"status"}`, "1", rpcInvalid},
		{"version 1", `{"jsonrpc":"1.0","id":1,"method":"status"}`, "1", rpcInvalid},
		{"no method", `{"jsonrpc":"2.0","id":1}`, "1", rpcInvalid},
		{"method 1", `{"jsonrpc":"2.0","id":1,"method":1}`, "1", rpcInvalid},
		{"method of other case", `{"jsonrpc":"2.0","id":1,"METHOD":"status"}`, "1", rpcInvalid},
		{"repeated", `{"jsonrpc":"2.0","id":1,"id":2,"method":"status"}`, "null", rpcInvalid},
		{"deep", `{"jsonrpc":"2.0","id":1,"method":"status","params":` + strings.Repeat("[", 5_000) + strings.Repeat("]", 5_000) + `}`, "null", rpcInvalid},
		{"too deep to parse", strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000), "null", rpcParse},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req, bad := decodeRequest(json.RawMessage(tt.call))
			switch {
			case tt.number == 0 && (bad != nil || string(req.id) != tt.id):
				t.Errorf("id %s, %+v", req.id, bad)
			case tt.number != 0 && (bad == nil || bad.Error.Code != tt.number || string(bad.ID) != tt.id):
				t.Errorf("got %+v, want %d", bad, tt.number)
			}
		})
	}
}

// TestAnswersAreBounded asks for more in one batch than an answer holds.
func TestAnswersAreBounded(t *testing.T) {
	s := &Server{Config: Config{Genesis: &remora.Genesis{ChainID: strings.Repeat("x", 1<<20)}}, calls: callsByName()}
	genesis, err := json.Marshal(s.Genesis)
	if err != nil {
		t.Fatal(err)
	}
	calls := slices.Repeat([]json.RawMessage{[]byte(`{"jsonrpc":"2.0","id":1,"method":"genesis"}`)}, maxBatch)
	size, refused := 0, 0
	for _, a := range s.answerCalls(t.Context(), calls) {
		size += len(a.Result)
		if a.Error != nil {
			refused++
		}
	}
	if size > maxAnswer+len(genesis) || refused != maxBatch-size/len(genesis) {
		t.Errorf("%d bytes answered, %d calls refused", size, refused)
	}
}
