package delivery

import (
	"encoding/binary"
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/ledger"
	"github.com/remora-network/remora/state/table"
)

// Keys in the table of deadlines start with a letter. Those of one letter sort by what is due first:
//
//	w step node epoch    a claim that waits for the seed of a step, or to be opened
//	u epoch node         the same claim, by the epoch of its receipts
//	k step               the seed of a step that a claim waits for, with the block that fixed it
//	r epoch node epoch   a settled claim, by the epoch that releases it
//	s epoch session      a session, by its last epoch
const (
	waiting    = 'w'
	unresolved = 'u'
	fixedSeed  = 'k'
	release    = 'r'
	expiry     = 's'
)

func waitingKey(step uint64, node remora.Address, epoch remora.Epoch) []byte {
	return append(stepKey(waiting, step), claimKey(node, epoch)...)
}

func unresolvedKey(epoch remora.Epoch, node remora.Address) []byte {
	return append(stepKey(unresolved, uint64(epoch)), node[:]...)
}

func releaseKey(at remora.Epoch, node remora.Address, epoch remora.Epoch) []byte {
	return append(stepKey(release, uint64(at)), claimKey(node, epoch)...)
}

func expiryKey(last remora.Epoch, id remora.SessionID) []byte {
	return append(stepKey(expiry, uint64(last)), sessionKey(id)...)
}

func stepKey(letter byte, n uint64) []byte {
	return binary.BigEndian.AppendUint64(append(make([]byte, 0, 49), letter), n)
}

// seed is a fixed step of the beacon that claims wait for.
type seed struct {
	_      struct{} `cbor:",toarray"`
	Hash   remora.Hash
	Height remora.Height // of the block that fixed it
	Time   remora.Millis
}

// hasExpired reports whether the time to open claims that the seed challenges has ended by block b: OpenBlocks and
// OpenEpochs have both passed since the seed.
func (s *seed) hasExpired(b *Block) bool {
	return b.Height > s.Height+remora.OpenBlocks && b.Time-s.Time > remora.OpenEpochs*b.Params.EpochMillis
}

func getSeed(v table.View, step uint64) (s seed, fixed bool, err error) {
	fixed, err = table.Load(v, table.Deadlines, stepKey(fixedSeed, step), maxSeed, &s)
	return s, fixed, err
}

// dropSeed deletes the seed of a step if no claim waits for it any more.
func dropSeed(o *table.Overlay, step uint64) error {
	waits, err := hasDeadline(o, stepKey(waiting, step))
	if err == nil && !waits {
		o.Delete(table.Deadlines, stepKey(fixedSeed, step))
	}
	return err
}

// hasDeadline reports whether there is a deadline whose key starts with prefix.
func hasDeadline(v table.View, prefix []byte) (bool, error) {
	found := false
	err := v.Ascend(table.Deadlines, prefix, func(_, _ []byte) bool {
		found = true
		return false
	})
	return found, err
}

// Waiting reports whether a claim waits for its seed or to be opened. Blocks must continue while one does.
func Waiting(v table.View) (bool, error) { return hasDeadline(v, []byte{waiting}) }

// Bounds on the deadlines that one block processes. The next block processes the rest.
const (
	maxDue      = 64
	maxDueItems = 2 * remora.MaxClaimItems
)

// Advance processes the deadlines that are due at the end of a block. newest is the seed after the block.
func Advance(o *table.Overlay, b *Block, newest remora.Seed) error {
	if newest.Step > b.Step {
		waits, err := hasDeadline(o, stepKey(waiting, newest.Step))
		if err != nil {
			return err
		}
		if waits {
			o.Put(table.Deadlines, stepKey(fixedSeed, newest.Step), remora.Encode(seed{Hash: newest.Hash, Height: b.Height, Time: b.Time}))
		}
	}
	for _, step := range []func(*table.Overlay, *Block) error{judgeClaims, releaseClaims, refundSessions} {
		if err := step(o, b); err != nil {
			return err
		}
	}
	return nil
}

// firstDue returns the first keys of a letter, at most maxDue, without the letter.
func firstDue(v table.View, letter byte) ([][]byte, error) {
	var keys [][]byte
	err := v.Ascend(table.Deadlines, []byte{letter}, func(key, _ []byte) bool {
		keys = append(keys, append([]byte(nil), key[1:]...))
		return len(keys) < maxDue
	})
	return keys, err
}

// claimOfDeadline returns the claim named at the end of a deadline's key.
func claimOfDeadline(v table.View, key []byte) (remora.Claim, error) {
	at := len(key) - remora.AddressSize - 8
	if at < 0 {
		return remora.Claim{}, fmt.Errorf("%w: deadline of %d bytes", remora.ErrCorrupt, len(key))
	}
	node, epoch := remora.Address(key[at:at+remora.AddressSize]), remora.Epoch(binary.BigEndian.Uint64(key[at+remora.AddressSize:]))
	c, exists, err := GetClaim(v, node, epoch)
	if err == nil && !exists {
		err = fmt.Errorf("%w: deadline of a claim of %s that does not exist", remora.ErrCorrupt, node)
	}
	return c, err
}

// judgeClaims slashes claims that were not opened in time, and rejects those whose seed was not fixed in time.
func judgeClaims(o *table.Overlay, b *Block) error {
	keys, err := firstDue(o, waiting)
	if err != nil {
		return err
	}
	for items := 0; len(keys) > 0 && items < maxDueItems; keys = keys[1:] {
		c, err := claimOfDeadline(o, keys[0])
		if err != nil {
			return err
		}
		verdict, due, err := judgeClaim(o, b, &c)
		if err != nil {
			return err
		}
		switch {
		case due:
		case verdict == remora.ClaimSlashed:
			return nil // later keys have as much time, or wait for later steps
		default:
			continue // a later key may have waited longer for the same step
		}
		if err := dismissClaim(o, &c, verdict); err != nil {
			return err
		}
		items += int(c.Count)
	}
	return nil
}

// judgeClaim returns the state in which a waiting claim ends unless it is opened, and whether its deadline has passed.
func judgeClaim(v table.View, b *Block, c *remora.Claim) (verdict remora.ClaimState, due bool, err error) {
	seed, fixed, err := getSeed(v, c.Step)
	if err != nil {
		return 0, false, err
	}
	if fixed {
		return remora.ClaimSlashed, seed.hasExpired(b), nil
	}
	late := b.Height > c.Height+remora.OpenBlocks && b.Time-c.Time > remora.SeedEpochs*b.Params.EpochMillis
	return remora.ClaimRejected, late, nil
}

// dismissClaim ends a claim without paying it. The deposit is burnt if the node is at fault.
func dismissClaim(o *table.Overlay, c *remora.Claim, verdict remora.ClaimState) error {
	items, err := getItems(o, c)
	if err != nil {
		return err
	}
	if err := restoreGrants(o, c, items); err != nil {
		return err
	}
	if verdict == remora.ClaimSlashed {
		err = ledger.Burn(o, c.Deposit)
	} else {
		err = ledger.Give(o, c.Node, c.Deposit)
	}
	if err != nil {
		return err
	}
	c.State = verdict
	return closeClaim(o, c)
}

// releaseClaims pays out settled claims and their deposits whose lock has ended.
func releaseClaims(o *table.Overlay, b *Block) error {
	keys, err := firstDue(o, release)
	if err != nil {
		return err
	}
	for _, key := range keys {
		c, err := claimOfDeadline(o, key)
		if err != nil {
			return err
		}
		if c.Release > b.Epoch {
			return nil
		}
		if err := ledger.Give(o, c.Node, c.Paid+c.Deposit); err != nil {
			return err
		}
		c.Released = true
		putClaim(o, &c)
		o.Delete(table.Deadlines, releaseKey(c.Release, c.Node, c.Epoch))
	}
	return nil
}

// refundSessions refunds sessions that have ended, once no claim on them can be committed or restored any more.
func refundSessions(o *table.Overlay, b *Block) error {
	keys, err := firstDue(o, expiry)
	if err != nil || len(keys) == 0 {
		return err
	}
	open, err := firstDue(o, unresolved)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if len(key) != 16 {
			return fmt.Errorf("%w: deadline of a session of %d bytes", remora.ErrCorrupt, len(key))
		}
		last := remora.Epoch(binary.BigEndian.Uint64(key))
		if b.Epoch-min(last, b.Epoch) <= remora.ClaimEpochs {
			return nil
		}
		if len(open) > 0 && len(open[0]) >= 8 && remora.Epoch(binary.BigEndian.Uint64(open[0])) <= last {
			return nil
		}
		s, exists, err := GetSession(o, remora.SessionID(binary.BigEndian.Uint64(key[8:])))
		if err == nil && !exists {
			err = fmt.Errorf("%w: deadline of a session that does not exist", remora.ErrCorrupt)
		}
		if err != nil {
			return err
		}
		if err := refundSession(o, &s); err != nil {
			return err
		}
	}
	return nil
}
