package story

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/bls"
	"github.com/remora-network/remora/crypto/ed25519"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/devnet"
	"github.com/remora-network/remora/node/home"
	"github.com/remora-network/remora/proofs/content"
	"github.com/remora-network/remora/proofs/delivery"
)

const forgedBytes = 1 << 20

// forgeClaims makes the other cache claim bytes in carol's session that it never delivered, and expects refusals.
func (s *Story) forgeClaims(ctx context.Context, honest string) error {
	f, err := s.newForger(honest)
	if err != nil {
		return err
	}
	sessions, err := s.nodes[0].Sessions(ctx, s.keys[reader].Public())
	if err != nil {
		return err
	}
	if len(sessions) == 0 {
		return fmt.Errorf("%w: the paid fetch opened no session", ErrBroken)
	}
	session := slices.MaxFunc(sessions, func(a, b client.Session) int { return cmp.Compare(a.ID, b.ID) })
	st, err := f.node.Status(ctx)
	if err != nil {
		return err
	}
	f.session, f.epoch = session.ID, st.Epoch
	if err := f.awaitEpochEnd(ctx); err != nil {
		return err
	}
	if err := f.claimTooMuch(ctx, session.Grants); err != nil {
		return err
	}
	return f.claimInvented(ctx)
}

// forger is a registered cache that claims deliveries that never happened.
type forger struct {
	sayf    func(format string, args ...any)
	node    *client.Client
	domain  remora.Domain
	name    string
	key     *ed25519.PrivateKey
	session remora.SessionID
	epoch   remora.Epoch // of the claims; the forger delivered nothing in it
}

// newForger returns a cache other than the honest one.
func (s *Story) newForger(honest string) (*forger, error) {
	for _, n := range s.status.Nodes {
		if n.Role != devnet.RoleCache || n.Name == honest {
			continue
		}
		h, err := home.Open(n.Home)
		if err != nil {
			return nil, err
		}
		key, err := home.OpenAccount(h.AccountKeyPath())
		return &forger{sayf: s.sayf, node: s.nodes[0], domain: s.genesis.Domain(), name: n.Name, key: key}, err
	}
	return nil, fmt.Errorf("%w: there is no second cache to forge a claim", ErrBroken)
}

func (f *forger) awaitEpochEnd(ctx context.Context) error {
	return devnet.Poll(ctx, func() (bool, error) {
		st, err := f.node.Status(ctx)
		return err == nil && st.Epoch > f.epoch, err
	})
}

// expectRefusal sends a transaction that the chain must refuse with a code.
func (f *forger) expectRefusal(ctx context.Context, kind remora.Kind, body any, want remora.Code) error {
	_, err := f.node.Send(ctx, f.key, client.Draft{Kind: kind, Body: body}, true)
	var r *remora.Rejection
	if !errors.As(err, &r) || r.Code != want {
		return fmt.Errorf("%w: a forged %s ended with %v, want %s", ErrBroken, kind, err, want)
	}
	return nil
}

// claimTooMuch claims more than the session allots.
func (f *forger) claimTooMuch(ctx context.Context, grants []client.Grant) error {
	claim := remora.CommitClaim{Epoch: f.epoch}
	for _, g := range grants {
		if g.Node == f.key.Public() {
			claim.Total = g.Granted + 1
		}
	}
	claim.Items = []remora.ClaimItem{{Session: f.session, Bytes: claim.Total}}
	if err := f.expectRefusal(ctx, remora.KindCommitClaim, claim, remora.CodeOverAllotment); err != nil {
		return err
	}
	f.sayf("%s forges a claim for more than carol's session allots: refused with %s", f.name, remora.CodeOverAllotment)
	return nil
}

// claimInvented claims for a delivery that never happened. The chain takes the commitment and refuses the opening.
func (f *forger) claimInvented(ctx context.Context) error {
	invented, err := inventDelivery(f.domain, remora.Receipt{Session: f.session, Node: f.key.Public(), Epoch: f.epoch})
	if err != nil {
		return err
	}
	commit := delivery.NewCommitClaim(f.domain, f.epoch, []remora.Receipt{invented.receipt.Receipt})
	if _, err := f.node.Send(ctx, f.key, client.Draft{Kind: remora.KindCommitClaim, Body: commit}, true); err != nil {
		return err
	}
	known, seed, err := f.awaitChallenge(ctx)
	if err != nil {
		return err
	}
	opening, err := invented.openClaim(delivery.Challenge{Domain: f.domain, Items: commit.Items, Seed: seed, Claim: remora.Claim{
		ID: known.ID, Node: known.Node, Epoch: known.Epoch, Bytes: known.Bytes, Count: known.Receipts, Receipts: commit.Receipts,
	}})
	if err != nil {
		return err
	}
	if err := f.expectRefusal(ctx, remora.KindOpenClaim, opening, remora.CodeBadOpening); err != nil {
		return err
	}
	f.sayf("%s claims %d bytes with a receipt that carol never signed: its opening is refused with %s, and its deposit of %s burns at the deadline",
		f.name, commit.Total, remora.CodeBadOpening, known.Deposit)
	return nil
}

// awaitChallenge waits until the forged claim is challenged and returns it with the seed.
func (f *forger) awaitChallenge(ctx context.Context) (known *client.Claim, seed remora.Hash, err error) {
	err = devnet.Poll(ctx, func() (bool, error) {
		claims, err := f.node.Claims(ctx, f.name)
		for _, c := range claims {
			if c.Epoch == f.epoch && c.State == remora.ClaimChallenged {
				known = &c
			}
		}
		return known != nil, err
	})
	if err != nil {
		return nil, seed, fmt.Errorf("the forged claim of %s is not challenged: %w", f.name, err)
	}
	for height := known.Height; ; height++ {
		b, err := f.node.Block(ctx, height)
		if err != nil || b.Beacon.Step >= known.Step {
			return known, b.Beacon.Hash, err
		}
	}
}

// invention is a delivery that never happened: content of the forger's own and a receipt that the forger signed.
type invention struct {
	data    []byte
	tree    []byte
	extents []remora.Extent
	receipt remora.SignedReceipt
}

// inventDelivery completes a receipt, whose session, node and epoch are given, with content and a signature.
func inventDelivery(d remora.Domain, receipt remora.Receipt) (*invention, error) {
	v := &invention{data: make([]byte, forgedBytes)}
	_, _ = rand.Read(v.data) // never fails
	var tree bytes.Buffer
	w := content.NewWriter(&tree)
	_, _ = w.Write(v.data)
	root, length, err := w.Finish()
	if err != nil {
		return nil, err
	}
	v.tree = tree.Bytes()
	v.extents = []remora.Extent{{Content: remora.Content{Root: root, Length: length}, Bytes: length}}
	tally, err := delivery.NewTally(v.extents)
	if err != nil {
		return nil, err
	}
	receipt.Bytes, receipt.Extents, receipt.Root = length, tally.Len(), tally.Root()
	signer, err := bls.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	message := receipt.Message(d, remora.SchemeBLS)
	v.receipt = remora.SignedReceipt{Receipt: receipt, Signature: signer.Sign(message[:])}
	return v, nil
}

func (v *invention) openClaim(challenge delivery.Challenge) (*remora.OpenClaim, error) {
	return challenge.Open([]remora.SignedReceipt{v.receipt}, delivery.Evidence{
		Extents: func(int) ([]remora.Extent, error) { return v.extents, nil },
		Chunk: func(_ remora.Content, index uint64) (content.ChunkProof, error) {
			return content.ProveChunk(bytes.NewReader(v.data), bytes.NewReader(v.tree), uint64(len(v.data)), index)
		},
		Aggregate: bls.Aggregate,
	})
}
