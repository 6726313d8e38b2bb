package sim

import (
	"slices"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/node/peers"
)

// actor stands between a validator's cores, which follow the protocol, and the network.
type actor struct {
	v         *host
	behaviour Behaviour
	second    *remora.Header // an equivocator's other header of its newest round
	votes     []remora.Vote  // for it

	newest   map[remora.Authority]*remora.Header // that a flooder has heard, by author
	proposed bool                                // an own header has left since the last tick
	forged   forger
}

func newActor(v *host, b Behaviour) *actor {
	return &actor{v: v, behaviour: b, newest: map[remora.Authority]*remora.Header{}}
}

// replaceSent reports whether the actor has dealt with an outgoing message of the core.
func (a *actor) replaceSent(o *mempool.Outgoing) bool {
	switch a.behaviour {
	case Silent:
		return true
	case WithholdCertificate:
		return o.Certificate != nil
	case BadSignature:
		a.v.transmitMessage(spoilSignature(o), o.To)
		return true
	case Equivocate:
		if o.Header != nil && o.Broadcast {
			a.equivocate(o.Header)
			return true
		}
		if o.Certificate != nil {
			a.sendToHalf(o, false)
			return true
		}
	case FarFuture:
		if o.Header != nil {
			a.addFarHeaders(o.Header)
		}
	case Garbage:
		a.sendGarbage(o)
	case PinQuota, TinyBatches, BadTransactions, FutureEpoch:
		a.proposed = a.proposed || o.Header != nil && o.Broadcast
	case WithholdBatch, LieInSync, Twin, Flood:
	}
	return false
}

// interceptReceived reports whether the actor has dealt with a message from the network.
func (a *actor) interceptReceived(m mempool.Message) bool {
	if h, ok := m.(mempool.HeaderReceived); ok && a.behaviour == Flood {
		a.newest[h.Header.Author] = h.Header
	}
	if a.behaviour != Equivocate {
		return false
	}
	switch m := m.(type) {
	case mempool.HeaderReceived:
		a.endorseHeader(m.Header)
	case mempool.VoteReceived:
		return a.collectVote(m.Vote)
	}
	return false
}

// equivocate sends one header to one half of the others and another one of the same round to the rest.
func (a *actor) equivocate(h *remora.Header) {
	second := *h
	second.CreatedAt++
	second.Payload = slices.Clone(h.Payload)
	slices.Reverse(second.Payload)
	second.Signature = a.v.world.signed.signerOf(a.v.self).SignHeader(second.Seal(a.v.world.committee.Domain))
	a.second, a.votes = &second, nil
	a.collectVote(a.signVote(&second))
	a.sendToHalf(&mempool.Outgoing{Header: h}, false)
	a.sendToHalf(&mempool.Outgoing{Header: &second}, true)
}

// sendToHalf sends a message to the accomplices and to one half of the rest.
func (a *actor) sendToHalf(o *mempool.Outgoing, second bool) {
	var honest, told []remora.Authority
	for to := range remora.Authority(len(a.v.world.nodes)) {
		friend := a.v.world.nodes[to].actor
		switch {
		case to == a.v.self:
		case friend != nil && friend.behaviour == Equivocate:
			told = append(told, to)
		default:
			honest = append(honest, to)
		}
	}
	if half := len(honest) / 2; second {
		told = append(told, honest[half:]...)
	} else {
		told = append(told, honest[:half]...)
	}
	for _, to := range told {
		one := *o
		one.Broadcast = false
		a.v.transmitMessage(&one, to)
	}
}

// otherAuthorities returns everybody else, those after the validator first.
func (a *actor) otherAuthorities() []remora.Authority {
	n := remora.Authority(a.v.world.committee.Size())
	var others []remora.Authority
	for i := remora.Authority(1); i < n; i++ {
		others = append(others, (a.v.self+i)%n)
	}
	return others
}

func (a *actor) signVote(h *remora.Header) remora.Vote {
	return remora.Vote{
		Term: h.Term, Round: h.Round, Author: h.Author, Digest: h.Digest(), Voter: a.v.self,
		Signature: a.v.world.signed.signerOf(a.v.self).SignVote(remora.VoteMessage(a.v.world.committee.Domain, h)),
	}
}

// endorseHeader votes for any header.
func (a *actor) endorseHeader(h *remora.Header) {
	vote := a.signVote(h)
	a.v.transmitMessage(&mempool.Outgoing{To: h.Author, Vote: &vote}, h.Author)
}

// collectVote counts a vote for the second header and reports whether it was one. With a quorum, which takes more than a
// third of the stake on the adversary's side, the second header gets its certificate too.
func (a *actor) collectVote(vote remora.Vote) bool {
	if a.second == nil || vote.Digest != a.second.Digest() {
		return false
	}
	if slices.ContainsFunc(a.votes, func(v remora.Vote) bool { return v.Voter == vote.Voter }) {
		return true
	}
	a.votes = append(a.votes, vote)
	committee := a.v.world.committee
	var stake remora.Amount
	for _, v := range a.votes {
		stake += committee.Stake(v.Voter)
	}
	if stake < committee.Quorum() {
		return true
	}
	signature, signers, _ := a.v.world.signed.signerOf(a.v.self).Aggregate(remora.VoteMessage(a.v.world.committee.Domain, a.second), a.votes)
	certificate := &remora.Certificate{Header: *a.second, Signers: signers, Signature: signature}
	a.second = nil
	a.sendToHalf(&mempool.Outgoing{Certificate: certificate}, true)
	return true
}

// spoilSignature returns a copy of a message whose signature is wrong.
func spoilSignature(o *mempool.Outgoing) *mempool.Outgoing {
	bad := *o
	switch {
	case o.Header != nil:
		h := *o.Header
		h.Signature[0] ^= 1
		bad.Header = &h
	case o.Vote != nil:
		v := *o.Vote
		v.Signature[0] ^= 1
		bad.Vote = &v
	default:
		c := *o.Certificate
		c.Signature[0] ^= 1
		bad.Certificate = &c
	}
	return &bad
}

// addFarHeaders also sends a header at the far end of the window of rounds, and one far beyond it.
func (a *actor) addFarHeaders(h *remora.Header) {
	for _, ahead := range []remora.Round{2*a.v.world.scenario.GCDepth - 3, 1 << 40} {
		far := *h
		far.Round += ahead
		far.Signature = a.v.world.signed.signerOf(a.v.self).SignHeader(far.Seal(a.v.world.committee.Domain))
		a.v.transmitMessage(&mempool.Outgoing{Broadcast: true, Header: &far}, 0)
	}
}

// sendGarbage also sends a message with random bytes changed. Most of these do not decode.
func (a *actor) sendGarbage(o *mempool.Outgoing) {
	var raw []byte
	switch {
	case o.Header != nil:
		raw = remora.Encode(o.Header)
	case o.Vote != nil:
		raw = remora.Encode(o.Vote)
	default:
		raw = remora.Encode(o.Certificate)
	}
	chance := a.v.world.evil
	for range 1 + chance.IntN(3) {
		raw[chance.IntN(len(raw))] = byte(chance.Uint32())
	}
	raw = raw[:len(raw)-chance.IntN(2)*chance.IntN(len(raw))]
	for _, to := range a.otherAuthorities() {
		a.v.world.sendMessage(a.v, to, junkArrives, remora.SumBLAKE3(raw), func(peer *host) { peer.receiveBytes(raw) })
	}
}

// receiveBytes takes bytes that may be anything, as a node's shell does.
func (v *host) receiveBytes(raw []byte) {
	if h, err := remora.DecodeHeader(v.world.committee.Domain, raw); err == nil {
		v.receiveMessage(mempool.HeaderReceived{Header: h})
	}
	if vote, err := remora.DecodeVote(raw); err == nil {
		v.receiveMessage(mempool.VoteReceived{Vote: *vote})
	}
	if c, err := remora.DecodeCertificate(v.world.committee.Domain, raw); err == nil {
		v.receiveMessage(mempool.CertificateReceived{Certificate: c})
	}
	if b, proof, err := peers.DecodeBatch(raw); err == nil {
		v.receiveBatch(b.Author, b, proof)
	}
}

// withholdsBatch reports whether a batch does not go to a peer: every third one goes to no peer, although headers will name
// it; others only to the first peers that make a quorum.
func (a *actor) withholdsBatch(to remora.Authority, b remora.Batch) bool {
	if a.behaviour == Silent {
		return true
	}
	if a.behaviour != WithholdBatch {
		return false
	}
	if b.Seq%3 == 0 {
		a.v.stepMempool(mempool.BatchReady{Ref: b.Ref()})
		return true
	}
	committee := a.v.world.committee
	stake := committee.Stake(a.v.self)
	for _, other := range a.otherAuthorities() {
		if stake >= committee.Quorum() {
			return true
		}
		if other == to {
			return false
		}
		stake += committee.Stake(other)
	}
	return true
}

// replaceAnswer returns the actor's answer in the place of an honest one; nil: it does not answer.
func (a *actor) replaceAnswer(protocol string, honest []byte) []byte {
	switch a.behaviour {
	case Silent:
		return nil
	case WithholdBatch:
		if protocol == peers.ProtocolBatches {
			return nil
		}
	case LieInSync:
		return a.tamperAnswer(protocol, honest)
	case Equivocate, WithholdCertificate, BadSignature, FarFuture, Garbage, Twin:
	case Flood, PinQuota, TinyBatches, BadTransactions, FutureEpoch:
	}
	return honest
}

// tamperAnswer alters every item of an answer.
func (a *actor) tamperAnswer(protocol string, honest []byte) []byte {
	if protocol == peers.ProtocolBlocks {
		var blocks peers.BlocksAnswer
		if remora.Decode(honest, peers.MaxAnswer, &blocks) != nil {
			return honest
		}
		for i, item := range blocks.Items {
			blocks.Items[i] = a.forgeBlock(item)
		}
		return remora.Encode(blocks)
	}
	items, err := peers.DecodeItems(honest)
	if err != nil {
		return honest
	}
	for i, item := range items {
		if len(item) > 0 {
			items[i] = a.forgeItem(protocol, item)
		}
	}
	return remora.Encode(peers.ListAnswer{Items: items})
}

// forgeBlock changes the state root of a certified block.
func (a *actor) forgeBlock(item []byte) []byte {
	cb, err := remora.DecodeCertifiedBlock(item, peers.MaxAnswer)
	if err != nil {
		return item
	}
	cb.Block.Header.StateRoot[a.v.world.evil.IntN(remora.HashSize)] ^= 1
	return remora.Encode(cb)
}

// forgeItem changes a certificate so that it is still one in form, and one bit of anything else.
func (a *actor) forgeItem(protocol string, item []byte) []byte {
	if cert, err := remora.DecodeCertificate(a.v.world.committee.Domain, item); err == nil {
		if cert.Header.CreatedAt++; protocol == peers.ProtocolTip {
			cert.Header.Round += 1000
		}
		cert.Header.Seal(a.v.world.committee.Domain)
		return remora.Encode(cert)
	}
	forged := slices.Clone(item)
	forged[a.v.world.evil.IntN(len(forged))] ^= 1
	return forged
}
