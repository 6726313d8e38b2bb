package rpc

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/remora-network/remora"
)

func (s *Server) restStatus(*http.Request) (any, error) { return s.status() }

func (s *Server) restGenesis(*http.Request) (any, error) { return s.genesis, nil }

func (s *Server) restBlock(r *http.Request) (any, error) {
	h, err := parseHeight(r.PathValue("height"))
	if err != nil {
		return nil, err
	}
	return s.block(h)
}

func (s *Server) restBlockProof(r *http.Request) (any, error) {
	h, err := parseHeight(r.PathValue("height"))
	if err != nil {
		return nil, err
	}
	wait, err := parseWait(r)
	if err != nil {
		return nil, err
	}
	return s.blockProof(r.Context(), h, wait)
}

func (s *Server) restAccount(r *http.Request) (any, error) {
	address, err := parseAddress(r.PathValue("address"))
	if err != nil {
		return nil, err
	}
	switch prove := r.FormValue("prove"); prove {
	case "", "0", "false":
		return s.account(address)
	case "1", "true":
		return s.accountProof(r.Context(), address)
	default:
		return nil, badRequest("prove %.20q, want 1 or 0", prove)
	}
}

func (s *Server) restNonce(r *http.Request) (any, error) {
	address, err := parseAddress(r.PathValue("address"))
	if err != nil {
		return nil, err
	}
	return s.nonce(address)
}

func (s *Server) restTx(r *http.Request) (any, error) {
	hash, err := remora.ParseHash(r.PathValue("hash"))
	if err != nil {
		return nil, badRequest("%v", err)
	}
	var batch remora.Hash
	if text := r.FormValue("batch"); text != "" {
		if batch, err = remora.ParseHash(text); err != nil {
			return nil, badRequest("batch: %v", err)
		}
	}
	wait, err := parseWait(r)
	if err != nil {
		return nil, err
	}
	return s.awaitTx(r.Context(), hash, batch, wait)
}

func (s *Server) restNodes(r *http.Request) (any, error) {
	limit := defaultPage
	if text := r.FormValue("limit"); text != "" {
		var err error
		if limit, err = strconv.Atoi(text); err != nil {
			return nil, badRequest("limit %.20q, want 1 to %d", text, maxPage)
		}
	}
	var after *remora.Address
	if text := r.FormValue("after"); text != "" {
		address, err := parseAddress(text)
		if err != nil {
			return nil, err
		}
		after = &address
	}
	return s.nodes(after, limit)
}

func (s *Server) restNode(r *http.Request) (any, error) { return s.node(r.PathValue("name")) }

func parseHeight(text string) (remora.Height, error) {
	h, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, badRequest("height %.24q is not a decimal number", text)
	}
	return remora.Height(h), nil
}

func parseAddress(text string) (remora.Address, error) {
	a, err := remora.ParseAddress(text)
	if err != nil {
		return a, badRequest("%v", err)
	}
	return a, nil
}

func parseWait(r *http.Request) (time.Duration, error) { return waitOf(r.URL.Query()) }

// waitOf reads the milliseconds that a request asks to be held at most.
func waitOf(q url.Values) (time.Duration, error) {
	text := q.Get("wait")
	if text == "" {
		return 0, nil
	}
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, badRequest("wait %.24q is not a number of milliseconds", text)
	}
	return checkWait(ms)
}

func checkWait(ms int64) (time.Duration, error) {
	if ms < 0 || ms > maxWait.Milliseconds() {
		return 0, badRequest("wait of %d ms, want 0 to %d", ms, maxWait.Milliseconds())
	}
	return time.Duration(ms) * time.Millisecond, nil
}
