package delivery

import (
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/proofs/delivery"
	"github.com/remora-network/remora/state/ledger"
	"github.com/remora-network/remora/state/table"
	"github.com/remora-network/remora/state/verdict"
)

// Commit takes a claim's bytes out of the grants and a deposit of the same value from the node's account. The seed two steps
// after the newest draws the challenge, so that it is unknown when the claim is committed.
func Commit(o *table.Overlay, b *Block, node remora.Address, in *remora.CommitClaim) error {
	if err := in.Check(); err != nil {
		return remora.Reject(remora.CodeInvalidClaim, "%v", err)
	}
	if in.Epoch >= b.Epoch || b.Epoch-in.Epoch > remora.ClaimEpochs {
		return remora.Reject(remora.CodeClaimEpoch, "receipts of epoch %d cannot be claimed in epoch %d: claim them within the %d epochs after theirs",
			in.Epoch, b.Epoch, remora.ClaimEpochs)
	}
	if err := checkCache(o, node); err != nil {
		return err
	}
	_, exists, err := GetClaim(o, node, in.Epoch)
	if err != nil {
		return err
	}
	if exists {
		return remora.Reject(remora.CodeClaimExists, "the node has already claimed for epoch %d", in.Epoch)
	}
	var value remora.Amount
	for _, item := range in.Items {
		part, err := debitGrant(o, node, in.Epoch, item)
		if err != nil {
			return err
		}
		value += part // fits: it comes out of grants, whose sum does
	}
	if err := ledger.Take(o, node, value); err != nil {
		return err
	}
	putClaim(o, &remora.Claim{
		ID: in.ID(b.Domain, node), Node: node, Epoch: in.Epoch, Bytes: in.Total, Count: uint32(len(in.Items)), Receipts: in.Receipts,
		Step: b.Step + 2, Height: b.Height, Time: b.Time, Value: value, Deposit: value,
	})
	o.Put(table.ClaimItems, claimKey(node, in.Epoch), remora.Encode(in.Items))
	o.Put(table.Deadlines, waitingKey(b.Step+2, node, in.Epoch), []byte{})
	o.Put(table.Deadlines, unresolvedKey(in.Epoch, node), []byte{})
	return nil
}

func putClaim(o *table.Overlay, c *remora.Claim) {
	o.Put(table.Claims, claimKey(c.Node, c.Epoch), remora.Encode(c))
}

// debitGrant takes an item's bytes out of its grant and returns their value.
func debitGrant(o *table.Overlay, node remora.Address, epoch remora.Epoch, item remora.ClaimItem) (remora.Amount, error) {
	s, exists, err := GetSession(o, item.Session)
	if err != nil {
		return 0, err
	}
	g, granted, err := GetGrant(o, item.Session, node)
	switch {
	case err != nil:
		return 0, err
	case !exists || !granted:
		return 0, remora.Reject(remora.CodeUnknownSession, "session %d allots nothing to this node", item.Session)
	case epoch < s.Opened || epoch > s.Expiry:
		return 0, remora.Reject(remora.CodeClaimEpoch, "session %d covers epochs %d to %d, the receipts are of epoch %d", s.ID, s.Opened, s.Expiry, epoch)
	case item.Bytes > g.Left:
		return 0, remora.Reject(remora.CodeOverAllotment, "session %d has %d bytes left for this node, the claim asks for %d", s.ID, g.Left, item.Bytes)
	}
	value, fits := remora.Value(item.Bytes, s.Price)
	rest, enough := g.Held.Sub(value)
	if !fits || !enough {
		return 0, fmt.Errorf("%w: grant of session %d holds %s for %d bytes at %s", remora.ErrCorrupt, s.ID, g.Held, g.Left, s.Price)
	}
	g.Left, g.Held = g.Left-item.Bytes, rest
	o.Put(table.Grants, grantKey(s.ID, node), remora.Encode(g))
	return value, nil
}

// Settle verifies the opening of a claim, whoever sent it, and fixes the node's payout. The error is a Rejection when there is
// nothing to open or the opening does not answer the challenge; the claim is then unchanged, and may be opened until its deadline.
func Settle(o *table.Overlay, b *Block, v verdict.Verifier, in *remora.OpenClaim) error {
	c, exists, err := GetClaim(o, in.Node, in.Epoch)
	if err != nil {
		return err
	}
	if !exists {
		return remora.Reject(remora.CodeUnknownClaim, "the node has no claim for epoch %d", in.Epoch)
	}
	if c.State != remora.ClaimCommitted {
		return remora.Reject(remora.CodeClaimClosed, "the claim for epoch %d is %s", in.Epoch, c.State)
	}
	seed, fixed, err := getSeed(o, c.Step)
	switch {
	case err != nil:
		return err
	case !fixed:
		return remora.Reject(remora.CodeNotChallenged, "the claim is not challenged yet: wait until step %d of the beacon is fixed", c.Step)
	case seed.hasExpired(b):
		return remora.Reject(remora.CodeClaimClosed, "the time to open the claim for epoch %d has ended", in.Epoch)
	}
	items, err := getItems(o, &c)
	if err != nil {
		return err
	}
	challenge := delivery.Challenge{Domain: b.Domain, Claim: c, Items: items, Seed: seed.Hash}
	if err := verifyOpening(o, v, &challenge, in); err != nil {
		return err
	}
	part := treasuryPart(c.Value, b.Params.TreasuryPerMille)
	c.State, c.Paid, c.Release = remora.ClaimSettled, c.Value-part, b.Epoch+remora.LockEpochs+1
	if err := ledger.Collect(o, part); err != nil {
		return err
	}
	o.Put(table.Deadlines, releaseKey(c.Release, c.Node, c.Epoch), []byte{})
	return closeClaim(o, &c)
}

// treasuryPart returns the treasury's part of a value, rounded down. With value = 1000 q + r no product overflows.
func treasuryPart(value remora.Amount, perMille uint16) remora.Amount {
	m := remora.Amount(perMille)
	return value/1000*m + value%1000*m/1000
}

// verifyOpening checks an opening against the challenge of a claim, and the signature against the keys of its sessions.
func verifyOpening(view table.View, v verdict.Verifier, challenge *delivery.Challenge, in *remora.OpenClaim) error {
	receipts, err := challenge.Verify(in)
	if err != nil {
		return remora.Reject(remora.CodeBadOpening, "%v", err)
	}
	sum := verdict.Aggregate{Parts: make([]verdict.Part, len(receipts)), Signature: in.Signature}
	for i := range receipts {
		s, exists, err := GetSession(view, receipts[i].Session)
		if err != nil {
			return err
		}
		if !exists {
			return fmt.Errorf("%w: session %d was deleted before the claim of %s on it was closed", remora.ErrCorrupt, receipts[i].Session, challenge.Claim.Node)
		}
		sum.Parts[i] = verdict.Part{Public: s.Key, Message: receipts[i].Message(challenge.Domain, s.Scheme)}
	}
	if !v.Holds(sum) {
		return remora.Reject(remora.CodeBadOpening, "the signature is not the aggregate of the clients' signatures over the %d opened receipts", len(receipts))
	}
	return nil
}

func getItems(v table.View, c *remora.Claim) ([]remora.ClaimItem, error) {
	var items []remora.ClaimItem
	found, err := table.Load(v, table.ClaimItems, claimKey(c.Node, c.Epoch), maxItems, &items)
	if err == nil && !found {
		err = fmt.Errorf("%w: the claim of %s for epoch %d has no items", remora.ErrCorrupt, c.Node, c.Epoch)
	}
	return items, err
}

// closeClaim stores a claim that is settled, rejected or slashed, and deletes the rows that it needed until then.
func closeClaim(o *table.Overlay, c *remora.Claim) error {
	putClaim(o, c)
	o.Delete(table.ClaimItems, claimKey(c.Node, c.Epoch))
	o.Delete(table.Deadlines, waitingKey(c.Step, c.Node, c.Epoch))
	o.Delete(table.Deadlines, unresolvedKey(c.Epoch, c.Node))
	return dropSeed(o, c.Step)
}

// restoreGrants returns a claim's bytes and their value to the grants that they were taken from.
func restoreGrants(o *table.Overlay, c *remora.Claim, items []remora.ClaimItem) error {
	for _, item := range items {
		s, exists, err := GetSession(o, item.Session)
		if err != nil {
			return err
		}
		g, granted, err := GetGrant(o, item.Session, c.Node)
		if err != nil {
			return err
		}
		value, fits := remora.Value(item.Bytes, s.Price)
		if !exists || !granted || !fits {
			return fmt.Errorf("%w: session %d was deleted before the claim of %s on it was closed", remora.ErrCorrupt, item.Session, c.Node)
		}
		g.Left, g.Held = g.Left+item.Bytes, g.Held+value
		o.Put(table.Grants, grantKey(s.ID, c.Node), remora.Encode(g))
	}
	return nil
}
