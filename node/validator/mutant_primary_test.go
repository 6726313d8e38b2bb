package validator

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/keystore"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/mempool/mempooltest"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/head"
	"github.com/remora-network/remora/node/metrics"
	"github.com/remora-network/remora/node/p2p"
	"github.com/remora-network/remora/node/peers"
	"github.com/remora-network/remora/node/restore"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/node/store/crashfs"
	"github.com/remora-network/remora/state/statetest"
)

// TestNothingLeavesBeforeItIsDurable makes the write of a header fail: the node ends, and its peer never sees the header.
func TestNothingLeavesBeforeItIsDurable(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	sender, receiver := pair(ctx, t)
	memory, broken := store.NewMemory(nil), errors.New("broken")
	p := lonePrimary(t, memory, sender, receiver.ID())
	if err := p.rebuildCores(); err != nil {
		t.Fatal(err)
	}
	p.tickCore(time.Now())
	memory.Fail(broken)
	if err := p.carryOut(ctx); !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
	mark := []byte("sent after the failure")
	if !sender.Send(receiver.ID(), peers.ChannelDAG, mark) {
		t.Fatal("the peer is gone")
	}
	select {
	case m := <-receiver.Receive(peers.ChannelDAG):
		if !bytes.Equal(m.Payload, mark) {
			t.Errorf("%d bytes left that were not durable", len(m.Payload))
		}
	case <-ctx.Done():
		t.Fatal("nothing arrives")
	}
}

// lonePrimary returns the primary of validator 0, all of whose peers are the given one.
func lonePrimary(t *testing.T, memory *store.Memory, host *p2p.Host, peer string) *primary {
	t.Helper()
	st, err := store.Open("home", store.Options{FS: crashfs.New(1), Memory: memory})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	genesis := statetest.Genesis("dev-primary", 4)
	committee, err := genesis.Committee()
	if err != nil {
		t.Fatal(err)
	}
	reached := *committee
	reached.Members = slices.Clone(committee.Members)
	for i := range reached.Members {
		reached.Members[i].PeerID = peer
	}
	executor, err := exec.OpenWith(genesis, st, new(statetest.Verifier))
	if err != nil {
		t.Fatal(err)
	}
	newest := head.New(head.NewView(st, executor.View(), nil))
	t.Cleanup(func() {
		if err := newest.Close(); err != nil {
			t.Error(err)
		}
	})
	return &primary{
		head: newest, ports: ports{epoch: new(atomic.Uint64)},
		committee: &reached, store: st, host: host, log: slog.New(slog.DiscardHandler), signing: &Signing{save: func(keystore.Record) error { return nil }}, heard: peers.NewHeard(4), progress: new(Progress),
		rebuild: Rebuild{Cores: restore.Config{
			Genesis: genesis, Committee: committee, Self: remora.Authority(0), Signer: mempooltest.Signer{Committee: committee},
		}},
		counts: new(metrics.Counts), recent: remora.NewRecent[remora.Hash, mempool.BatchStored](recentBatches),
	}
}

// pair returns two connected hosts that end with the test.
func pair(ctx context.Context, t *testing.T) (a, b *p2p.Host) {
	t.Helper()
	var hosts [2]*p2p.Host
	var known []p2p.Peer
	for i := range hosts {
		host, err := p2p.New(p2p.Config{
			Key: [32]byte{byte(i + 1)}, Listen: []string{"/ip4/127.0.0.1/tcp/0"}, Namespace: "primary", Channels: peers.Channels(),
			Peers: append(known, absentPeers(t, i)...),
		})
		if err != nil {
			t.Fatal(err)
		}
		hosts[i], known = host, []p2p.Peer{{ID: host.ID(), Addrs: host.Addrs()}}
		running, stop := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- host.Run(running) }()
		t.Cleanup(func() {
			stop()
			if err := errors.Join(<-ended, host.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for len(hosts[0].Connected()) == 0 {
		select {
		case <-poll.C:
		case <-ctx.Done():
			t.Fatal("the hosts do not connect")
		}
	}
	return hosts[0], hosts[1]
}

// absentPeers lets the first host wait for the second, whose address it does not know yet.
func absentPeers(t *testing.T, host int) []p2p.Peer {
	t.Helper()
	if host > 0 {
		return nil
	}
	id, err := p2p.SeedPeerID([32]byte{2})
	if err != nil {
		t.Fatal(err)
	}
	return []p2p.Peer{{ID: id}}
}
