package mempool

import (
	"fmt"

	"github.com/remora-network/remora"
)

// certifier collects the votes for the newest own header.
type certifier struct {
	header      *remora.Header // nil: nothing to certify
	message     remora.Hash    // what votes for it sign
	votes       []*remora.Vote // by voter
	stake       remora.Amount
	banned      []bool              // voters that sent a wrong signature for it
	suspect     []remora.Round      // by voter: below this round a vote is verified before it is counted
	certificate *remora.Certificate // the newest own one
}

// suspectRounds is the number of rounds for which votes of an authority that sent a bad one are verified alone. Otherwise one
// bad vote a round would cost the check of every vote of every round.
const suspectRounds = 1024

// collectVotes starts to collect votes for a header of this authority, beginning with its own. That vote needs no
// record: it is implied by the header, which is durable before it leaves.
func (c *Core) collectVotes(h *remora.Header) {
	v := &c.votes
	v.header, v.stake = h, 0
	v.message = remora.VoteMessage(c.config.Committee.Domain, h)
	clear(v.votes)
	clear(v.banned)
	c.countVote(c.signVote(h, v.message))
}

func (c *Core) signVote(h *remora.Header, message remora.Hash) remora.Vote {
	return remora.Vote{
		Term: h.Term, Round: h.Round, Author: h.Author, Digest: h.Digest(), Voter: c.config.Self,
		Signature: c.config.Signer.SignVote(message),
	}
}

// receiveVote counts a vote for the newest own header. Repeated votes and votes for a header that has its certificate
// are ignored without an error.
func (c *Core) receiveVote(vote remora.Vote) error {
	v := &c.votes
	mine := c.own.header
	switch {
	case !c.isPeer(vote.Voter):
		return fmt.Errorf("%w: voter %d", ErrVoter, vote.Voter)
	case vote.Author != c.config.Self || vote.Term != c.config.Committee.Term || mine == nil || vote.Round > mine.Round:
		return fmt.Errorf("%w: term %d, author %d, round %d", ErrNotOurs, vote.Term, vote.Author, vote.Round)
	case v.certificate != nil && vote.Digest == v.certificate.Digest():
		return nil // the quorum was complete without it
	case vote.Round < mine.Round:
		return fmt.Errorf("%w: vote in round %d, the newest own header is of round %d", ErrTooOld, vote.Round, mine.Round)
	case vote.Digest != mine.Digest():
		return fmt.Errorf("%w: digest %s in round %d, where this authority's header is %s", ErrNotOurs, vote.Digest, vote.Round, mine.Digest())
	case v.header == nil || v.votes[vote.Voter] != nil:
		return nil
	case v.banned[vote.Voter]:
		return fmt.Errorf("%w: voter %d sent a wrong signature for round %d before", ErrVoter, vote.Voter, vote.Round)
	}
	if vote.Round < v.suspect[vote.Voter] && !c.holdsAlone(vote) {
		c.banVoter(vote.Voter)
		return nil
	}
	c.countVote(vote)
	return nil
}

// isPeer reports whether an authority is another member.
func (c *Core) isPeer(a remora.Authority) bool {
	return c.config.Committee.Has(a) && a != c.config.Self
}

// holdsAlone verifies a vote for the newest own header.
func (c *Core) holdsAlone(vote remora.Vote) bool {
	_, _, bad := c.config.Signer.Aggregate(c.votes.message, []remora.Vote{vote})
	return len(bad) == 0
}

// countVote adds a vote and makes the certificate when the votes hold a quorum. Only then are votes verified, as one
// aggregate.
func (c *Core) countVote(vote remora.Vote) {
	v := &c.votes
	v.votes[vote.Voter] = &vote
	v.stake += c.config.Committee.Stake(vote.Voter)
	if v.stake < c.threshold {
		return
	}
	votes := make([]remora.Vote, 0, len(v.votes))
	for _, counted := range v.votes {
		if counted != nil {
			votes = append(votes, *counted)
		}
	}
	signature, signers, bad := c.config.Signer.Aggregate(v.message, votes)
	for _, voter := range bad {
		c.banVoter(voter)
	}
	if v.stake < c.threshold {
		return
	}
	c.publishCertificate(&remora.Certificate{Header: *v.header, Signers: signers, Signature: signature})
}

// banVoter takes no more votes of a voter for the newest own header, and removes the one that was counted.
func (c *Core) banVoter(voter remora.Authority) {
	v := &c.votes
	if v.votes[voter] != nil {
		v.votes[voter] = nil
		v.stake -= c.config.Committee.Stake(voter)
	}
	v.banned[voter], v.suspect[voter] = true, v.header.Round+suspectRounds
	c.out.addEvent(BadVote{Voter: voter, Round: v.header.Round})
}

// publishCertificate sends a new own certificate. Its bytes are durable before they leave: rebuilt after a crash, from
// other votes, it would be a different encoding of the same vertex.
func (c *Core) publishCertificate(cert *remora.Certificate) {
	c.stopCollecting(cert)
	if err := c.insertCertificate(cert); err != nil {
		c.unsafe = err
		return
	}
	if !c.dag.vertexAt(cert.Round(), cert.Author()).isAccepted() { // its parents were lost in a crash
		c.out.addRecord(Record{Certificate: cert}, true)
	}
	c.out.addMessage(Outgoing{Broadcast: true, Certificate: cert})
	c.out.addEvent(Certified{Certificate: cert})
}

// stopCollecting ends the collection of votes when the header has its certificate, made here or sent by a peer.
func (c *Core) stopCollecting(cert *remora.Certificate) {
	if c.votes.header == nil || cert.Digest() != c.votes.header.Digest() {
		return
	}
	c.votes.header, c.votes.certificate = nil, cert
}

// resendUnanswered repeats, byte for byte, what others may have lost while no round advances: the newest header to
// those that have not voted for it, and the newest own certificate.
func (c *Core) resendUnanswered() {
	silence := c.clock - c.progress
	if c.inquiry.doubt != Trusted || silence == 0 || silence%c.config.Pace.Resend != 0 {
		return
	}
	if c.votes.header != nil {
		for a := range remora.Authority(len(c.votes.votes)) {
			if c.votes.votes[a] == nil {
				c.out.addMessage(Outgoing{To: a, Header: c.votes.header})
			}
		}
	}
	if c.votes.certificate != nil {
		c.out.addMessage(Outgoing{Broadcast: true, Certificate: c.votes.certificate})
	}
}
