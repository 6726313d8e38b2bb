package rpc_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/remora-network/remora"
)

// call posts a JSON-RPC body and returns status and answer.
func (f *fixture) call(t *testing.T, body string) (int, string) {
	t.Helper()
	return f.do(t, f.request(t, "POST", "/", strings.NewReader(body), "Content-Type", "application/json; charset=utf-8"))
}

type answered struct {
	ID     json.RawMessage
	Result json.RawMessage
	Error  *struct {
		Code int
		Data struct{ Code string }
	}
}

func TestCalls(t *testing.T) {
	f := serve(t, "dev-calls")
	tx := f.Transfer(0, 1, 0, 5)
	block := f.Block(tx)
	f.Certify(1)
	address := f.Keys.Accounts[0].Public().String()
	unknown := strings.Repeat("00", 32)
	tests := []struct {
		method, params string
		number         int
		code, contains string
	}{
		{"status", ``, 0, "", `"height":1`},
		{"status", `{}`, 0, "", `"chain_id":"dev-calls"`},
		{"genesis", `{}`, 0, "", `"validators"`},
		{"block", `{"height":1}`, 0, "", block.Header.Hash().String()},
		{"block.proof", `{"height":1}`, 0, "", `"certificate"`},
		{"account", `{"address":"` + address + `"}`, 0, "", `"nonce":1`},
		{"account", `{"address":"` + address + `","prove":true}`, 0, "", `"siblings"`},
		{"account", `{"address":"` + unknown + `"}`, 0, "", `"exists":false`},
		{"account.nonce", `{"address":"` + address + `"}`, 0, "", `{"nonce":1,"epoch":1}`},
		{"account.nonce", `{"address":"` + unknown + `"}`, -32010, "TX_UNKNOWN_ACCOUNT", ""},
		{"tx.get", `{"hash":"` + remora.TxHash(tx).String() + `"}`, 0, "", `"result":"ok"`},
		{"tx.get", `{"hash":"` + unknown + `"}`, -32001, "NOT_FOUND", ""},
		{"tx.wait", `{"hash":"` + unknown + `","timeout_ms":1}`, -32001, "NOT_FOUND", ""},
		{"tx.wait", `{"hash":"` + unknown + `","timeout_ms":99999999}`, -32602, "BAD_REQUEST", ""},
		{"node", `{"name":"validator-1"}`, 0, "", `"peer_id":"peer2"`},
		{"node", `{}`, -32602, "BAD_REQUEST", ""},
		{"node", `{"name":"validator-1","address":"` + address + `"}`, -32602, "BAD_REQUEST", ""},
		{"node.list", `{"limit":1}`, 0, "", `"next":"`},
		{"node.list", `{"limit":0}`, -32602, "BAD_REQUEST", ""},
		{"node.list", `{"limit":1000000000}`, -32602, "BAD_REQUEST", ""},
		{"tx.send", `{"txs":["00","` + hex.EncodeToString(remora.EncodeOpaque([]byte("x"))) + `"]}`, 0, "", `"TX_MALFORMED"`},
		{"tx.send", `{"txs":["0"]}`, -32602, "BAD_REQUEST", ""},
		{"tx.send", `{"txs":[]}`, -32602, "BAD_REQUEST", ""},
		{"tx.send", `{"txs":"00"}`, -32602, "BAD_REQUEST", ""},
		{"block", ``, -32602, "BAD_REQUEST", ""},
		{"block", `[1]`, -32602, "BAD_REQUEST", ""},
		{"block", `null`, -32602, "BAD_REQUEST", ""},
		{"block", `{"height":-1}`, -32602, "BAD_REQUEST", ""},
		{"block", `{"height":-0}`, -32602, "BAD_REQUEST", ""},
		{"block", `{"height":1e309}`, -32602, "BAD_REQUEST", ""},
		{"block", `{"height":1.5}`, -32602, "BAD_REQUEST", ""},
		{"block", `{"height":"1"}`, -32602, "BAD_REQUEST", ""},
		{"block", `{"height":18446744073709551616}`, -32602, "BAD_REQUEST", ""},
		{"block", `{"height":9007199254740993}`, -32001, "NOT_FOUND", ""},
		{"block", `{"height":1,"depth":2}`, -32602, "BAD_REQUEST", ""},
		{"block", `{"Height":1}`, -32602, "BAD_REQUEST", ""},
		{"block.proof", `{"height":2}`, -32001, "NOT_FOUND", ""},
		{"block.verify", `{}`, -32601, "", ""},
		{"", `{}`, -32601, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.params, func(t *testing.T) {
			params := ""
			if tt.params != "" {
				params = `,"params":` + tt.params
			}
			status, text := f.call(t, fmt.Sprintf(`{"jsonrpc":"2.0","id":"q","method":%q%s}`, tt.method, params))
			var a answered
			if err := json.Unmarshal([]byte(text), &a); err != nil || status != 200 || string(a.ID) != `"q"` {
				t.Fatalf("%d %s", status, text)
			}
			switch {
			case tt.number == 0 && (a.Error != nil || !strings.Contains(string(a.Result), tt.contains)):
				t.Errorf("got %s, want %s in it", text, tt.contains)
			case tt.number != 0 && (a.Error == nil || a.Result != nil || a.Error.Code != tt.number || a.Error.Data.Code != tt.code):
				t.Errorf("got %s, want %d %s", text, tt.number, tt.code)
			}
		})
	}
}

func TestBatches(t *testing.T) {
	f := serve(t, "dev-batch")
	one := `{"jsonrpc":"2.0","id":1,"method":"status"}`
	silent := `{"jsonrpc":"2.0","method":"status"}`
	tests := []struct {
		name, body string
		status     int
		numbers    []int // per answer, 0: a result; nil: a single answer
		single     int
	}{
		{"two", "[" + one + "," + one + "]", 200, []int{0, 0}, 0},
		{"space before", " \n[" + one + "]", 200, []int{0}, 0},
		{"one bad", `[` + one + `,1,{"jsonrpc":"2.0","id":2,"method":"nothing"}]`, 200, []int{0, -32600, -32601}, 0},
		{"notification", silent, 204, nil, 0},
		{"notifications", "[" + silent + "," + silent + "]", 204, nil, 0},
		{"one answer", "[" + silent + "," + one + "]", 200, []int{0}, 0},
		{"empty", "[]", 200, nil, -32600},
		{"empties", "[[],[]]", 200, []int{-32600, -32600}, 0},
		{"64", "[" + strings.Repeat(one+",", 63) + one + "]", 200, make([]int, 64), 0},
		{"65", "[" + strings.Repeat(one+",", 64) + one + "]", 200, nil, -32600},
		{"10^5", "[" + strings.Repeat("{},", 99_999) + "{}]", 200, nil, -32600},
		{"cut off", "[" + one, 200, nil, -32700},
		{"comma", "[" + one + ",]", 200, nil, -32700},
		{"more behind", "[" + one + "]x", 200, nil, -32700},
		{"not JSON", "hello", 200, nil, -32700},
		{"empty body", "", 200, nil, -32700},
		{"depth bomb", strings.Repeat("[", 100_000), 200, nil, -32700},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, text := f.call(t, tt.body)
			if status != tt.status {
				t.Fatalf("%d %.200s", status, text)
			}
			if status == 204 {
				return
			}
			if tt.numbers == nil {
				var a answered
				if err := json.Unmarshal([]byte(text), &a); err != nil || a.Error == nil || a.Error.Code != tt.single || string(a.ID) != "null" {
					t.Errorf("got %.200s, want %d", text, tt.single)
				}
				return
			}
			var answers []answered
			if err := json.Unmarshal([]byte(text), &answers); err != nil || len(answers) != len(tt.numbers) {
				t.Fatalf("got %.200s, want %d answers", text, len(tt.numbers))
			}
			for i, a := range answers {
				if number := tt.numbers[i]; number == 0 && a.Error != nil || number != 0 && (a.Error == nil || a.Error.Code != number) {
					t.Errorf("answer %d: %.200s, want %d", i, text, number)
				}
			}
		})
	}
}

func TestBusyCall(t *testing.T) {
	f := serve(t, "dev-busycall")
	f.with(func(f *fixture) { f.room = 0 })
	send := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tx.send","params":{"txs":["%x"]}}`, remora.EncodeOpaque([]byte("x")))
	if status, text := f.call(t, send); status != 429 || !strings.Contains(text, `"SERVER_BUSY"`) {
		t.Errorf("single: %d %s", status, text)
	}
	if status, text := f.call(t, "["+send+"]"); status != 200 || !strings.Contains(text, `-32005`) {
		t.Errorf("batch: %d %s", status, text)
	}
}
