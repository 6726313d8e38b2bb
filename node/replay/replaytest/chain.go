// Package replaytest makes real chains for tests: a genesis of validators with real keys, blocks executed by the real
// executor into a store, certificates signed by a quorum.
package replaytest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/bls"
	"github.com/remora-network/remora/crypto/ed25519"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/head"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/node/trust"
)

// Constants of the chains of this package.
const (
	Validators               = 4
	Accounts                 = 4
	StartTime  remora.Millis = 1_700_000_000_000
	Step       remora.Millis = 50 // of block time between blocks
	Balance    remora.Amount = 1_000_000_000
	Stake      remora.Amount = 100
	// Patience is longer than anything that a test waits for takes.
	Patience = 20 * time.Second
)

// Keys are the secrets of a chain's members, in the order of the genesis, and of its funded accounts.
type Keys struct {
	Consensus []*bls.SecretKey
	Accounts  []*ed25519.PrivateKey
}

// Genesis returns a chain of four validators and as many funded accounts. Chains of different ids share no key.
func Genesis(tb testing.TB, chainID string) (*remora.Genesis, *Keys) {
	tb.Helper()
	g := &remora.Genesis{
		ChainID: chainID, Time: StartTime,
		Params: remora.Params{Rule: "bullshark", BlockWeight: remora.DefaultBlockWeight, QueueBytes: remora.DefaultQueueBytes, GCDepth: 50, EpochMillis: 1_000, MinFee: 10, WeightPrice: 17},
	}
	keys := new(Keys)
	for i := range Validators {
		name := fmt.Sprintf("validator-%d", i)
		consensus, beacon := deriveKey(tb, chainID+name+"consensus", bls.DeriveKey), deriveKey(tb, chainID+name+"beacon", bls.DeriveKey)
		g.Validators = append(g.Validators, remora.GenesisValidator{
			Account: Account(tb, chainID+name).Public(), Stake: Stake,
			Node: remora.Node{
				Name: name, Roles: remora.RoleValidator,
				Consensus: consensus.Public(), Possession: consensus.ProvePossession(),
				Beacon: beacon.Public(), BeaconPoP: beacon.ProvePossession(),
				Header: Account(tb, chainID+name+"header").Public(),
				PeerID: fmt.Sprintf("peer%d", i+1), Addrs: []string{"/ip4/127.0.0.1/tcp/4001"},
			},
		})
		keys.Consensus = append(keys.Consensus, consensus)
	}
	for i := range Accounts {
		key := Account(tb, fmt.Sprintf("%s account %d", chainID, i))
		g.Accounts = append(g.Accounts, remora.GenesisAccount{Address: key.Public(), Balance: Balance})
		keys.Accounts = append(keys.Accounts, key)
	}
	return g, keys
}

// Account returns the key that is derived from a name.
func Account(tb testing.TB, name string) *ed25519.PrivateKey {
	tb.Helper()
	return deriveKey(tb, name, ed25519.NewKeyFromSeed)
}

func deriveKey[Key any](tb testing.TB, name string, fromSeed func([]byte) (Key, error)) Key {
	tb.Helper()
	seed := remora.SumBLAKE3([]byte(name))
	key, err := fromSeed(seed[:])
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

// Chain executes blocks into a store.
type Chain struct {
	Genesis  *remora.Genesis
	Keys     *Keys
	Store    *store.Store
	Head     *head.Head
	Executor *exec.Executor
	Dir      string // of the store

	tb        testing.TB
	committee *trust.Committee
	round     remora.Round
	seq       uint64
}

// New returns a chain at height 0. Its store is closed at the end of the test.
func New(tb testing.TB, chainID string) *Chain {
	tb.Helper()
	g, keys := Genesis(tb, chainID)
	members, err := g.Committee()
	if err != nil {
		tb.Fatal(err)
	}
	committee, err := trust.New(members)
	if err != nil {
		tb.Fatal(err)
	}
	c := &Chain{Genesis: g, Keys: keys, tb: tb, committee: committee, Dir: tb.TempDir()}
	if c.Store, err = store.Open(c.Dir, store.Options{}); err != nil {
		tb.Fatal(err)
	}
	if c.Executor, err = exec.Open(g, c.Store); err != nil {
		tb.Fatal(errors.Join(err, c.Store.Close()))
	}
	c.Head = head.New(head.NewView(c.Store, c.Executor.View(), nil))
	tb.Cleanup(func() {
		if err := errors.Join(c.Head.Close(), c.Store.Close()); err != nil {
			tb.Error(err)
		}
	})
	return c
}

// Batch seals transactions into a stored batch of the present epoch by validator 0.
func (c *Chain) Batch(txs ...[]byte) remora.Batch {
	c.tb.Helper()
	var b remora.BatchBuilder
	for _, tx := range txs {
		b.Add(tx)
	}
	c.seq++
	epoch := remora.Epoch((c.Executor.View().Tip.Time-StartTime)/c.Genesis.Params.EpochMillis) + 1
	batch := b.Seal(1, epoch, 0, 0, c.seq)
	c.failOn(c.Store.AppendBatches([]remora.Batch{batch}))
	return batch
}

// failOn ends the test on an error.
func (c *Chain) failOn(err error) {
	c.tb.Helper()
	if err != nil {
		c.tb.Fatal(err)
	}
}

// Block executes a block with one batch of the given transactions, or without a batch if there are none.
func (c *Chain) Block(txs ...[]byte) *remora.Block {
	c.tb.Helper()
	if len(txs) == 0 {
		return c.Execute()
	}
	return c.Execute(c.Batch(txs...))
}

// Execute executes a block with the given stored batches and publishes it.
func (c *Chain) Execute(batches ...remora.Batch) *remora.Block {
	c.tb.Helper()
	block, err := c.Executor.Execute(c.SubDAG(batches...), batches, nil)
	c.failOn(err)
	c.failOn(c.Head.Publish(head.NewView(c.Store, c.Executor.View(), block)))
	return block
}

// SubDAG returns the sub-DAG of a next leader whose header lists the batches.
func (c *Chain) SubDAG(batches ...remora.Batch) remora.SubDAG {
	c.round += 2
	tip := c.Executor.View().Tip
	h := &remora.Header{Term: 1, Author: 0, Round: c.round, CreatedAt: tip.Time + Step}
	for _, b := range batches {
		h.Payload = append(h.Payload, b.Ref())
	}
	h.Seal(c.Genesis.Domain())
	return remora.SubDAG{Headers: []*remora.Header{h}, Previous: tip.SubDAG}
}

// Certify stores the certificate of a block by a quorum and announces it.
func (c *Chain) Certify(h remora.Height) *remora.BlockCertificate {
	c.tb.Helper()
	block, err := c.Store.Block(h)
	c.failOn(err)
	certificate := c.Sign(&block.Header, 0, 1, 2)
	c.failOn(c.Store.PutBlockCertificate(certificate))
	c.failOn(c.Head.Certify(h))
	return certificate
}

// Sign returns the aggregate of members over a block header.
func (c *Chain) Sign(h *remora.BlockHeader, by ...remora.Authority) *remora.BlockCertificate {
	c.tb.Helper()
	hash := h.Hash()
	message := remora.BlockMessage(c.Genesis.Domain(), h.Height, hash)
	sigs := make([]remora.BLSSignature, len(by))
	for i, a := range by {
		sigs[i] = c.secretOf(a).Sign(message[:])
	}
	sig, signers, bad := c.committee.Aggregate(message, by, sigs)
	if len(bad) > 0 {
		c.tb.Fatalf("members %v signed wrongly", bad)
	}
	return &remora.BlockCertificate{Height: h.Height, Hash: hash, Signers: signers, Signature: sig}
}

// secretOf returns a member's key. The committee orders members otherwise than Keys.
func (c *Chain) secretOf(a remora.Authority) *bls.SecretKey {
	for _, k := range c.Keys.Consensus {
		if k.Public() == c.committee.Members[a].Consensus {
			return k
		}
	}
	c.tb.Fatalf("no key for member %d", a)
	return nil
}

// Transfer returns a signed transfer between funded accounts with an ample fee.
func (c *Chain) Transfer(from, to int, nonce uint64, amount remora.Amount) []byte {
	key := c.Keys.Accounts[from]
	tx := remora.Tx{
		Kind: remora.KindTransfer, ChainID: c.Genesis.ChainID, From: key.Public(), Nonce: nonce, Fee: 5_000, ValidUntil: 1 << 20,
		Body: remora.Encode(remora.Transfer{To: c.Keys.Accounts[to].Public(), Amount: amount}),
	}
	message := tx.Message(c.Genesis.Domain())
	tx.Signature = key.Sign(message[:])
	return remora.Encode(&tx)
}
