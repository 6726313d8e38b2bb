package node

import (
	"log/slog"
	"maps"
	"slices"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/head"
	"github.com/remora-network/remora/node/p2p"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/state"
	"github.com/remora-network/remora/state/table"
)

// registryChain is a chain whose blocks only change nodes, with a directory that follows it.
type registryChain struct {
	*directory
	t     *testing.T
	store *store.Store
	told  map[string]p2p.Peer // what the host knows
	calls int
}

func newRegistryChain(t *testing.T) *registryChain {
	t.Helper()
	st, err := store.InMemory()
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Init(remora.Hash{1}, []table.Change{nodeRow(1, "a")}); err != nil {
		t.Fatal(err)
	}
	h := head.New(head.NewView(st, state.View{}, nil))
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	c := &registryChain{t: t, store: st, told: map[string]p2p.Peer{}}
	c.directory = &directory{
		head: h, log: slog.New(slog.DiscardHandler),
		register: func(owner string, p p2p.Peer) error {
			c.told[owner] = p
			c.calls++
			return nil
		},
		unregister: func(owner string) {
			delete(c.told, owner)
			c.calls++
		},
	}
	return c
}

func account(n byte) remora.Address { return remora.Address{n} }

// nodeRow sets the node of an account, and deletes it without a peer.
func nodeRow(n byte, peer string) table.Change {
	a := account(n)
	c := table.Change{Table: table.Nodes, Key: a[:]}
	if peer != "" {
		c.Value = remora.Encode(remora.Node{PeerID: peer, Addrs: []string{"/ip4/10.0.0.1/tcp/1", "/ip4/10.0.0.1/tcp/2/http"}})
	}
	return c
}

// addBlocks executes blocks and publishes the last one only.
func (c *registryChain) addBlocks(blocks ...[]table.Change) {
	c.t.Helper()
	for i, changes := range blocks {
		h := c.store.Height() + 1
		block := &remora.Block{Header: remora.BlockHeader{Height: h}, DAG: []*remora.Header{{Round: 1}}}
		if err := c.store.Commit(store.Commit{Block: block, Changes: changes}); err != nil {
			c.t.Fatal(err)
		}
		if i < len(blocks)-1 {
			continue
		}
		view := head.NewView(c.store, state.View{Tip: state.Tip{Height: h}, Changes: changes}, block)
		if err := c.head.Publish(view); err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c *registryChain) requirePeers(calls int, want ...string) {
	c.t.Helper()
	before := c.calls
	if err := c.update(); err != nil {
		c.t.Fatal(err)
	}
	var got []string
	for _, owner := range slices.Sorted(maps.Keys(c.told)) {
		got = append(got, c.told[owner].ID)
		if addrs := c.told[owner].Addrs; !slices.Equal(addrs, []string{"/ip4/10.0.0.1/tcp/1"}) {
			c.t.Errorf("addresses %q, want those of the network alone", addrs)
		}
	}
	if !slices.Equal(got, want) || c.calls-before != calls {
		c.t.Errorf("the host knows %q after %d calls, want %q after %d", got, c.calls-before, want, calls)
	}
}

// TestHostFollowsTheRegistry changes the registry block by block, and by many blocks of which the last one alone is seen.
func TestHostFollowsTheRegistry(t *testing.T) {
	c := newRegistryChain(t)
	c.requirePeers(1, "a")
	c.addBlocks([]table.Change{nodeRow(2, "b")})
	c.requirePeers(1, "a", "b")
	c.addBlocks([]table.Change{{Table: table.Chain, Key: []byte("x"), Value: []byte{1}}})
	c.requirePeers(0, "a", "b") // a block that changes no node costs nothing
	c.addBlocks([]table.Change{nodeRow(2, "c")})
	c.addBlocks([]table.Change{nodeRow(1, "")})
	c.requirePeers(2, "c")
	c.addBlocks([]table.Change{nodeRow(3, "d")}, []table.Change{nodeRow(2, "")}, []table.Change{nodeRow(4, "e")})
	c.requirePeers(3, "d", "e") // two are read, one is dropped
}
