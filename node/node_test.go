package node_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/bls"
	"github.com/remora-network/remora/crypto/ed25519"
	"github.com/remora-network/remora/node"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/home"
	"github.com/remora-network/remora/node/p2p"
	"github.com/remora-network/remora/node/p2p/p2ptest"
)

// fleet is a chain of validators in this process: real disks, sockets and signatures.
type fleet struct {
	t       *testing.T
	genesis *remora.Genesis
	configs []node.Config
	stops   []func() error
}

func seed(kind string, i int) []byte {
	h := remora.SumBLAKE3(fmt.Appendf(nil, "%s %d", kind, i))
	return h[:]
}

func account(t *testing.T, i int) *ed25519.PrivateKey {
	t.Helper()
	key, err := ed25519.NewKeyFromSeed(seed("account", i))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newFleet(t *testing.T, n int) *fleet {
	t.Helper()
	f := &fleet{t: t, genesis: &remora.Genesis{
		ChainID: "dev-test", Time: remora.Millis(time.Now().UnixMilli()),
		Params: remora.Params{Rule: "bullshark", BlockWeight: remora.DefaultBlockWeight, QueueBytes: remora.DefaultQueueBytes, GCDepth: 50, EpochMillis: 2000, MinFee: 10, WeightPrice: 17},
	}}
	for i := range n {
		f.add(i)
	}
	for i := range 8 {
		f.genesis.Accounts = append(f.genesis.Accounts, remora.GenesisAccount{Address: account(t, i).Public(), Balance: 1_000_000_000})
	}
	f.stops = make([]func() error, n)
	t.Cleanup(func() {
		for i := range f.stops {
			f.stop(i)
		}
	})
	return f
}

// member makes the keys of a node and its record.
func member(t *testing.T, i int, name string, roles remora.Roles, listen string) (*home.Signers, remora.Node) {
	t.Helper()
	consensus, err := bls.DeriveKey(seed("consensus", i))
	if err != nil {
		t.Fatal(err)
	}
	beacon, err := bls.DeriveKey(seed("beacon", i))
	if err != nil {
		t.Fatal(err)
	}
	header, err := ed25519.NewKeyFromSeed(seed("header", i))
	if err != nil {
		t.Fatal(err)
	}
	network := [32]byte(seed("network", i))
	id, err := p2p.SeedPeerID(network)
	if err != nil {
		t.Fatal(err)
	}
	keys := &home.Signers{Account: account(t, i), Consensus: consensus, Beacon: beacon, Header: header, Network: network}
	return keys, remora.Node{
		Name: name, Roles: roles,
		Consensus: consensus.Public(), Possession: consensus.ProvePossession(),
		Beacon: beacon.Public(), BeaconPoP: beacon.ProvePossession(),
		Header: header.Public(), PeerID: id, Addrs: []string{listen},
	}
}

func (f *fleet) add(i int) {
	f.t.Helper()
	listen := p2ptest.Multiaddr(f.t)
	keys, record := member(f.t, i, fmt.Sprintf("validator-%d", i), remora.RoleValidator, listen)
	owner, err := ed25519.NewKeyFromSeed(seed("owner", i))
	if err != nil {
		f.t.Fatal(err)
	}
	dir := filepath.Join(f.t.TempDir(), "data")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		f.t.Fatal(err)
	}
	f.genesis.Validators = append(f.genesis.Validators, remora.GenesisValidator{Account: owner.Public(), Stake: 100, Node: record})
	level := slog.LevelWarn
	if os.Getenv("REMORA_TEST_LOG") != "" {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})).With(slog.Int("node", i))
	f.configs = append(f.configs, node.Config{
		Genesis: f.genesis, DataDir: dir, Listen: []string{listen}, RPC: p2ptest.HostPort(f.t),
		Keys:   keys,
		Logger: log,
	})
}

func (f *fleet) start(i int) {
	f.t.Helper()
	n, err := node.New(f.configs[i])
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	f.stops[i] = func() error {
		cancel()
		if err := <-done; err != nil {
			return err
		}
		return n.Close()
	}
}

func (f *fleet) stop(i int) {
	f.t.Helper()
	if f.stops[i] == nil {
		return
	}
	if err := f.stops[i](); err != nil {
		f.t.Errorf("validator %d: %v", i, err)
	}
	f.stops[i] = nil
}

func (f *fleet) client(i int) *client.Client {
	f.t.Helper()
	c, err := client.New("http://" + f.configs[i].RPC)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(c.Close)
	return c
}

func TestFourValidatorsExecuteTransfers(t *testing.T) {
	f := newFleet(t, 4)
	for i := range f.configs {
		f.start(i)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	began := time.Now()
	for i := range 4 {
		to := account(t, (i+1)%4).Public()
		sent, err := f.client(i).Transfer(ctx, account(t, i), to, 5, true)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("transfer %d: %+v after %s", i, sent, time.Since(began))
	}
	status, err := f.client(0).Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", status)
}

// agree waits until validators have executed a height and compares the block there.
func (f *fleet) agree(ctx context.Context, height remora.Height, members ...int) {
	f.t.Helper()
	var first *client.Block
	for _, i := range members {
		c := f.client(i)
		for {
			s, err := c.Status(ctx)
			if err != nil {
				f.t.Fatalf("validator %d: %v", i, err)
			}
			if s.Height >= height {
				break
			}
			for _, err := range c.Events(ctx, s.Height+1) {
				if err != nil {
					f.t.Fatalf("validator %d: %v", i, err)
				}
				break
			}
		}
		b, err := c.Block(ctx, height)
		if err != nil {
			f.t.Fatal(err)
		}
		if first == nil {
			first = b
		}
		if b.Hash != first.Hash {
			f.t.Errorf("block %d is %s at validator %d, %s at validator %d", height, b.Hash, i, first.Hash, members[0])
		}
	}
}

func TestOneStopsAndComesBack(t *testing.T) {
	f := newFleet(t, 4)
	for i := range f.configs {
		f.start(i)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	transfer := func(via, from int) remora.Height {
		t.Helper()
		sent, err := f.client(via).Transfer(ctx, account(t, from), account(t, 3).Public(), 5, true)
		if err != nil {
			t.Fatal(err)
		}
		return sent.Tx.Height
	}
	transfer(0, 0)
	f.stop(3)
	for range 5 {
		transfer(0, 1)
	}
	f.start(3)
	height := transfer(1, 0)
	f.agree(ctx, height, 0, 1, 2, 3)
	for i := range f.configs {
		f.stop(i)
	}
	for i := range f.configs {
		f.start(i)
	}
	height = transfer(3, 0)
	f.agree(ctx, height, 0, 1, 2, 3)
}

// TestFarBehindSyncsBlocks keeps one validator down for longer than the DAG's window.
func TestFarBehindSyncsBlocks(t *testing.T) {
	f := newFleet(t, 4)
	f.genesis.Params.GCDepth = 6
	for i := range 3 {
		f.start(i)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	var height remora.Height
	for range 30 {
		sent, err := f.client(0).Transfer(ctx, account(t, 0), account(t, 1).Public(), 5, true)
		if err != nil {
			t.Fatal(err)
		}
		height = sent.Tx.Height
	}
	f.start(3)
	f.agree(ctx, height, 0, 3)
	sent, err := f.client(3).Transfer(ctx, account(t, 2), account(t, 1).Public(), 5, true)
	if err != nil {
		t.Fatal(err)
	}
	f.agree(ctx, sent.Tx.Height, 0, 1, 2, 3)
}

// TestFollowerExecutesAndForwards runs a node outside the committee: it executes what the validators certified, and
// transactions that reach it reach them.
func TestFollowerExecutesAndForwards(t *testing.T) {
	f := newFleet(t, 4)
	for i := range f.configs {
		f.start(i)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	sent, err := f.client(0).Transfer(ctx, account(t, 0), account(t, 1).Public(), 5, true)
	if err != nil {
		t.Fatal(err)
	}
	c := f.configs[0]
	dir := t.TempDir()
	c.DataDir, c.ContentDir = filepath.Join(dir, "data"), filepath.Join(dir, "content")
	if err := errors.Join(os.MkdirAll(c.DataDir, 0o700), os.MkdirAll(c.ContentDir, 0o700)); err != nil {
		t.Fatal(err)
	}
	c.Listen = []string{p2ptest.Multiaddr(t)}
	c.Name, c.Roles = "cache-0", remora.RoleCache
	c.Keys, c.Record = member(t, 7, c.Name, c.Roles, c.Listen[0])
	c.RPC = p2ptest.HostPort(t)
	f.configs, f.stops = append(f.configs, c), append(f.stops, nil)
	f.start(4)
	f.agree(ctx, sent.Tx.Height, 0, 4)
	sent, err = f.client(4).Transfer(ctx, account(t, 2), account(t, 1).Public(), 7, true)
	if err != nil {
		t.Fatal(err)
	}
	f.agree(ctx, sent.Tx.Height, 0, 1, 2, 3, 4)
	f.stop(4)
	if _, err := f.client(1).Transfer(ctx, account(t, 3), account(t, 1).Public(), 7, true); err != nil {
		t.Fatal(err)
	}
	f.start(4)
	sent, err = f.client(4).Transfer(ctx, account(t, 2), account(t, 1).Public(), 7, true)
	if err != nil {
		t.Fatal(err)
	}
	f.agree(ctx, sent.Tx.Height, 0, 4)
}
