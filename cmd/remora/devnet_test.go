package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/ed25519"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/devnet"
	"github.com/remora-network/remora/node/home"
	"github.com/remora-network/remora/node/replay"
	"github.com/remora-network/remora/node/story"
)

// network is a devnet of real processes for a test, with a client and a funded key for each validator.
type network struct {
	*testing.T
	ctx     context.Context
	net     *devnet.Devnet
	status  *devnet.Status
	genesis *remora.Genesis
	nodes   []*client.Client
	keys    []*ed25519.PrivateKey
}

func startNetwork(t *testing.T) *network {
	t.Helper()
	if testing.Short() {
		t.Skip("starts real processes")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	n := &network{T: t, ctx: ctx}
	n.up(filepath.Join(t.TempDir(), "net"))
	t.Cleanup(func() {
		if err := n.net.Down(context.Background()); err != nil {
			t.Error(err)
		}
	})
	var err error
	n.genesis, err = home.ReadGenesis(n.status.Genesis)
	n.must(err)
	for i := range n.status.Nodes {
		node, err := client.New(n.status.Nodes[i].RPC)
		n.must(err)
		t.Cleanup(node.Close)
		n.nodes, n.keys = append(n.nodes, node), append(n.keys, n.account(i))
	}
	return n
}

// account returns the key of one of the devnet's accounts.
func (n *network) account(i int) *ed25519.PrivateKey {
	n.Helper()
	key, err := home.OpenAccount(n.status.Accounts[i].Key)
	n.must(err)
	return key
}

func (n *network) must(err error) {
	n.Helper()
	if err != nil {
		n.Fatal(err)
	}
}

func (n *network) up(dir string) {
	n.Helper()
	var err error
	n.net, err = devnet.Up(n.ctx, devnet.Spec{Home: dir})
	n.must(err)
	n.status, err = n.net.Status()
	n.must(err)
}

// flood lets every account send through its own validator, without waiting, until the validators are gone or limit
// transfers of each were acknowledged. It returns what was acknowledged.
func (n *network) flood(limit int, acknowledged chan<- struct{}) []remora.Hash {
	lists := make([][]remora.Hash, len(n.nodes))
	var group errgroup.Group
	for i, node := range n.nodes {
		group.Go(func() error {
			for range limit {
				sent, err := node.Transfer(n.ctx, n.keys[i], n.keys[(i+1)%len(n.keys)].Public(), 1, false)
				if err != nil {
					return nil //nolint:nilerr // the validator was killed: what it did not acknowledge is not owed
				}
				lists[i] = append(lists[i], sent.Hash)
				acknowledged <- struct{}{}
			}
			return nil
		})
	}
	n.must(group.Wait())
	return slices.Concat(lists...)
}

// executed waits until all transactions are executed with success, by asking one validator.
func (n *network) executed(node int, hashes []remora.Hash) {
	n.Helper()
	for _, h := range hashes {
		tx, err := n.nodes[node].WaitTx(n.ctx, h, remora.Hash{})
		if err != nil || tx.Result != remora.CodeOK {
			n.Fatalf("acknowledged transaction %s: %+v, %v", h, tx, err)
		}
	}
}

// agreed waits until every validator has the newest height of the first, and compares their roots there.
func (n *network) agreed() {
	n.Helper()
	st, err := n.nodes[0].Status(n.ctx)
	n.must(err)
	_, err = story.AwaitRoot(n.ctx, n.nodes, st.Height)
	n.must(err)
}

// killWhenBusy floods the validators and ends some of them at once in the middle of it. It returns what was acknowledged.
func (n *network) killWhenBusy(names ...string) []remora.Hash {
	n.Helper()
	const limit = 30 // transfers of each account
	acknowledged := make(chan struct{}, limit*len(n.nodes))
	var group errgroup.Group
	group.Go(func() error {
		for range limit {
			select {
			case <-acknowledged:
			case <-n.ctx.Done():
				return n.ctx.Err()
			}
		}
		for _, name := range names {
			if err := n.net.Kill(n.ctx, name); err != nil {
				return err
			}
		}
		return nil
	})
	hashes := n.flood(limit, acknowledged)
	n.must(group.Wait())
	if len(hashes) < limit {
		n.Fatalf("%d transfers acknowledged, want at least %d", len(hashes), limit)
	}
	return hashes
}

// Nothing that was acknowledged is lost when one validator is killed in the middle of its work, and then all of them.
func TestAcknowledgedSurvivesKills(t *testing.T) {
	n := startNetwork(t)
	owed := n.killWhenBusy("validator-1")
	n.must(n.net.Start(n.ctx, "validator-1"))
	n.executed(0, owed)
	n.executed(1, owed)
	n.agreed()

	// What validator-1 took and did not acknowledge may still execute: its account's nonces are not for others to guess.
	n.keys[1] = n.account(len(n.nodes))
	more := n.killWhenBusy("validator-0", "validator-1", "validator-2", "validator-3")
	n.up(n.status.Home)
	for i := range n.nodes {
		n.executed(i, more)
	}
	n.agreed()

	st, err := n.nodes[3].Status(n.ctx)
	n.must(err)
	report, err := replay.Replay(n.ctx, n.genesis, replay.Remote{Client: n.nodes[3]}, st.Height)
	n.must(err)
	if owed = append(owed, more...); !report.Matches || report.Txs < len(owed) {
		t.Errorf("the replay %+v has fewer transactions than the %d acknowledged ones", report, len(owed))
	}
	b, err := n.nodes[0].Block(n.ctx, report.To)
	n.must(err)
	if b.StateRoot != report.StateRoot {
		t.Errorf("the replay gives state root %s at block %d, validator-0 has %s", report.StateRoot, report.To, b.StateRoot)
	}
}

// One node's fate does not touch the others, its ports stay its own, and a resumed devnet is the same chain.
func TestDevnetLifecycle(t *testing.T) {
	n := startNetwork(t)
	const name = "validator-3"
	n.must(n.net.Stop(n.ctx, name))
	n.must(n.net.Stop(n.ctx, name)) // it is stopped already
	stopped, err := n.net.Status()
	n.must(err)
	if stopped.Nodes[3].Running || stopped.Nodes[3].Pid != 0 || !stopped.Nodes[2].Running {
		t.Errorf("after stopping %s: %+v", name, stopped.Nodes)
	}
	if sent, err := n.nodes[0].Transfer(n.ctx, n.keys[0], n.keys[1].Public(), 5, true); err != nil || sent.Tx.Result != remora.CodeOK {
		t.Errorf("with three of four: %+v, %v", sent, err)
	}
	if _, err := os.Stat(filepath.Join(stopped.Nodes[3].Home, "api.json")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a stopped node left its address behind: %v", err)
	}
	n.must(n.net.Start(n.ctx, name))
	started, err := n.net.Status()
	n.must(err)
	if started.Nodes[3].RPC != n.status.Nodes[3].RPC || !started.Nodes[3].Running || started.Nodes[0].Pid != n.status.Nodes[0].Pid {
		t.Errorf("after starting %s: %+v, at first %+v", name, started.Nodes, n.status.Nodes)
	}
	if err := n.net.Start(n.ctx, "validator-9"); !errors.Is(err, devnet.ErrUnknownNode) {
		t.Errorf("a node that is not there: %v", err)
	}
	for _, s := range []devnet.Spec{{Validators: 3}, {PortBase: 1000}} {
		s.Home = n.status.Home
		if _, err := devnet.Up(n.ctx, s); !errors.Is(err, devnet.ErrUsage) {
			t.Errorf("resume as %+v: %v", s, err)
		}
	}
	before, err := n.nodes[0].Status(n.ctx)
	n.must(err)
	n.must(n.net.Down(n.ctx))
	n.up(n.status.Home)
	after, err := n.nodes[0].Status(n.ctx)
	n.must(err)
	if after.ChainID != before.ChainID || after.Height < before.Height {
		t.Errorf("resumed as %s at block %d, was %s at block %d", after.ChainID, after.Height, before.ChainID, before.Height)
	}
}

// A devnet with a time limit ends, including restarted nodes.
func TestDevnetEndsByItself(t *testing.T) {
	if testing.Short() {
		t.Skip("starts real processes")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	net, err := devnet.Up(ctx, devnet.Spec{Home: t.TempDir(), Validators: 1, For: 3 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := net.Down(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	if err := errors.Join(net.Kill(ctx, "validator-0"), net.Start(ctx, "validator-0")); err != nil {
		t.Fatal(err)
	}
	status, err := net.Status()
	if err != nil {
		t.Fatal(err)
	}
	awaitEnd(ctx, t, status.Nodes[0].Home)
	if err := net.Start(ctx, "validator-0"); !errors.Is(err, devnet.ErrUsage) {
		t.Errorf("started after the end: %v", err)
	}
}

// awaitEnd waits until no process holds a home's lock.
func awaitEnd(ctx context.Context, t *testing.T, dir string) {
	t.Helper()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		_, held, err := home.Holds(filepath.Join(dir, "lock"))
		if err != nil {
			t.Fatal(err)
		}
		if !held {
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatal("it runs on")
		}
	}
}
