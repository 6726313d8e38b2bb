package validator

import (
	"log/slog"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/ed25519"
	"github.com/remora-network/remora/node/p2p"
	"github.com/remora-network/remora/node/peers"
	"github.com/remora-network/remora/node/trust"
	"github.com/remora-network/remora/node/trust/trusttest"
)

// signedHeader is a header of round 1 that holds in every respect.
func signedHeader(c *trust.Committee, author remora.Authority, signer *ed25519.PrivateKey) *remora.Header {
	h := &remora.Header{Term: 1, Author: author, Round: 1, Parents: remora.GenesisParents(c.Committee, remora.Hash{9})}
	digest := h.Seal(c.Domain)
	h.Signature = signer.Sign(digest[:])
	return h
}

func testVerifier(c *trust.Committee) *verifier {
	return &verifier{committee: c, log: slog.New(slog.DiscardHandler)}
}

func TestVerifierPassesWhatHolds(t *testing.T) {
	c, keys, signers := trusttest.Committee(t)
	v := testVerifier(c)
	h := signedHeader(c, 2, signers[2])
	message := remora.VoteMessage(c.Domain, h)
	vote := remora.Vote{Term: 1, Round: 1, Author: 2, Digest: h.Digest(), Voter: 1, Signature: keys[1].Sign(message[:])}
	digest := h.Digest()
	for name, m := range map[string]p2p.Message{
		"header": {Peer: c.Members[2].PeerID, Payload: peers.EncodeFrame(peers.FrameHeader, remora.Encode(h))},
		"vote":   {Peer: c.Members[1].PeerID, Payload: peers.EncodeFrame(peers.FrameVote, remora.Encode(vote))},
		"ack":    {Peer: c.Members[3].PeerID, Payload: peers.EncodeFrame(peers.FrameAck, digest[:])},
	} {
		if got, err := v.decodeFrame(m); got == nil || err != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestVerifierRefuses(t *testing.T) {
	c, _, signers := trusttest.Committee(t)
	v := testVerifier(c)
	good := signedHeader(c, 2, signers[2])
	forged := signedHeader(c, 2, signers[1])
	late := *good
	late.Term = 2
	late.Seal(c.Domain)
	foreign := *good
	digest := foreign.Seal(remora.Domain{9})
	foreign.Signature = signers[2].Sign(digest[:])
	peer := func(a remora.Authority) string { return c.Members[a].PeerID }
	for name, m := range map[string]p2p.Message{
		"stranger":              {Peer: "nobody", Payload: peers.EncodeFrame(peers.FrameHeader, remora.Encode(good))},
		"empty":                 {Peer: peer(2)},
		"unknown kind":          {Peer: peer(2), Payload: []byte{0}},
		"relayed header":        {Peer: peer(1), Payload: peers.EncodeFrame(peers.FrameHeader, remora.Encode(good))},
		"forged header":         {Peer: peer(2), Payload: peers.EncodeFrame(peers.FrameHeader, remora.Encode(forged))},
		"header of other term":  {Peer: peer(2), Payload: peers.EncodeFrame(peers.FrameHeader, remora.Encode(&late))},
		"header of other chain": {Peer: peer(2), Payload: peers.EncodeFrame(peers.FrameHeader, remora.Encode(&foreign))},
		"truncated":             {Peer: peer(2), Payload: peers.EncodeFrame(peers.FrameHeader, remora.Encode(good)[:50])},
		"trailing":              {Peer: peer(2), Payload: append(peers.EncodeFrame(peers.FrameHeader, remora.Encode(good)), 0)},
		"vote for another":      {Peer: peer(2), Payload: peers.EncodeFrame(peers.FrameVote, remora.Encode(remora.Vote{Voter: 1}))},
		"short ack":             {Peer: peer(2), Payload: []byte{peers.FrameAck, 1, 2}},
	} {
		if got, err := v.decodeFrame(m); err == nil {
			t.Errorf("%s: passed as %v", name, got)
		}
	}
}

func FuzzFrame(f *testing.F) {
	c, _, signers := trusttest.Committee(f)
	f.Add(peers.EncodeFrame(peers.FrameHeader, remora.Encode(signedHeader(c, 0, signers[0]))))
	f.Add(peers.EncodeFrame(peers.FrameCertificate, remora.Encode(remora.Certificate{Header: *signedHeader(c, 0, signers[0])})))
	f.Add(peers.EncodeFrame(peers.FrameVote, remora.Encode(remora.Vote{Voter: 0})))
	f.Add(peers.EncodeFrame(peers.FrameAck, make([]byte, 32)))
	v := testVerifier(c)
	f.Fuzz(func(t *testing.T, payload []byte) {
		m, err := v.decodeFrame(p2p.Message{Peer: c.Members[0].PeerID, Payload: payload})
		if certificate, ok := m.(*remora.Certificate); ok && err == nil {
			c.CheckCertificates([]*remora.Certificate{certificate})
		}
	})
}
