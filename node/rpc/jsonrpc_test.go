package rpc

import (
	"encoding/binary"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/remora-network/remora"
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
			values := maxValues
			req, bad := decodeRequest(call, &values)
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

func TestNoncesExpire(t *testing.T) {
	n := newNonces()
	now := time.Unix(1_000, 0)
	n.now = func() time.Time { return now }
	account := &ledger.Account{Base: 5, Used: 0b10} // 6 is used
	for _, want := range []uint64{5, 7, 8} {
		if got := n.reserveNonce(remora.Address{1}, account); got != want {
			t.Errorf("took %d, want %d", got, want)
		}
	}
	now = now.Add(nonceHold)
	if got := n.reserveNonce(remora.Address{1}, account); got != 5 {
		t.Errorf("after the hold: %d", got)
	}
}

// TestHeldNoncesBlockNobody has a stranger reserve every nonce of an account, again and again: its owner gets nonces all the
// same, each that can be used, and different ones for calls that run in parallel.
func TestHeldNoncesBlockNobody(t *testing.T) {
	n := newNonces()
	now := time.Unix(1_000, 0)
	n.now = func() time.Time { now = now.Add(time.Millisecond); return now }
	account := &ledger.Account{Base: 5, Used: 0b10}
	for range 10 * maxNoncesHeld {
		n.reserveNonce(remora.Address{1}, account)
	}
	seen := map[uint64]bool{}
	for range 8 {
		got := n.reserveNonce(remora.Address{1}, account)
		if err := account.CheckNonce(got); err != nil || seen[got] {
			t.Errorf("got %d after %v: %v", got, seen, err)
		}
		seen[got] = true
	}
	if held := len(n.held[remora.Address{1}]); held > maxNoncesHeld {
		t.Errorf("%d are held", held)
	}
}

func TestNoncesAreBounded(t *testing.T) {
	n := newNonces()
	now := time.Unix(1_000, 0)
	n.now = func() time.Time { return now }
	for i := range maxNonceAccounts {
		n.reserveNonce(remora.Address{byte(i), byte(i >> 8), 1}, new(ledger.Account))
	}
	if got := n.reserveNonce(remora.Address{9}, &ledger.Account{Base: 7}); got != 7 || len(n.held) != maxNonceAccounts {
		t.Errorf("one account more got %d; %d held", got, len(n.held))
	}
	now = now.Add(nonceHold)
	if n.reserveNonce(remora.Address{9}, new(ledger.Account)); len(n.held) != 1 {
		t.Errorf("after the hold %d accounts are kept", len(n.held))
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
			values := maxValues
			req, bad := decodeRequest(json.RawMessage(tt.call), &values)
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
