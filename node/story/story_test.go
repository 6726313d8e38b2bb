package story

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/client"
)

// serveNode returns a client of a node that executes a block with each look at its status.
func serveNode(t *testing.T, root remora.Hash) *client.Client {
	t.Helper()
	height := remora.Height(0)
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, doc any) {
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(doc); err != nil {
			t.Error(err)
		}
	}
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, _ *http.Request) {
		height++
		answer(w, client.Status{Height: height})
	})
	mux.HandleFunc("GET /v1/blocks/3", func(w http.ResponseWriter, _ *http.Request) {
		if height < 3 {
			t.Error("asked for block 3 before it was executed")
		}
		answer(w, client.Block{Height: 3, StateRoot: root})
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	node, err := client.New(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(node.Close)
	return node
}

func TestAwaitRoot(t *testing.T) {
	one, other := remora.Hash{1}, remora.Hash{2}
	same := []*client.Client{serveNode(t, one), serveNode(t, one)}
	if root, err := AwaitRoot(t.Context(), same, 3); err != nil || root != one {
		t.Errorf("two nodes with one root: %s, %v", root, err)
	}
	forked := []*client.Client{serveNode(t, one), serveNode(t, other)}
	if _, err := AwaitRoot(t.Context(), forked, 3); !errors.Is(err, ErrBroken) {
		t.Errorf("two nodes with different roots: %v, want ErrBroken", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := AwaitRoot(ended, same, 1000); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that has ended: %v", err)
	}
}
