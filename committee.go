package remora

import (
	"bytes"
	"fmt"
	"slices"
)

// MaxCommittee bounds the size of a committee.
const MaxCommittee = 256

// Member is a validator as a consensus member.
type Member struct {
	_         struct{} `cbor:",toarray"`
	Account   Address
	Name      string
	Stake     Amount
	Consensus BLSPublicKey // votes and block shares
	Beacon    BLSPublicKey // contributions to the beacon
	Header    Address      // Ed25519, signs headers
	PeerID    string       // libp2p identity
	Addrs     []string     // multiaddrs without the peer id
}

// Committee is the stake-weighted set of a term, in the order of the consensus keys: an Authority is a position in it.
type Committee struct {
	Domain  Domain // of the chain
	Term    Term
	Members []Member
}

// NewCommittee sorts the members by consensus key and checks them: 1 to MaxCommittee of them, positive stakes with a sum
// below 2^62, no key or identity twice.
func NewCommittee(d Domain, term Term, members []Member) (*Committee, error) {
	if len(members) == 0 || len(members) > MaxCommittee {
		return nil, fmt.Errorf("%w: committee of %d members, want 1 to %d", ErrInvalid, len(members), MaxCommittee)
	}
	sorted := slices.Clone(members)
	slices.SortFunc(sorted, func(a, b Member) int { return bytes.Compare(a.Consensus[:], b.Consensus[:]) })
	c := &Committee{Domain: d, Term: term, Members: sorted}
	if err := c.checkMembers(); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Committee) checkMembers() error {
	keys := make(map[string]string, 4*len(c.Members))
	var total Amount
	for _, m := range c.Members {
		for _, k := range []string{string(m.Consensus[:]), string(m.Beacon[:]), string(m.Header[:]), m.PeerID} {
			if other, taken := keys[k]; taken {
				return fmt.Errorf("%w: members %q and %q share a key", ErrInvalid, other, m.Name)
			}
			keys[k] = m.Name
		}
		sum, fits := total.Add(m.Stake)
		if m.Stake == 0 || !fits || sum >= 1<<62 {
			return fmt.Errorf("%w: stake %s of member %q, want a positive one and a total below 2^62", ErrInvalid, m.Stake, m.Name)
		}
		total = sum
	}
	return nil
}

// Size returns the number of members.
func (c *Committee) Size() int { return len(c.Members) }

// Has reports whether a is a position of the committee.
func (c *Committee) Has(a Authority) bool { return int(a) < len(c.Members) }

// Stake returns the stake of a member.
func (c *Committee) Stake(a Authority) Amount { return c.Members[a].Stake }

// Total returns the stake of all members, S.
func (c *Committee) Total() Amount {
	var total Amount
	for _, m := range c.Members {
		total += m.Stake
	}
	return total
}

// Quorum returns Q = 2S/3+1: any two quorums share an honest member.
func (c *Committee) Quorum() Amount { return Quorum(c.Total()) }

// Validity returns V = (S+2)/3: the smallest stake that always includes an honest member.
func (c *Committee) Validity() Amount { return Validity(c.Total()) }

// Quorum returns 2S/3+1 of a total stake S.
func Quorum(total Amount) Amount { return 2*total/3 + 1 }

// Validity returns (S+2)/3 of a total stake S.
func Validity(total Amount) Amount { return (total + 2) / 3 }

// StakeOf returns the total stake of the members in the bitmap, which must be valid for this committee.
func (c *Committee) StakeOf(b Bitmap) Amount {
	var total Amount
	for a := range b.Members() {
		total += c.Members[a].Stake
	}
	return total
}

// ByPeer returns the member with a libp2p identity.
func (c *Committee) ByPeer(id string) (Authority, bool) {
	i := slices.IndexFunc(c.Members, func(m Member) bool { return m.PeerID == id })
	return Authority(max(i, 0)), i >= 0
}

// ByConsensusKey returns the member with a consensus key.
func (c *Committee) ByConsensusKey(key BLSPublicKey) (Authority, bool) {
	i := slices.IndexFunc(c.Members, func(m Member) bool { return m.Consensus == key })
	return Authority(max(i, 0)), i >= 0
}

// Hash binds domain, term, and every member in order.
func (c *Committee) Hash() Hash {
	p := newPreimage("remora/committee/1", c.Domain).addUint(uint64(c.Term)).addUint(uint64(len(c.Members)))
	for _, m := range c.Members {
		p.addBytes(Encode(m))
	}
	return p.sumDigest()
}
