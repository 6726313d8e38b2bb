package delivery

import (
	"encoding/binary"
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/ledger"
	"github.com/remora-network/remora/state/table"
)

// Rows of the table of deadlines start with a letter and sort by what is due first. Those of one letter:
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

// over reports whether the time to open what the seed challenges is over in a block: so many blocks and so much time.
func (s *seed) over(b *Block) bool {
	return b.Height > s.Height+remora.OpenBlocks && b.Time-s.Time > remora.OpenEpochs*b.Params.EpochMillis
}

func getSeed(v table.View, step uint64) (s seed, fixed bool, err error) {
	fixed, err = load(v, table.Deadlines, stepKey(fixedSeed, step), maxSeed, &s)
	return s, fixed, err
}

// dropSeed forgets the seed of a step that no claim waits for any more.
func dropSeed(o *table.Overlay, step uint64) error {
	waits, err := has(o, stepKey(waiting, step))
	if err == nil && !waits {
		o.Delete(table.Deadlines, stepKey(fixedSeed, step))
	}
	return err
}

// has reports whether there is a row with a prefix.
func has(v table.View, prefix []byte) (bool, error) {
	found := false
	err := v.Ascend(table.Deadlines, prefix, func(_, _ []byte) bool {
		found = true
		return false
	})
	return found, err
}

// Waiting reports whether a claim waits for its seed or to be opened: the chain then moves on without pausing.
func Waiting(v table.View) (bool, error) { return has(v, []byte{waiting}) }

// Bounds of the work of one block at deadlines. What is left is done by the next one.
const (
	maxDue      = 64
	maxDueItems = 2 * remora.MaxClaimItems
)

// Advance does what is due at the end of a block that fixed the beacon as far as newest.
func Advance(o *table.Overlay, b *Block, newest remora.Seed) error {
	if newest.Step > b.Step {
		waits, err := has(o, stepKey(waiting, newest.Step))
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

// first returns the first keys of a letter, as many as a block may work on, without the letter.
func first(v table.View, letter byte) ([][]byte, error) {
	var keys [][]byte
	err := v.Ascend(table.Deadlines, []byte{letter}, func(key, _ []byte) bool {
		keys = append(keys, append([]byte(nil), key[1:]...))
		return len(keys) < maxDue
	})
	return keys, err
}

// claimAt returns the claim that the end of a key names.
func claimAt(v table.View, key []byte) (remora.Claim, error) {
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
	keys, err := first(o, waiting)
	if err != nil {
		return err
	}
	for items := 0; len(keys) > 0 && items < maxDueItems; keys = keys[1:] {
		c, err := claimAt(o, keys[0])
		if err != nil {
			return err
		}
		verdict, due, err := judge(o, b, &c)
		if err != nil {
			return err
		}
		switch {
		case due:
		case verdict == remora.ClaimSlashed:
			return nil // those behind it have as much time, or wait for later steps
		default:
			continue // one behind it may have waited longer for the same step
		}
		if err := dismiss(o, &c, verdict); err != nil {
			return err
		}
		items += int(c.Count)
	}
	return nil
}

// judge returns what becomes of a claim that waits, and whether anything does in this block.
func judge(v table.View, b *Block, c *remora.Claim) (verdict remora.ClaimState, due bool, err error) {
	seed, fixed, err := getSeed(v, c.Step)
	if err != nil {
		return 0, false, err
	}
	if fixed {
		return remora.ClaimSlashed, seed.over(b), nil
	}
	late := b.Height > c.Height+remora.OpenBlocks && b.Time-c.Time > remora.SeedEpochs*b.Params.EpochMillis
	return remora.ClaimRejected, late, nil
}

// dismiss ends a claim without paying it. The deposit is burnt where the node is at fault.
func dismiss(o *table.Overlay, c *remora.Claim, verdict remora.ClaimState) error {
	items, err := getItems(o, c)
	if err != nil {
		return err
	}
	if err := restore(o, c, items); err != nil {
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
	return resolve(o, c)
}

// releaseClaims hands payouts and deposits out whose lock is over.
func releaseClaims(o *table.Overlay, b *Block) error {
	keys, err := first(o, release)
	if err != nil {
		return err
	}
	for _, key := range keys {
		c, err := claimAt(o, key)
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

// refundSessions refunds sessions on which no claim can come or go wrong any more.
func refundSessions(o *table.Overlay, b *Block) error {
	keys, err := first(o, expiry)
	if err != nil || len(keys) == 0 {
		return err
	}
	open, err := first(o, unresolved)
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
		if err := refund(o, &s); err != nil {
			return err
		}
	}
	return nil
}
