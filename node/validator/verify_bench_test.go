package validator

import (
	"syscall"
	"testing"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/node/p2p"
	"github.com/remora-network/remora/node/peers"
	"github.com/remora-network/remora/node/trust"
	"github.com/remora-network/remora/node/trust/trusttest"
)

// BenchmarkVerifier gives a verifier what three honest peers send in 64 rounds: header, vote and certificate of each.
func BenchmarkVerifier(b *testing.B) {
	c, keys, signers := trusttest.Committee(b)
	const rounds = 64
	var frames [][]p2p.Message
	for r := range remora.Round(rounds) {
		var batch []p2p.Message
		for a := range remora.Authority(3) {
			h := &remora.Header{Term: 1, Author: a, Round: 1, CreatedAt: remora.Millis(r), Parents: remora.GenesisParents(c.Committee, remora.Hash{9})}
			digest := h.Seal(c.Domain)
			h.Signature = signers[a].Sign(digest[:])
			cert, message := certify(b, c, keys, h), remora.VoteMessage(c.Domain, h)
			vote := remora.Vote{Term: 1, Round: 1, Author: 3, Digest: h.Digest(), Voter: a, Signature: keys[a].Sign(message[:])}
			for _, f := range [][]byte{
				peers.EncodeFrame(peers.FrameHeader, remora.Encode(h)), peers.EncodeFrame(peers.FrameVote, remora.Encode(vote)),
				peers.EncodeFrame(peers.FrameCertificate, remora.Encode(cert)),
			} {
				batch = append(batch, p2p.Message{Peer: c.Members[a].PeerID, Payload: f})
			}
		}
		frames = append(frames, batch)
	}
	out := make(chan mempool.Message, 9*rounds)
	var spent time.Duration // processor time: it tells more than the clock on a shared machine
	for b.Loop() {
		b.StopTimer()
		fresh, err := trust.New(c.Committee)
		if err != nil {
			b.Fatal(err)
		}
		v := testVerifier(fresh, out)
		before := processorTime(b)
		b.StartTimer()
		for _, batch := range frames {
			if err := v.passValid(b.Context(), v.admitFrames(b.Context(), batch)); err != nil {
				b.Fatal(err)
			}
		}
		for range 9 * rounds {
			<-out
		}
		spent += processorTime(b) - before
	}
	b.ReportMetric(float64(spent.Microseconds())/float64(b.N*9*rounds), "cpu-µs/frame")
}

func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
