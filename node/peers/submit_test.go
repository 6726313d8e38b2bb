package peers

import (
	"context"
	"errors"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/p2p"
	"github.com/remora-network/remora/node/trust/trusttest"
)

var errHangs = errors.New("no answer")

// takingTxs answers a request that passes transactions on, with a digest for each one: the hash of its bytes.
func takingTxs(t *testing.T, request []byte) []byte {
	t.Helper()
	var r ListAnswer
	if err := remora.Decode(request, MaxSubmitBytes, &r); err != nil {
		t.Fatal(err)
	}
	items := make([][]byte, len(r.Items))
	for i, tx := range r.Items {
		h := remora.SumBLAKE3(tx)
		items[i] = h[:]
	}
	return encodeItems(items)
}

// TestForwarderPassesEverythingOn has transactions that need several requests while only one validator answers.
func TestForwarderPassesEverythingOn(t *testing.T) {
	committee, _, _ := trusttest.Committee(t)
	answers := committee.Members[2].PeerID
	taken := 0
	c := NewClient(committee, func(_ context.Context, peer, protocol string, request []byte, _ int) ([]byte, error) {
		if protocol != ProtocolSubmit || peer != answers {
			return nil, errHangs
		}
		taken++
		return takingTxs(t, request), nil
	})
	txs := make([][]byte, 20)
	for i := range txs {
		txs[i] = append(make([]byte, 100_000), byte(i))
	}
	digests, err := c.Submit(t.Context(), txs)
	if err != nil || len(digests) != len(txs) || taken != 4 {
		t.Fatalf("%d digests in %d requests, %v", len(digests), taken, err)
	}
	for i := range txs {
		if digests[i] != remora.SumBLAKE3(txs[i]) {
			t.Errorf("digest %d is of another transaction", i)
		}
	}
}

// TestForwarderStopsAtARefusal asks nobody else once a validator refuses a transaction, and returns what was taken before.
func TestForwarderStopsAtARefusal(t *testing.T) {
	committee, _, _ := trusttest.Committee(t)
	asked := 0
	c := NewClient(committee, func(_ context.Context, _, _ string, request []byte, _ int) ([]byte, error) {
		if asked++; asked > 1 {
			return nil, &p2p.RemoteError{Code: p2p.CodeInvalid, Message: "nonce"}
		}
		return takingTxs(t, request), nil
	})
	txs := [][]byte{make([]byte, 600_000), make([]byte, 600_000)}
	digests, err := c.Submit(t.Context(), txs)
	var refused *p2p.RemoteError
	if len(digests) != 1 || !errors.As(err, &refused) || asked != 2 {
		t.Errorf("%d digests after %d requests, %v", len(digests), asked, err)
	}
}

// TestForwarderDistrustsAnswers has all validators answer with something else than a digest for each transaction.
func TestForwarderDistrustsAnswers(t *testing.T) {
	committee, _, _ := trusttest.Committee(t)
	for name, items := range map[string][][]byte{"none": nil, "short": {{1}}, "too many": {make([]byte, 32), make([]byte, 32)}} {
		c := NewClient(committee, func(context.Context, string, string, []byte, int) ([]byte, error) {
			return encodeItems(items), nil
		})
		if digests, err := c.Submit(t.Context(), [][]byte{{1}}); len(digests) != 0 || !errors.Is(err, remora.ErrInvalid) {
			t.Errorf("%s: %d digests, %v", name, len(digests), err)
		}
	}
}
