package validator

import (
	"log/slog"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/bls"
	"github.com/remora-network/remora/crypto/ed25519"
	"github.com/remora-network/remora/mempool"
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

func testVerifier(c *trust.Committee, out chan mempool.Message) *verifier {
	log := slog.New(slog.DiscardHandler)
	return &verifier{committee: c, messages: out, judge: newJudge(c, new(Progress), nil, log), log: log}
}

func TestVerifierPassesWhatHolds(t *testing.T) {
	c, keys, signers := trusttest.Committee(t)
	out := make(chan mempool.Message, 8)
	v := testVerifier(c, out)
	h := signedHeader(c, 2, signers[2])
	message := remora.VoteMessage(c.Domain, h)
	vote := remora.Vote{Term: 1, Round: 1, Author: 2, Digest: h.Digest(), Voter: 1, Signature: keys[1].Sign(message[:])}
	cert := certify(t, c, keys, h)
	for name, m := range map[string]p2p.Message{
		"header":      {Peer: c.Members[2].PeerID, Payload: peers.EncodeFrame(peers.FrameHeader, remora.Encode(h))},
		"vote":        {Peer: c.Members[1].PeerID, Payload: peers.EncodeFrame(peers.FrameVote, remora.Encode(vote))},
		"certificate": {Peer: c.Members[2].PeerID, Payload: peers.EncodeFrame(peers.FrameCertificate, remora.Encode(cert))},
		"known again": {Peer: c.Members[1].PeerID, Payload: peers.EncodeFrame(peers.FrameCertificate, remora.Encode(cert))},
	} {
		if err := v.passValid(t.Context(), v.admitFrames(t.Context(), []p2p.Message{m})); err != nil || len(out) != 1 {
			t.Errorf("%s: %d messages passed, %v", name, len(out), err)
		}
		<-out
	}
}

// certify is the certificate of a header, by the first three members.
func certify(t testing.TB, c *trust.Committee, keys []*bls.SecretKey, h *remora.Header) *remora.Certificate {
	t.Helper()
	message := remora.VoteMessage(c.Domain, h)
	var sigs []remora.BLSSignature
	for _, k := range keys[:3] {
		sigs = append(sigs, k.Sign(message[:]))
	}
	sum, err := bls.Aggregate(sigs)
	if err != nil {
		t.Fatal(err)
	}
	return &remora.Certificate{Header: *h, Signers: remora.NewBitmap(4, 0, 1, 2), Signature: sum}
}

func TestVerifierRefuses(t *testing.T) {
	c, _, signers := trusttest.Committee(t)
	out := make(chan mempool.Message, 8)
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
	} {
		v := testVerifier(c, out)
		if err := v.passValid(t.Context(), v.admitFrames(t.Context(), []p2p.Message{m})); err != nil || len(out) != 0 {
			t.Errorf("%s: passed, %v", name, err)
		}
		from, member := c.ByPeer(m.Peer)
		blames := member && name != "empty" && name != "header of other term"
		if member && v.judge.isAlone(from) != blames {
			t.Errorf("%s: blamed: %v", name, !blames)
		}
	}
}

func FuzzFrame(f *testing.F) {
	c, _, signers := trusttest.Committee(f)
	f.Add(peers.EncodeFrame(peers.FrameHeader, remora.Encode(signedHeader(c, 0, signers[0]))))
	f.Add(peers.EncodeFrame(peers.FrameCertificate, remora.Encode(remora.Certificate{Header: *signedHeader(c, 0, signers[0])})))
	f.Add(peers.EncodeFrame(peers.FrameVote, remora.Encode(remora.Vote{Voter: 0})))
	f.Fuzz(func(t *testing.T, payload []byte) {
		out := make(chan mempool.Message, 1)
		v := testVerifier(c, out)
		m := p2p.Message{Peer: c.Members[0].PeerID, Payload: payload}
		if err := v.passValid(t.Context(), v.admitFrames(t.Context(), []p2p.Message{m})); err != nil {
			t.Fatal(err)
		}
		if len(out) > 0 && v.judge.isAlone(0) {
			t.Error("passed, and its sender is blamed")
		}
	})
}
