// Package delivery holds the rules by which deliveries are paid: sessions prepay, claims ask for payment, a later seed
// challenges each claim, an opening settles it, and deadlines end the rest.
//
// Open and Close are the rules of a session's transactions, Commit and Settle those of a claim's; Advance processes
// deadlines at the end of a block. The other functions read: GetSession, GetGrant, GetClaim, Stage and so on. Every byte is
// paid once, out of one grant: a claim takes its bytes and their value out of the grants when it is committed.
package delivery

import (
	"encoding/binary"
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/table"
)

// Block is the data of a block that the rules executed in it need.
type Block struct {
	Domain remora.Domain
	Params *remora.Params
	Height remora.Height
	Time   remora.Millis // on the active clock
	Epoch  remora.Epoch
	Step   uint64 // newest step of the beacon before the block
}

// Bounds of encoded records.
const (
	maxSession = 256 + (2+remora.AddressSize)*remora.MaxAllotments
	maxGrant   = 64
	maxClaim   = 512
	maxItems   = 20*remora.MaxClaimItems + 16
	maxSeed    = 128
)

var nextKey = []byte("next")

func sessionKey(id remora.SessionID) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, 0, 8), uint64(id))
}

func numberKey(owner remora.Address, number uint64) []byte {
	return binary.BigEndian.AppendUint64(append(make([]byte, 0, 40), owner[:]...), number)
}

func grantKey(id remora.SessionID, node remora.Address) []byte {
	return append(sessionKey(id), node[:]...)
}

func claimKey(node remora.Address, epoch remora.Epoch) []byte {
	return binary.BigEndian.AppendUint64(append(make([]byte, 0, 40), node[:]...), uint64(epoch))
}

// GetSession returns a session, and whether it exists: from its opening to its refund.
func GetSession(v table.View, id remora.SessionID) (s remora.Session, exists bool, err error) {
	exists, err = table.Load(v, table.Sessions, sessionKey(id), maxSession, &s)
	return s, exists, err
}

// GetGrant returns a session's grant for a node, and whether there is one.
func GetGrant(v table.View, id remora.SessionID, node remora.Address) (g remora.Grant, exists bool, err error) {
	exists, err = table.Load(v, table.Grants, grantKey(id, node), maxGrant, &g)
	return g, exists, err
}

// Grants visits the grants of a session in the order of their nodes. It reads the rows that the session names, and scans none.
func Grants(v table.View, s *remora.Session, visit func(remora.Address, remora.Grant)) error {
	for _, node := range s.Nodes {
		g, exists, err := GetGrant(v, s.ID, node)
		if err == nil && !exists {
			err = fmt.Errorf("%w: session %d has no grant for %s", remora.ErrCorrupt, s.ID, node)
		}
		if err != nil {
			return err
		}
		visit(node, g)
	}
	return nil
}

// ByNumber returns the session that an account opened under a number, and whether there is one.
func ByNumber(v table.View, owner remora.Address, number uint64) (s remora.Session, exists bool, err error) {
	b, err := v.Get(table.SessionNumbers, numberKey(owner, number))
	if err != nil || len(b) != 8 {
		return s, false, err
	}
	return GetSession(v, remora.SessionID(binary.BigEndian.Uint64(b)))
}

// SessionsOf visits the sessions of an account in the order of their numbers, until visit returns false.
func SessionsOf(v table.View, owner remora.Address, visit func(remora.Session) bool) error {
	var bad error
	err := v.Ascend(table.SessionNumbers, owner[:], func(_, value []byte) bool {
		if len(value) != 8 {
			bad = fmt.Errorf("%w: session number of %s", remora.ErrCorrupt, owner)
			return false
		}
		s, exists, err := GetSession(v, remora.SessionID(binary.BigEndian.Uint64(value)))
		if bad = err; err != nil || !exists {
			return err == nil
		}
		return visit(s)
	})
	if err != nil {
		return err
	}
	return bad
}

// GetClaim returns a node's claim for an epoch, and whether there is one. Its state is ClaimCommitted for a challenged claim
// too: see Stage.
func GetClaim(v table.View, node remora.Address, epoch remora.Epoch) (c remora.Claim, exists bool, err error) {
	exists, err = table.Load(v, table.Claims, claimKey(node, epoch), maxClaim, &c)
	return c, exists, err
}

// ClaimsOf visits the claims of a node in the order of their epochs, until visit returns false.
func ClaimsOf(v table.View, node remora.Address, visit func(remora.Claim) bool) error {
	return table.Visit(v, table.Claims, node[:], maxClaim, func(_ []byte, c remora.Claim) bool { return visit(c) })
}

// Stage returns a claim's state, and the seed that challenges it if it is challenged.
func Stage(v table.View, c *remora.Claim) (remora.ClaimState, remora.Seed, error) {
	if c.State != remora.ClaimCommitted {
		return c.State, remora.Seed{}, nil
	}
	fixed, found, err := getSeed(v, c.Step)
	if err != nil || !found {
		return c.State, remora.Seed{}, err
	}
	return remora.ClaimChallenged, remora.Seed{Step: c.Step, Hash: fixed.Hash}, nil
}
