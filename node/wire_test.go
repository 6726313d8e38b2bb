package node

import (
	"log/slog"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/bls"
	"github.com/remora-network/remora/crypto/ed25519"
	"github.com/remora-network/remora/node/head"
	"github.com/remora-network/remora/node/p2p"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/node/trust"
	"github.com/remora-network/remora/state"
)

// testCommittee is four members with keys of their own; peer names are p0 to p3.
func testCommittee(t testing.TB) (*trust.Committee, []*bls.SecretKey, []*ed25519.PrivateKey) {
	t.Helper()
	members, consensus := make([]remora.Member, 4), map[remora.BLSPublicKey]*bls.SecretKey{}
	headers := map[remora.Address]*ed25519.PrivateKey{}
	for i := range members {
		seed := remora.SumBLAKE3([]byte{1, byte(i)})
		key, err := bls.DeriveKey(seed[:])
		if err != nil {
			t.Fatal(err)
		}
		header, err := ed25519.NewKeyFromSeed(seed[:])
		if err != nil {
			t.Fatal(err)
		}
		consensus[key.Public()], headers[header.Public()] = key, header
		members[i] = remora.Member{
			Name: string(rune('a' + i)), Stake: 1, Consensus: key.Public(), Beacon: remora.BLSPublicKey{byte(i + 1)},
			Header: header.Public(), PeerID: "p" + string(rune('0'+i)), Addrs: []string{"/x"},
		}
	}
	c, err := remora.NewCommittee("dev-wire", 1, members)
	if err != nil {
		t.Fatal(err)
	}
	trusted, err := trust.New(c)
	if err != nil {
		t.Fatal(err)
	}
	keys, signers := make([]*bls.SecretKey, 4), make([]*ed25519.PrivateKey, 4)
	for i, m := range c.Members {
		keys[i], signers[i] = consensus[m.Consensus], headers[m.Header]
	}
	return trusted, keys, signers
}

// signedHeader is a header of round 1 that holds in every respect.
func signedHeader(c *trust.Committee, author remora.Authority, signer *ed25519.PrivateKey) *remora.Header {
	h := &remora.Header{Term: 1, Author: author, Round: 1, Parents: remora.GenesisParents(c.Committee, remora.Hash{9})}
	digest := h.Seal(c.ChainID)
	h.Signature = signer.Sign(digest[:])
	return h
}

func testVerifier(c *trust.Committee) *verifier {
	return &verifier{committee: c, log: slog.New(slog.DiscardHandler)}
}

func TestVerifierPassesWhatHolds(t *testing.T) {
	c, keys, signers := testCommittee(t)
	v := testVerifier(c)
	h := signedHeader(c, 2, signers[2])
	message := remora.VoteMessage(c.ChainID, h)
	vote := remora.Vote{Term: 1, Round: 1, Author: 2, Digest: h.Digest(), Voter: 1, Signature: keys[1].Sign(message[:])}
	digest := h.Digest()
	for name, frame := range map[string]p2p.Message{
		"header": {Peer: c.Members[2].PeerID, Payload: frame(frameHeader, remora.Encode(h))},
		"vote":   {Peer: c.Members[1].PeerID, Payload: frame(frameVote, remora.Encode(vote))},
		"ack":    {Peer: c.Members[3].PeerID, Payload: frame(frameAck, digest[:])},
	} {
		if m, err := v.decode(frame); m == nil || err != nil {
			t.Errorf("%s: %v, %v", name, m, err)
		}
	}
}

func TestVerifierRefuses(t *testing.T) {
	c, _, signers := testCommittee(t)
	v := testVerifier(c)
	good := signedHeader(c, 2, signers[2])
	forged := signedHeader(c, 2, signers[1])
	late := *good
	late.Term = 2
	late.Seal(c.ChainID)
	foreign := *good
	digest := foreign.Seal("dev-other")
	foreign.Signature = signers[2].Sign(digest[:])
	peer := func(a remora.Authority) string { return c.Members[a].PeerID }
	for name, m := range map[string]p2p.Message{
		"stranger":              {Peer: "nobody", Payload: frame(frameHeader, remora.Encode(good))},
		"empty":                 {Peer: peer(2)},
		"unknown kind":          {Peer: peer(2), Payload: []byte{0}},
		"relayed header":        {Peer: peer(1), Payload: frame(frameHeader, remora.Encode(good))},
		"forged header":         {Peer: peer(2), Payload: frame(frameHeader, remora.Encode(forged))},
		"header of other term":  {Peer: peer(2), Payload: frame(frameHeader, remora.Encode(&late))},
		"header of other chain": {Peer: peer(2), Payload: frame(frameHeader, remora.Encode(&foreign))},
		"truncated":             {Peer: peer(2), Payload: frame(frameHeader, remora.Encode(good)[:50])},
		"trailing":              {Peer: peer(2), Payload: append(frame(frameHeader, remora.Encode(good)), 0)},
		"vote for another":      {Peer: peer(2), Payload: frame(frameVote, remora.Encode(remora.Vote{Voter: 1}))},
		"short ack":             {Peer: peer(2), Payload: []byte{frameAck, 1, 2}},
	} {
		if got, err := v.decode(m); err == nil {
			t.Errorf("%s: passed as %v", name, got)
		}
	}
}

func FuzzFrame(f *testing.F) {
	c, _, signers := testCommittee(f)
	f.Add(frame(frameHeader, remora.Encode(signedHeader(c, 0, signers[0]))))
	f.Add(frame(frameCertificate, remora.Encode(remora.Certificate{Header: *signedHeader(c, 0, signers[0])})))
	f.Add(frame(frameVote, remora.Encode(remora.Vote{Voter: 0})))
	f.Add(frame(frameAck, make([]byte, 32)))
	v := testVerifier(c)
	f.Fuzz(func(t *testing.T, payload []byte) {
		m, err := v.decode(p2p.Message{Peer: c.Members[0].PeerID, Payload: payload})
		if certificate, ok := m.(*remora.Certificate); ok && err == nil {
			c.Certificates([]*remora.Certificate{certificate})
		}
	})
}

func FuzzRequest(f *testing.F) {
	st, err := store.InMemory()
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := st.Close(); err != nil {
			f.Error(err)
		}
	})
	s := &server{chainID: "dev-wire", store: st, head: head.New(head.NewView(st, state.View{}, nil))}
	f.Cleanup(func() {
		if err := s.head.Close(); err != nil {
			f.Error(err)
		}
	})
	f.Add(remora.Encode(certificateRequest{Round: 9, Parents: []remora.Parent{{Author: 1}}}))
	f.Add(remora.Encode(batchRequest{Digests: make([]remora.Hash, 2)}))
	f.Add(remora.Encode(rangeRequest{From: 1, Count: 3}))
	f.Fuzz(func(t *testing.T, request []byte) {
		for name, handle := range s.handlers() {
			answer, err := handle(t.Context(), "peer", request)
			if err != nil {
				continue
			}
			if name == askBlocks {
				err = remora.Decode(answer, maxAnswer, new(blocksAnswer))
			} else {
				_, err = decodeAnswer(answer)
			}
			if err != nil {
				t.Errorf("%s answers with %x: %v", name, answer, err)
			}
		}
	})
}
