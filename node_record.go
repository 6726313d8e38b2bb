package remora

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Roles is the set of services that a node offers.
type Roles uint8

// The roles of a node.
const (
	RoleValidator Roles = 1 << iota
	RoleCache
	RoleGateway
	allRoles = RoleValidator | RoleCache | RoleGateway
)

// Limits of a node's record.
const (
	maxNodeName  = 64
	maxNodeAddrs = 8
	maxNodeAddr  = 256
	maxPeerID    = 128
)

var (
	nodeName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)
	peerID   = regexp.MustCompile(`^[1-9A-HJ-NP-Za-km-z]+$`)
)

// String lists the roles by name.
func (r Roles) String() string {
	var names []string
	for role, name := range roleNames() {
		if r&(1<<role) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

// MarshalText encodes the roles by name.
func (r Roles) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText decodes names separated by commas.
func (r *Roles) UnmarshalText(text []byte) error {
	*r = 0
	for name := range strings.SplitSeq(string(text), ",") {
		role := slices.Index(roleNames(), name)
		if role < 0 {
			return fmt.Errorf("%w: role %.32q, want validator, cache or gateway", ErrInvalid, name)
		}
		*r |= 1 << role
	}
	return nil
}

func roleNames() []string { return []string{"validator", "cache", "gateway"} }

// Node is a node's entry in the registry and the body of RegisterNode, whose sender is the node's account.
type Node struct {
	_          struct{}     `cbor:",toarray"`
	Name       string       `json:"name"`
	Roles      Roles        `json:"roles"`
	Consensus  BLSPublicKey `json:"consensus_key"`
	Possession BLSSignature `json:"consensus_possession"`
	Beacon     BLSPublicKey `json:"beacon_key"`
	BeaconPoP  BLSSignature `json:"beacon_possession"`
	Header     Address      `json:"header_key"`
	PeerID     string       `json:"peer_id"`
	Addrs      []string     `json:"addrs"`
}

// Check reports the first field that breaks a limit. The caller verifies possession of the keys.
func (n *Node) Check() error {
	switch {
	case len(n.Name) > maxNodeName || !nodeName.MatchString(n.Name):
		return fmt.Errorf("%w: name %.80q, want 1 to %d of a-z, 0-9, dot and hyphen", ErrInvalid, n.Name, maxNodeName)
	case n.Roles == 0 || n.Roles&^allRoles != 0:
		return fmt.Errorf("%w: roles %d, want validator, cache, gateway or several", ErrInvalid, n.Roles)
	case len(n.PeerID) > maxPeerID || !peerID.MatchString(n.PeerID):
		return fmt.Errorf("%w: peer id %.140q is not base58 of at most %d characters", ErrInvalid, n.PeerID, maxPeerID)
	case len(n.Addrs) == 0 || len(n.Addrs) > maxNodeAddrs:
		return fmt.Errorf("%w: %d addresses, want 1 to %d", ErrInvalid, len(n.Addrs), maxNodeAddrs)
	}
	for _, a := range n.Addrs {
		if len(a) == 0 || len(a) > maxNodeAddr || a[0] != '/' {
			return fmt.Errorf("%w: address %.80q is not a multiaddr of at most %d bytes", ErrInvalid, a, maxNodeAddr)
		}
	}
	return nil
}

// Member returns the committee member that the node of an account becomes with a stake.
func (n *Node) Member(account Address, stake Amount) Member {
	return Member{
		Account: account, Name: n.Name, Stake: stake, Consensus: n.Consensus, Beacon: n.Beacon,
		Header: n.Header, PeerID: n.PeerID, Addrs: n.Addrs,
	}
}
