package validator

import (
	"maps"
	"slices"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/trust"
)

const (
	// certifierWindow bounds how far from the newest block shares are kept, in heights, either way.
	certifierWindow = 1024
	// oldestKept is the number of heights kept from the oldest block without certificate on, however old.
	oldestKept = 256
)

// certifier collects shares on executed blocks until a quorum of them makes a block certificate. It belongs to the
// executor's goroutine. Memory: one share per authority and height within the window or among the oldest.
type certifier struct {
	committee *trust.Committee
	shares    map[remora.Height]map[remora.Authority]remora.Share
	own       map[remora.Height]remora.Hash // executed here and not yet certified
	newest    remora.Height
	oldest    remora.Height // all below are certified
}

func newCertifier(c *trust.Committee) *certifier {
	return &certifier{
		committee: c,
		shares:    map[remora.Height]map[remora.Authority]remora.Share{},
		own:       map[remora.Height]remora.Hash{},
	}
}

// enterBlock enters the hash of a block that was executed here and returns its certificate if a quorum of shares arrived
// first.
func (c *certifier) enterBlock(height remora.Height, hash remora.Hash) *remora.BlockCertificate {
	c.own[height] = hash
	c.moveWindow(c.oldest, max(c.newest, height))
	return c.formCertificate(height)
}

// moveWindow keeps what is near the newest block and near the oldest one without certificate.
func (c *certifier) moveWindow(oldest, newest remora.Height) {
	c.oldest, c.newest = oldest, newest
	far := func(h remora.Height) bool { return h+certifierWindow < newest && h >= oldest+oldestKept }
	maps.DeleteFunc(c.shares, func(h remora.Height, _ map[remora.Authority]remora.Share) bool { return far(h) })
	maps.DeleteFunc(c.own, func(h remora.Height, _ remora.Hash) bool { return far(h) })
}

// addShare takes a share that a certified header of its author carried and returns the certificate it completes, if any.
func (c *certifier) addShare(from remora.Authority, s remora.Share) *remora.BlockCertificate {
	if s.Height > c.newest+certifierWindow {
		return nil
	}
	if _, open := c.own[s.Height]; !open && s.Height <= c.newest {
		return nil
	}
	byAuthor := c.shares[s.Height]
	if byAuthor == nil {
		byAuthor = map[remora.Authority]remora.Share{}
		c.shares[s.Height] = byAuthor
	}
	byAuthor[from] = s
	return c.formCertificate(s.Height)
}

// formCertificate returns a certificate when a quorum signed the block that was executed here. Bad shares are dropped.
func (c *certifier) formCertificate(height remora.Height) *remora.BlockCertificate {
	hash, open := c.own[height]
	if !open {
		return nil
	}
	var by []remora.Authority
	var sigs []remora.BLSSignature
	var stake remora.Amount
	for _, a := range slices.Sorted(maps.Keys(c.shares[height])) {
		if s := c.shares[height][a]; s.Hash == hash {
			by, sigs = append(by, a), append(sigs, s.Signature)
			stake += c.committee.Stake(a)
		}
	}
	if stake < c.committee.Quorum() {
		return nil
	}
	sig, signers, bad := c.committee.Aggregate(remora.BlockMessage(c.committee.Domain, height, hash), by, sigs)
	for _, a := range bad {
		delete(c.shares[height], a)
	}
	cert := &remora.BlockCertificate{Height: height, Hash: hash, Signers: signers, Signature: sig}
	if cert.Check(c.committee.Committee) != nil {
		return nil
	}
	c.forgetHeight(height)
	return cert
}

// forgetHeight forgets a height whose certificate is stored.
func (c *certifier) forgetHeight(height remora.Height) {
	delete(c.own, height)
	delete(c.shares, height)
}

// findDispute returns a share of the block that a quorum signed at a height, if this node executed another one: it has
// diverged.
func (c *certifier) findDispute(height remora.Height) (remora.Share, bool) {
	hash, open := c.own[height]
	if !open {
		return remora.Share{}, false
	}
	stake := map[remora.Hash]remora.Amount{}
	for _, a := range slices.Sorted(maps.Keys(c.shares[height])) {
		s := c.shares[height][a]
		stake[s.Hash] += c.committee.Stake(a)
		if s.Hash != hash && stake[s.Hash] >= c.committee.Quorum() {
			return s, true
		}
	}
	return remora.Share{}, false
}

// openHeights returns the heights executed here and not yet certified, ascending.
func (c *certifier) openHeights() []remora.Height { return slices.Sorted(maps.Keys(c.own)) }

// openBlock returns the hash of a block that was executed here and is not yet certified.
func (c *certifier) openBlock(height remora.Height) (remora.Hash, bool) {
	hash, open := c.own[height]
	return hash, open
}
