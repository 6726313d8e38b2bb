package main

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/fetch"
	"github.com/remora-network/remora/app/publish"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/devnet"
	"github.com/remora-network/remora/node/home"
	"github.com/remora-network/remora/node/wallet"
)

// A claim is settled once and in full, although nodes are killed at each of its steps.
func TestClaimsSurviveKills(t *testing.T) {
	if testing.Short() {
		t.Skip("starts real processes")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	t.Cleanup(cancel)
	n := &network{T: t, ctx: ctx}
	var err error
	n.net, err = devnet.Up(ctx, devnet.Spec{
		Home: filepath.Join(t.TempDir(), "net"), Validators: 4, Caches: 1, Gateways: 1, Epoch: 4 * time.Second,
	})
	n.must(err)
	t.Cleanup(func() { n.must(n.net.Down(context.Background())) })
	n.status, err = n.net.Status()
	n.must(err)
	n.genesis, err = home.ReadGenesis(n.status.Genesis)
	n.must(err)
	node, err := client.New(n.status.Nodes[0].RPC)
	n.must(err)
	t.Cleanup(node.Close)
	d := &deliveriesTest{network: n, node: node, dir: t.TempDir()}
	d.publish(3 << 20)

	cache, gateway := "cache-0", "gateway-0"
	for round, kill := range []struct {
		at    func(*client.Claim) bool // nil: before anything is claimed
		names []string
	}{
		{nil, []string{cache}},
		{func(*client.Claim) bool { return true }, []string{cache, "validator-1"}},
		{func(c *client.Claim) bool { return c.State >= remora.ClaimChallenged }, []string{cache, gateway}},
		{func(c *client.Claim) bool { return c.State >= remora.ClaimSettled }, []string{cache, "validator-2", gateway}},
	} {
		d.fetch(round)
		if kill.at != nil {
			d.await(func(claims []client.Claim) bool {
				for i := range claims {
					if !d.done[claims[i].Epoch] && kill.at(&claims[i]) {
						return true
					}
				}
				return false
			})
		}
		for _, name := range kill.names {
			n.must(n.net.Kill(ctx, name))
		}
		for _, name := range kill.names {
			n.must(n.net.Start(ctx, name))
		}
		d.settled()
	}
}

// deliveriesTest is a client that pays and watches the claims of a cache.
type deliveriesTest struct {
	*network
	node    *client.Client
	dir     string
	cid     string
	size    uint64
	fetched uint64
	done    map[remora.Epoch]bool // epochs whose claims are settled
}

func (d *deliveriesTest) publish(size uint64) {
	d.Helper()
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data)
	path := filepath.Join(d.dir, "film.bin")
	d.must(os.WriteFile(path, data, 0o600))
	r, err := publish.Publish(d.ctx, path, publish.Options{
		Chain: wallet.Wallet{Node: d.node, Key: d.account(0)}, Replicas: 1, Progress: func(string, ...any) {},
	})
	d.must(err)
	d.cid, d.size, d.done = r.CID, size, map[remora.Epoch]bool{}
}

func (d *deliveriesTest) fetch(round int) {
	d.Helper()
	key := d.account(1)
	out := filepath.Join(d.dir, "out"+string(rune('a'+round)))
	r, err := fetch.Fetch(d.ctx, fetch.Options{
		Gateway: d.status.Nodes[5].Gateway, CID: d.cid, Out: out, Key: key, Chain: wallet.Wallet{Node: d.node, Key: key}, Sessions: filepath.Join(d.dir, "sessions"),
	})
	d.must(err)
	if r.Receipts == 0 || r.Bytes != d.size {
		d.Fatalf("round %d: %+v", round, r)
	}
	d.fetched += r.Bytes
}

func (d *deliveriesTest) await(ready func([]client.Claim) bool) {
	d.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		claims, err := d.node.Claims(d.ctx, "cache-0")
		d.must(err)
		if ready(claims) {
			return
		}
		select {
		case <-ticker.C:
		case <-d.ctx.Done():
			d.Fatalf("claims after %d fetched bytes: %+v", d.fetched, claims)
		}
	}
}

// settled waits until the settled claims are worth exactly what was fetched.
func (d *deliveriesTest) settled() {
	d.Helper()
	d.await(func(claims []client.Claim) bool {
		sum := uint64(0)
		for _, c := range claims {
			switch {
			case c.State == remora.ClaimSettled && c.Paid > 0:
				sum += c.Bytes
				d.done[c.Epoch] = true
			case c.State > remora.ClaimSettled:
				d.Fatalf("a claim is %s: %+v", c.State, c)
			}
		}
		if sum > d.fetched {
			d.Fatalf("claims of %d bytes for %d fetched ones", sum, d.fetched)
		}
		return sum == d.fetched
	})
}
