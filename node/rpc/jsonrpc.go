package rpc

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/client/strict"
)

// Limits of a JSON-RPC request.
const (
	maxRPCBody   = 1 << 20 // larger submissions go to POST /v1/txs
	maxBatch     = 64
	maxValues    = 2 * client.MaxSubmitTxs // of all calls of a request together
	maxID        = 256
	maxAnswer    = 16 << 20 // results of a batch; calls beyond it are refused
	batchTimeout = 60 * time.Second
)

// request is one JSON-RPC call.
type request struct {
	id     json.RawMessage // nil: a notification, which is not answered
	method string
	params json.RawMessage // an object, or nil
}

// rpcError is a JSON-RPC error object. Data carries the stable code.
type rpcError struct {
	Code    int           `json:"code"`
	Message string        `json:"message"`
	Data    *rpcErrorData `json:"data,omitempty"`
}

type rpcErrorData struct {
	Code string `json:"code"`
}

// response is the answer to one call: result or error.
type response struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *rpcError       `json:"error,omitempty"`
}

var nullID = json.RawMessage("null")

func failedResponse(id json.RawMessage, number int, message string) *response {
	if id == nil {
		id = nullID
	}
	return &response{Version: "2.0", ID: id, Error: &rpcError{Code: number, Message: message}}
}

// serveRPC answers a JSON-RPC call or batch.
func (s *Server) serveRPC(w http.ResponseWriter, r *http.Request) error {
	body, refused := readBody(w, r, maxRPCBody, "application/json")
	if refused != nil {
		return refused
	}
	ctx, cancel := context.WithTimeout(r.Context(), batchTimeout)
	defer cancel()
	body = bytes.TrimLeft(body, " \t\r\n")
	batch := bytes.HasPrefix(body, []byte("["))
	calls := []json.RawMessage{body}
	if batch {
		var bad *response
		if calls, bad = splitBatch(body); bad != nil {
			writeJSON(w, http.StatusOK, bad)
			return nil
		}
	}
	answers := s.answerCalls(ctx, calls)
	switch {
	case len(answers) == 0:
		w.WriteHeader(http.StatusNoContent)
	case batch:
		writeJSON(w, http.StatusOK, answers)
	default:
		writeJSON(w, callStatus(w, answers[0]), answers[0])
	}
	return nil
}

// callStatus returns 200 also for errors, which the body carries, except that a busy node answers 429 for proxies to see.
func callStatus(w http.ResponseWriter, a *response) int {
	if a.Error == nil || a.Error.Code != rpcBusy {
		return http.StatusOK
	}
	w.Header().Set("Retry-After", retryAfterSeconds)
	return http.StatusTooManyRequests
}

// splitBatch splits a batch into calls without decoding them, and stops at the first one over the limit.
func splitBatch(body []byte) ([]json.RawMessage, *response) {
	dec := json.NewDecoder(bytes.NewReader(body))
	notJSON := failedResponse(nil, rpcParse, "the body is not one JSON document")
	if _, err := dec.Token(); err != nil {
		return nil, notJSON
	}
	var calls []json.RawMessage
	for dec.More() {
		if len(calls) == maxBatch {
			return nil, failedResponse(nil, rpcInvalid, "a batch holds at most 64 calls")
		}
		var call json.RawMessage
		if err := dec.Decode(&call); err != nil {
			return nil, notJSON
		}
		calls = append(calls, call)
	}
	if _, err := dec.Token(); err != nil {
		return nil, notJSON
	}
	if rest := body[dec.InputOffset():]; len(bytes.TrimSpace(rest)) > 0 {
		return nil, notJSON
	}
	if len(calls) == 0 {
		return nil, failedResponse(nil, rpcInvalid, "a batch holds at least one call")
	}
	return calls, nil
}

// answerCalls answers calls in order. Notifications get no answer.
func (s *Server) answerCalls(ctx context.Context, calls []json.RawMessage) []*response {
	var answers []*response
	size, values := 0, maxValues
	for _, call := range calls {
		req, bad := decodeRequest(call, &values)
		switch {
		case bad != nil:
			answers = append(answers, bad)
		case size > maxAnswer:
			answers = append(answers, failedResponse(req.id, rpcInvalid, "the answer to this batch is too large: send fewer calls in one"))
		default:
			answer := s.answerCall(ctx, req)
			size += len(answer.Result)
			if req.id != nil {
				answers = append(answers, answer)
			}
		}
	}
	return answers
}

// decodeRequest decodes one call, or returns the error response, with the id of the call if it has a valid one.
// values is how many JSON values it may have, and becomes how many are left.
func decodeRequest(call json.RawMessage, values *int) (request, *response) {
	var err error
	if *values, err = strict.CheckWithin(call, *values); err != nil {
		number := rpcInvalid
		if errors.Is(err, strict.ErrSyntax) {
			number = rpcParse
		}
		return request{}, failedResponse(nil, number, err.Error())
	}
	// A map, because member names are case-sensitive and those of struct fields are not.
	var members map[string]json.RawMessage
	if json.Unmarshal(call, &members) != nil || members == nil {
		return request{}, failedResponse(nil, rpcInvalid, "a call is an object")
	}
	req := request{id: members["id"], params: members["params"]}
	if req.id != nil && !isCallID(req.id) {
		return request{}, failedResponse(nil, rpcInvalid, "id is a string, a number or null, of at most 256 characters")
	}
	if string(members["jsonrpc"]) != `"2.0"` {
		return request{}, failedResponse(req.id, rpcInvalid, `want "jsonrpc":"2.0"`)
	}
	if raw := members["method"]; len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &req.method) != nil {
		return request{}, failedResponse(req.id, rpcInvalid, "method is a string")
	}
	return req, nil
}

func isCallID(raw json.RawMessage) bool {
	first := raw[0]
	return len(raw) <= maxID && (first == '"' || first == '-' || first >= '0' && first <= '9' || string(raw) == "null")
}

func (s *Server) answerCall(ctx context.Context, req request) *response {
	method, known := s.calls[req.method]
	if !known {
		return failedResponse(req.id, rpcMethod, "no such method; /openapi.json lists the methods")
	}
	v, err := method(ctx, s, req.params)
	if err != nil {
		return s.failCall(ctx, req.id, err)
	}
	result, err := json.Marshal(v)
	if err != nil {
		return s.failCall(ctx, req.id, err)
	}
	return &response{Version: "2.0", ID: req.id, Result: result}
}

func (s *Server) failCall(ctx context.Context, id json.RawMessage, err error) *response {
	e := s.explainError(ctx, err)
	answer := failedResponse(id, cmp.Or(errorNumbers[e.Code], rpcRejected), e.Message)
	answer.Error.Data = &rpcErrorData{Code: e.Code}
	return answer
}
