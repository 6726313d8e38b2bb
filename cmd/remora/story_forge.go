package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/bls"
	"github.com/remora-network/remora/crypto/ed25519"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/proofs/content"
	"github.com/remora-network/remora/proofs/delivery"
)

// forger is a registered cache that claims for what it did not deliver.
type forger struct {
	story   *story
	key     *ed25519.PrivateKey
	name    string
	session remora.SessionID
	epoch   remora.Epoch // that it claims for: it delivered nothing in it
}

// refused expects that the chain refuses a transaction with a code.
func (f *forger) refused(ctx context.Context, kind remora.Kind, body any, want remora.Code) error {
	_, err := f.story.nodes[0].Send(ctx, f.key, client.Draft{Kind: kind, Body: body}, true)
	var r *remora.Rejection
	if !errors.As(err, &r) || r.Code != want {
		return fmt.Errorf("%w: a forged %s ended with %v, want %s", errStory, kind, err, want)
	}
	return nil
}

// greedy claims more than the session allots.
func (f *forger) greedy(ctx context.Context, grants []client.Grant) error {
	claim := remora.CommitClaim{Epoch: f.epoch}
	for _, g := range grants {
		if g.Node == f.key.Public() {
			claim.Total = g.Granted + 1 // what is left may change meanwhile
		}
	}
	claim.Items = []remora.ClaimItem{{Session: f.session, Bytes: claim.Total}}
	if err := f.refused(ctx, remora.KindCommitClaim, claim, remora.CodeOverAllotment); err != nil {
		return err
	}
	f.story.say("%s forges a claim for more than carol's session allots: refused with %s", f.name, remora.CodeOverAllotment)
	return nil
}

// invented claims for content of its own with receipts that carol never signed. The chain takes the commitment, and
// refuses the opening.
func (f *forger) invented(ctx context.Context) error {
	chain := f.story.genesis.ChainID
	data := make([]byte, forgedBytes)
	_, _ = rand.Read(data) // never fails
	var tree bytes.Buffer
	w := content.NewWriter(&tree)
	_, _ = w.Write(data)
	root, length, err := w.Finish()
	if err != nil {
		return err
	}
	extents := []remora.Extent{{Content: remora.Content{Root: root, Length: length}, Bytes: length}}
	tally, err := delivery.NewTally(extents)
	if err != nil {
		return err
	}
	receipt := remora.Receipt{
		Session: f.session, Node: f.key.Public(), Epoch: f.epoch, Bytes: length, Extents: 1, Root: tally.Root(),
	}
	signer, err := bls.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	message := receipt.Message(chain, remora.SchemeBLS)
	receipts := []remora.SignedReceipt{{Receipt: receipt, Signature: signer.Sign(message[:])}}
	claim := remora.CommitClaim{
		Epoch: receipt.Epoch, Total: length, Items: []remora.ClaimItem{{Session: f.session, Bytes: length}},
		Receipts: delivery.ReceiptsRoot(chain, []remora.Receipt{receipt}),
	}
	if _, err := f.story.nodes[0].Send(ctx, f.key, client.Draft{Kind: remora.KindCommitClaim, Body: claim}, true); err != nil {
		return err
	}
	known, seed, err := f.challenge(ctx)
	if err != nil {
		return err
	}
	challenge := delivery.Challenge{ChainID: chain, Items: claim.Items, Seed: seed, Claim: remora.Claim{
		ID: known.ID, Node: known.Node, Epoch: known.Epoch, Bytes: known.Bytes, Count: known.Receipts, Receipts: claim.Receipts,
	}}
	opening, err := challenge.Open(receipts, delivery.Evidence{
		Extents: func(int) ([]remora.Extent, error) { return extents, nil },
		Chunk: func(_ remora.Content, index uint64) (content.ChunkProof, error) {
			return content.ProveChunk(bytes.NewReader(data), bytes.NewReader(tree.Bytes()), length, index)
		},
		Aggregate: bls.Aggregate,
	})
	if err != nil {
		return err
	}
	if err := f.refused(ctx, remora.KindOpenClaim, opening, remora.CodeBadOpening); err != nil {
		return err
	}
	f.story.say("%s claims %d bytes with a receipt that carol never signed: its opening is refused with %s, and its deposit of %s burns at the deadline",
		f.name, length, remora.CodeBadOpening, known.Deposit)
	return nil
}

// challenge waits until the forged claim is challenged and returns it with the seed.
func (f *forger) challenge(ctx context.Context) (*client.Claim, remora.Hash, error) {
	ticker := time.NewTicker(claimPoll)
	defer ticker.Stop()
	for {
		claims, err := f.story.nodes[0].Claims(ctx, f.name)
		if err != nil {
			return nil, remora.Hash{}, err
		}
		for _, c := range claims {
			if c.Epoch == f.epoch && c.State == remora.ClaimChallenged {
				seed, err := f.seed(ctx, c.Height, c.Step)
				return &c, seed, err
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil, remora.Hash{}, fmt.Errorf("the forged claim of %s is not challenged: %w", f.name, ctx.Err())
		}
	}
}

// seed finds a step of the beacon in the blocks from a height on.
func (f *forger) seed(ctx context.Context, height remora.Height, step uint64) (remora.Hash, error) {
	for ; ; height++ {
		b, err := f.story.nodes[0].Block(ctx, height)
		if err != nil {
			return remora.Hash{}, err
		}
		if b.Beacon.Step >= step {
			return b.Beacon.Hash, nil
		}
	}
}
