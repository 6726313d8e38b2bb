package rpc_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/light"
	"github.com/remora-network/remora/node/replay/replaytest"
)

// The client against the server: whatever the API promises, over a real connection.

func TestStatus(t *testing.T) {
	f := serve(t, "dev-status")
	got, err := f.Client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	view := f.Executor.View()
	want := &client.Status{
		ChainID: "dev-status", Genesis: f.Genesis.Hash(), Node: "validator-0", Roles: "validator", Version: "test",
		Hash: f.Genesis.Hash(), Time: replaytest.StartTime, Epoch: 1, Term: 1, Round: 9,
		StateRoot: view.Tree.Root(), CommitteeSize: 4, Peers: 3, Synced: true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("at genesis (-want +got):\n%s", diff)
	}
	block := f.Block(remora.EncodeOpaque([]byte("x")))
	f.Block()
	f.Certify(1)
	if got, err = f.Client.Status(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got.Height != 2 || got.CertifiedHeight != 1 || got.StateRoot != f.Executor.View().Tree.Root() {
		t.Errorf("height %d, certified %d, root %s", got.Height, got.CertifiedHeight, got.StateRoot)
	}
	if block.Header.Height != 1 {
		t.Errorf("first block has height %d", block.Header.Height)
	}
}

func TestBlock(t *testing.T) {
	f := serve(t, "dev-block")
	made := f.Block(remora.EncodeOpaque([]byte("x")), f.Transfer(0, 1, 0, 5), f.Transfer(0, 1, 0, 6))
	got, err := f.Client.Block(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if got.Certificate != nil || got.Txs != 3 || got.Hash != made.Header.Hash() || got.StateRoot != made.Header.StateRoot {
		t.Errorf("got %+v", got)
	}
	if diff := cmp.Diff(map[string]int{"ok": 2, "TX_NONCE_USED": 1}, got.Results); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	f.Certify(1)
	if got, err = f.Client.Block(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if c := got.Certificate; c == nil || len(c.Signers) != 3 || c.Stake != 300 || c.Quorum != 267 {
		t.Errorf("certificate %+v", got.Certificate)
	}
	for _, h := range []remora.Height{0, 2, 1 << 63} {
		if _, err := f.Client.Block(t.Context(), h); !errors.Is(err, remora.ErrNotFound) {
			t.Errorf("block %d: %v, want ErrNotFound", h, err)
		}
	}
}

func TestTransfer(t *testing.T) {
	f := serve(t, "dev-transfer")
	f.with(func(f *fixture) { f.blocks = true })
	to := f.Keys.Accounts[1].Public()
	for range 3 {
		sent, err := f.Client.Transfer(t.Context(), f.Keys.Accounts[0], to, 7, true)
		if err != nil {
			t.Fatal(err)
		}
		if sent.Tx.Result != remora.CodeOK || sent.Tx.Hash != sent.Hash {
			t.Errorf("got %+v", sent.Tx)
		}
	}
	receiver, err := f.Client.Account(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	sender, err := f.Client.Account(t.Context(), f.Keys.Accounts[0].Public())
	if err != nil {
		t.Fatal(err)
	}
	if receiver.Balance != replaytest.Balance+21 || sender.Nonce != 3 {
		t.Errorf("receiver holds %s, sender's nonce is %d", receiver.Balance, sender.Nonce)
	}
}

// TestTransferOthersNonce has a transaction that came in elsewhere take the nonce between submission and execution.
func TestTransferOthersNonce(t *testing.T) {
	f := serve(t, "dev-stale")
	f.with(func(f *fixture) { f.blocks, f.rival = true, f.Transfer(0, 2, 0, 1) })
	sent, err := f.Client.Transfer(t.Context(), f.Keys.Accounts[0], f.Keys.Accounts[1].Public(), 7, true)
	if err != nil {
		t.Fatal(err)
	}
	if sent.Tx.Result != remora.CodeOK || sent.Tx.Height != 3 {
		t.Errorf("executed in block %d: %s", sent.Tx.Height, sent.Tx.Result)
	}
	account, err := f.Client.Account(t.Context(), f.Keys.Accounts[0].Public())
	if err != nil {
		t.Fatal(err)
	}
	if account.Nonce != 2 {
		t.Errorf("nonce %d after two transfers", account.Nonce)
	}
}

func TestTransferRefused(t *testing.T) {
	f := serve(t, "dev-refused")
	to := f.Keys.Accounts[1].Public()
	_, err := f.Client.Transfer(t.Context(), f.Keys.Accounts[0], to, 0, false)
	if code := client.CodeOf(err); code != "TX_INVALID_AMOUNT" {
		t.Errorf("amount 0: code %q of %v", code, err)
	}
	_, err = f.Client.Transfer(t.Context(), f.Keys.Accounts[0], to, replaytest.Balance, false)
	if code := client.CodeOf(err); code != "TX_INSUFFICIENT_BALANCE" {
		t.Errorf("all and the fee: code %q of %v", code, err)
	}
	_, err = f.Client.Transfer(t.Context(), replaytest.Account(t, "nobody"), to, 1, false)
	if code := client.CodeOf(err); code != "TX_UNKNOWN_ACCOUNT" {
		t.Errorf("unknown sender: code %q of %v", code, err)
	}
}

func TestNoncesAreSetAside(t *testing.T) {
	f := serve(t, "dev-nonces")
	address := f.Keys.Accounts[0].Public()
	for want := range uint64(64) {
		got, err := f.Client.Nonce(t.Context(), address)
		if err != nil || got.Nonce != want || got.Epoch != 1 {
			t.Fatalf("nonce %+v, %v; want %d of epoch 1", got, err, want)
		}
	}
	for range 200 { // a stranger's
		if _, err := f.Client.Nonce(t.Context(), address); err != nil {
			t.Fatal(err)
		}
	}
	f.with(func(f *fixture) { f.blocks = true })
	if _, err := f.Client.Transfer(t.Context(), f.Keys.Accounts[0], f.Keys.Accounts[1].Public(), 5, true); err != nil {
		t.Errorf("the owner, with every nonce reserved: %v", err)
	}
}

// TestWaitThatEnds waits for a transfer that no block executes: the answer has no place in a block and no result.
func TestWaitThatEnds(t *testing.T) {
	f := serve(t, "dev-ends")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	sent, err := f.Client.Transfer(ctx, f.Keys.Accounts[0], f.Keys.Accounts[1].Public(), 5, true)
	if err == nil || sent != nil && sent.Tx != nil {
		t.Errorf("got %+v, %v", sent, err)
	}
}

func TestSendTxs(t *testing.T) {
	f := serve(t, "dev-send")
	opaque := remora.EncodeOpaque([]byte("payload"))
	txs := [][]byte{opaque, {}, f.Transfer(0, 1, 0, 1), []byte("junk"), make([]byte, remora.MaxTxBytes+1), f.Transfer(0, 1, 99, 1)}
	got, err := f.Client.SendTxs(t.Context(), txs)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{0, -1, 0, -1, -1, -1}, got.Tx); diff != "" || len(got.Batches) != 1 {
		t.Errorf("places (-want +got):\n%s%d batches", diff, len(got.Batches))
	}
	var codes []string
	for _, r := range got.Rejected {
		codes = append(codes, r.Code)
	}
	if diff := cmp.Diff([]string{"TX_MALFORMED", "TX_MALFORMED", "TX_TOO_LARGE", "TX_NONCE_TOO_FAR"}, codes); diff != "" {
		t.Errorf("codes (-want +got):\n%s", diff)
	}
	owed, _, err := f.Store.Unexecuted(0)
	if err != nil || len(owed) != 1 || owed[0].Count != 2 || owed[0].Digest != got.Batches[0] {
		t.Fatalf("stored %v, %v", owed, err)
	}
	f.Execute(owed[0])
	tx, err := f.Client.Tx(t.Context(), remora.TxHash(txs[2]), remora.Hash{})
	if err != nil || tx.Height != 1 || tx.Position != 1 || tx.Result != remora.CodeOK {
		t.Errorf("signed: %+v, %v", tx, err)
	}
	if _, err := f.Client.Tx(t.Context(), remora.TxHash(opaque), remora.Hash{}); !errors.Is(err, remora.ErrNotFound) {
		t.Errorf("opaque without its batch: %v", err)
	}
	tx, err = f.Client.WaitTx(t.Context(), remora.TxHash(opaque), got.Batches[0])
	if err != nil || tx.Height != 1 || tx.Position != 0 {
		t.Errorf("opaque: %+v, %v", tx, err)
	}
}

func TestSendTxsBusy(t *testing.T) {
	f := serve(t, "dev-busy")
	txs := [][]byte{remora.EncodeOpaque([]byte("a")), []byte("junk"), remora.EncodeOpaque([]byte("b")), remora.EncodeOpaque([]byte("c"))}
	f.with(func(f *fixture) { f.room = 2 })
	got, err := f.Client.SendTxs(t.Context(), txs)
	if err != nil {
		t.Fatal(err)
	}
	want := []client.Rejected{
		{Index: 1, Code: "TX_MALFORMED", Message: got.Rejected[0].Message},
		{Index: 3, Code: "SERVER_BUSY", Message: got.Rejected[1].Message},
	}
	if diff := cmp.Diff(want, got.Rejected); diff != "" {
		t.Errorf("rejected (-want +got):\n%s", diff)
	}
	if err := got.Rejected[1].Err(); !errors.Is(err, client.ErrBusy) {
		t.Errorf("the one without room: %v, want ErrBusy", err)
	}
	f.with(func(f *fixture) { f.room = 0 })
	_, err = f.Client.SendTxs(t.Context(), txs)
	var answer *client.Error
	if !errors.Is(err, client.ErrBusy) || !errors.As(err, &answer) || answer.Status != 429 || answer.RetryAfter == 0 {
		t.Errorf("no room: %v (%+v)", err, answer)
	}
	many := make([][]byte, 1001)
	for i := range many {
		many[i] = remora.EncodeOpaque([]byte{1})
	}
	f.with(func(f *fixture) { f.room = -1 })
	if _, err := f.Client.SendTxs(t.Context(), many); client.CodeOf(err) != client.CodeInternal {
		t.Errorf("failing disk: %v, want INTERNAL", err)
	}
}

func TestWaitTxEndsWithContext(t *testing.T) {
	f := serve(t, "dev-wait")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := f.Client.WaitTx(ctx, remora.Hash{1}, remora.Hash{})
		ended <- err
	}()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestProofs(t *testing.T) {
	f := serve(t, "dev-proof")
	f.Block(f.Transfer(0, 1, 0, 5))
	f.Certify(1)
	f.Block(f.Transfer(0, 1, 1, 5))
	for _, key := range []string{"", "nobody"} {
		address := f.Keys.Accounts[0].Public()
		if key != "" {
			address = replaytest.Account(t, key).Public()
		}
		proof, err := f.Client.AccountProof(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		if err := light.VerifyAccount(f.Genesis, proof); err != nil {
			t.Errorf("account %q: %v", key, err)
		}
		if proof.Exists != (key == "") || proof.Height != 1 {
			t.Errorf("account %q: exists %v at %d", key, proof.Exists, proof.Height)
		}
	}
	proof, err := f.Client.BlockProof(t.Context(), 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := light.VerifyBlock(f.Genesis, proof); err != nil {
		t.Error(err)
	}
	if _, err := f.Client.BlockProof(t.Context(), 2, 1); !errors.Is(err, client.ErrNotCertified) {
		t.Errorf("block without certificate: %v", err)
	}
}

func TestGenesisAndNodes(t *testing.T) {
	f := serve(t, "dev-nodes")
	g, err := f.Client.Genesis(t.Context())
	if err != nil || g.Hash() != f.Genesis.Hash() {
		t.Fatalf("genesis: %v", err)
	}
	var names []string
	var after *remora.Address
	for {
		page, err := f.Client.Nodes(t.Context(), after, 3)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range page.Nodes {
			names = append(names, n.Name)
			if n.Stake != replaytest.Stake {
				t.Errorf("%s has stake %s", n.Name, n.Stake)
			}
		}
		if after = page.Next; after == nil {
			break
		}
	}
	if len(names) != 4 {
		t.Errorf("listed %v", names)
	}
	for _, name := range []string{"validator-2", f.Genesis.Validators[2].Account.String()} {
		n, err := f.Client.Node(t.Context(), name)
		if err != nil || n.Address != f.Genesis.Validators[2].Account || n.Name != "validator-2" {
			t.Errorf("node %s: %+v, %v", name, n, err)
		}
	}
	if _, err := f.Client.Node(t.Context(), "validator-9"); !errors.Is(err, remora.ErrNotFound) {
		t.Errorf("unknown node: %v", err)
	}
}

func TestEvents(t *testing.T) {
	f := serve(t, "dev-events")
	f.Block(remora.EncodeOpaque([]byte("x")))
	f.Block()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var heights []remora.Height
	for e, err := range f.Client.Events(ctx, 1) {
		if err != nil {
			t.Fatal(err)
		}
		heights = append(heights, e.Height)
		if e.Height == 1 && (e.Txs != 1 || len(e.Batches) != 1) {
			t.Errorf("event %+v", e)
		}
		if e.Height == 4 {
			break
		}
		if e.Height == 2 {
			f.Block()
			f.Block()
		}
	}
	if diff := cmp.Diff([]remora.Height{1, 2, 3, 4}, heights); diff != "" {
		t.Errorf("heights (-want +got):\n%s", diff)
	}
}

func TestCertifiedBlocks(t *testing.T) {
	f := serve(t, "dev-blocks")
	for i := range 5 {
		f.Block(remora.EncodeOpaque([]byte{byte(i)}))
	}
	f.Certify(1)
	f.Certify(4) // and covers 2 and 3
	var heights []remora.Height
	visit := func(cb *remora.CertifiedBlock) error {
		heights = append(heights, cb.Block.Header.Height)
		if h := cb.Block.Header.Height; (cb.Certificate != nil) != (h == 4) || len(cb.Batches) != 1 {
			t.Errorf("block %d comes with %d batches and certificate %v", h, len(cb.Batches), cb.Certificate)
		}
		return nil
	}
	err := f.Client.CertifiedBlocks(t.Context(), 2, 5, visit)
	if !errors.Is(err, client.ErrNotCertified) {
		t.Errorf("beyond the certificates: %v", err)
	}
	if diff := cmp.Diff([]remora.Height{2, 3, 4}, heights); diff != "" {
		t.Errorf("heights (-want +got):\n%s", diff)
	}
	if err := f.Client.CertifiedBlocks(t.Context(), 3, 3, visit); !errors.Is(err, client.ErrNotCertified) {
		t.Errorf("a last block without certificate: %v", err)
	}
	cb, err := f.Client.CertifiedBlock(t.Context(), 1, 0)
	if err != nil || cb.Block.Header.Height != 1 {
		t.Errorf("block 1: %v", err)
	}
	if _, err := f.Client.CertifiedBlock(t.Context(), 9, 0); !errors.Is(err, remora.ErrNotFound) {
		t.Errorf("block 9: %v", err)
	}
}
