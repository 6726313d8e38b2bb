package flight_test

import (
	"encoding/binary"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/mempool/mempooltest"
	"github.com/remora-network/remora/node/flight"
	"github.com/remora-network/remora/node/restore"
	"github.com/remora-network/remora/state/statetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cluster is a committee of recorded cores on a network that loses, delays and reorders.
type cluster struct {
	t         *testing.T
	genesis   *remora.Genesis
	committee *remora.Committee
	members   []*member
	chance    *rand.Rand
	posts     []post
	seq       uint64
}

type member struct {
	self         remora.Authority
	dir          string
	recorder     *flight.Recorder
	cores        *restore.Cores
	certificates []*remora.Certificate // parents first
	proposed     *remora.Header
	votes        map[remora.Authority]remora.Vote
}

type post struct {
	due int
	to  remora.Authority
	m   mempool.Message
}

func newCluster(t *testing.T, limit int64) *cluster {
	t.Helper()
	c := &cluster{t: t, genesis: statetest.Genesis("dev-flight", 4), chance: rand.New(rand.NewPCG(1, 2))}
	var err error
	if c.committee, err = c.genesis.Committee(); err != nil {
		t.Fatal(err)
	}
	for a := range remora.Authority(4) {
		m := &member{self: a, dir: t.TempDir(), votes: map[remora.Authority]remora.Vote{}}
		m.recorder = flight.New(m.dir, limit, discard())
		c.members = append(c.members, m)
		c.start(m)
	}
	t.Cleanup(func() {
		for _, m := range c.members {
			m.recorder.Close()
		}
	})
	return c
}

// start builds a member's cores from what it persisted.
func (c *cluster) start(m *member) {
	c.t.Helper()
	s := restore.Snapshot{Mempool: mempool.Snapshot{Certificates: m.certificates, Proposed: m.proposed}}
	for a := range remora.Authority(4) {
		if v, ok := m.votes[a]; ok {
			s.Mempool.Votes = append(s.Mempool.Votes, v)
		}
	}
	cores, err := m.recorder.Start(s, restore.Config{
		Genesis: c.genesis, Committee: c.committee, Self: m.self,
		Signer: mempooltest.Signer{Committee: c.committee, Self: m.self}, Pace: mempool.Pace{Resend: 20},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	m.cores = cores
	c.carryOut(m, 0)
}

// run lets time pass: a batch now and then, one in five messages lost, the others late by up to three ticks.
func (c *cluster) run(ticks int) {
	for now := range ticks {
		if now%5 == 0 {
			c.seq++
			a := remora.Authority(c.seq % 4)
			ref := remora.BatchRef{Epoch: 1}
			binary.BigEndian.PutUint64(ref.Digest[:], c.seq)
			ref.Digest[8] = byte(a)
			c.step(c.members[a], mempool.BatchReady{Ref: ref}, now)
		}
		if now%50 == 0 {
			c.step(c.members[0], mempool.ShareMade{Share: remora.Share{Height: remora.Height(now)}}, now)
			c.step(c.members[1], mempool.ContributionMade{Contribution: remora.Contribution{Step: uint64(now)}}, now)
			c.step(c.members[2], mempool.Demand{Uncertified: now%100 == 0}, now)
			c.step(c.members[3], mempool.TipReceived{From: 1}, now)
		}
		posts := c.posts
		c.posts = nil
		for _, p := range posts {
			if p.due > now {
				c.posts = append(c.posts, p)
				continue
			}
			c.step(c.members[p.to], p.m, now)
		}
		for _, m := range c.members {
			m.recorder.Tick(remora.Millis(5 * now))
			m.cores.Mempool.Tick(remora.Millis(5 * now))
			c.carryOut(m, now)
		}
	}
}

func (c *cluster) post(to remora.Authority, m mempool.Message, now int) {
	if c.chance.IntN(5) > 0 {
		c.posts = append(c.posts, post{due: now + 1 + c.chance.IntN(3), to: to, m: m})
	}
}

func (c *cluster) step(m *member, message mempool.Message, now int) {
	m.recorder.Step(message)
	_ = m.cores.Mempool.Step(message) // refused messages are recorded, too
	c.carryOut(m, now)
}

// carryOut carries out the work of a member's cores, as the node does.
func (c *cluster) carryOut(m *member, now int) {
	for {
		rd, ok := m.cores.Mempool.Ready()
		if !ok {
			return
		}
		m.recorder.Took(&rd)
		m.persist(rd.Persist)
		for _, o := range rd.Send {
			c.send(m.self, o, now)
		}
		var ordered []remora.SubDAG
		for _, cert := range rd.Delivered {
			subs, err := m.cores.Order.Insert(cert)
			if err != nil {
				c.t.Fatal(err)
			}
			ordered = append(ordered, subs...)
		}
		if len(ordered) > 0 {
			message := mempool.Ordered{SubDAGs: ordered}
			m.recorder.Step(message)
			if err := m.cores.Mempool.Step(message); err != nil {
				c.t.Fatal(err)
			}
		}
		m.cores.Mempool.Advance(rd)
		for _, w := range rd.Want {
			c.serve(m, w, now)
		}
	}
}

func (m *member) persist(records []mempool.Record) {
	for _, r := range records {
		switch {
		case r.Header != nil:
			m.proposed = r.Header
		case r.Vote != nil:
			m.votes[r.Vote.Author] = *r.Vote
		case r.Certificate != nil:
			m.certificates = append(m.certificates, r.Certificate)
		}
	}
}

func (c *cluster) send(from remora.Authority, o mempool.Outgoing, now int) {
	var message mempool.Message
	switch {
	case o.Header != nil:
		message = mempool.HeaderReceived{Header: o.Header}
	case o.Vote != nil:
		message = mempool.VoteReceived{Vote: *o.Vote}
	default:
		message = mempool.CertificateReceived{Certificate: o.Certificate}
	}
	for to := range remora.Authority(4) {
		if to != from && (o.Broadcast || to == o.To) {
			c.post(to, message, now)
		}
	}
}

func (c *cluster) serve(m *member, w mempool.Want, now int) {
	for _, ref := range w.Batches {
		message := mempool.BatchStored{Ref: ref}
		m.recorder.Step(message)
		_ = m.cores.Mempool.Step(message)
	}
	for _, cert := range c.members[w.From].certificates {
		for _, p := range w.Parents {
			if cert.Header.ID() == p {
				c.post(m.self, mempool.CertificateReceived{Certificate: cert}, now)
			}
		}
	}
}

// recording returns the bytes of a member's recording.
func (m *member) recording(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(m.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
