package mempool_test

import (
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/mempool/mempooltest"
)

// rig is one core, the DAG that its peers have, and a disk.
type rig struct {
	*mempooltest.Builder
	t      testing.TB
	config mempool.Config
	core   *mempool.Core
	disk   disk
	now    remora.Millis
	mine   *remora.Header // newest own header
	doubt  mempool.Doubt  // of the next start

	carries []remora.BatchRef // see carried
}

// newRig starts authority 0 of a committee of stakes, of four equal ones without any. Authority 1 leads every even round.
func newRig(t testing.TB, stakes ...remora.Amount) *rig {
	if len(stakes) == 0 {
		stakes = []remora.Amount{1, 1, 1, 1}
	}
	committee := mempooltest.NewWeightedCommittee(stakes...)
	r := &rig{
		Builder: mempooltest.NewBuilder(committee),
		t:       t,
		now:     1000,
		disk:    disk{votes: map[remora.Authority]remora.Vote{}},
		config: mempool.Config{
			Committee: committee, Origin: mempooltest.Origin, GCDepth: gcDepth,
			Leader: mempooltest.FixedLeader(1), Signer: mempooltest.Signer{Committee: committee},
		},
	}
	r.start(0)
	return r
}

// doubtful restarts the core from a disk that may lack something that was signed.
func (r *rig) doubtful(d mempool.Doubt) *rig {
	r.t.Helper()
	r.doubt = d
	r.start(0)
	return r
}

// start builds a core from the disk.
func (r *rig) start(committed remora.Round) {
	r.t.Helper()
	r.disk.unsynced = nil
	s := mempool.Snapshot{
		Committed: committed, Certificates: r.disk.certificates, Proposed: r.disk.proposed,
		Floor: r.disk.floor, Doubt: r.doubt,
	}
	for a := range remora.Authority(r.Committee.Size()) {
		if v, ok := r.disk.votes[a]; ok {
			s.Votes = append(s.Votes, v)
		}
	}
	core, err := mempool.New(r.config, s)
	if err != nil {
		r.t.Fatal(err)
	}
	r.core = core
}

// ready does all pending work of the core and returns it merged into one Ready.
func (r *rig) ready() mempool.Ready {
	var all mempool.Ready
	for {
		ready, ok := r.core.Ready()
		if !ok {
			return all
		}
		r.do(ready)
		r.core.Advance(ready)
		all.Persist = append(all.Persist, ready.Persist...)
		all.Sync = all.Sync || ready.Sync
		all.Send = append(all.Send, ready.Send...)
		all.Want = append(all.Want, ready.Want...)
		all.Delivered = append(all.Delivered, ready.Delivered...)
		all.Events = append(all.Events, ready.Events...)
	}
}

// do is the shell: it persists, and puts own certificates where peers build on them.
func (r *rig) do(ready mempool.Ready) {
	r.disk.unsynced = append(r.disk.unsynced, ready.Persist...)
	if ready.Sync {
		r.disk.sync()
	}
	for _, rec := range ready.Persist {
		if rec.Header != nil {
			r.mine = rec.Header
		}
		if rec.Certificate != nil && rec.Certificate.Author() == r.config.Self {
			r.Put(&rec.Certificate.Header)
		}
	}
}

func (r *rig) step(m mempool.Message) (mempool.Ready, error) {
	err := r.core.Step(m)
	return r.ready(), err
}

// must is step for a message that must not be refused.
func (r *rig) must(m mempool.Message) mempool.Ready {
	r.t.Helper()
	ready, err := r.step(m)
	if err != nil {
		r.t.Fatalf("%T: %v", m, err)
	}
	return ready
}

// ticks advances the time and returns the work that results.
func (r *rig) ticks(n int) mempool.Ready {
	for range n {
		r.now += 5
		r.core.Tick(r.now)
	}
	return r.ready()
}

// voteAll has every peer vote for the newest own header.
func (r *rig) voteAll() mempool.Ready {
	r.t.Helper()
	for a := range remora.Authority(r.Committee.Size()) {
		if a == r.config.Self {
			continue
		}
		if err := r.core.Step(mempool.VoteReceived{Vote: mempooltest.NewVote(r.Committee, a, r.mine)}); err != nil {
			r.t.Fatal(err)
		}
	}
	return r.ready()
}

// advance has the core and all peers certify a header of each round up to this one. An empty header takes long to come.
func (r *rig) advance(round remora.Round) {
	r.t.Helper()
	for r.Round() < round {
		next := r.Round() + 1
		for i := 0; r.mine == nil || r.mine.Round < next; i++ {
			if i > 200 {
				r.t.Fatalf("no own header of round %d", next)
			}
			r.ticks(1)
		}
		r.voteAll()
		r.deliver(next)
	}
}

// deliver has the peers certify headers of a round on top of all that is below, and hands them to the core.
func (r *rig) deliver(round remora.Round, authors ...remora.Authority) mempool.Ready {
	r.t.Helper()
	if len(authors) == 0 {
		for a := range remora.Authority(r.Committee.Size()) {
			if a != r.config.Self {
				authors = append(authors, a)
			}
		}
	}
	for _, a := range authors {
		if err := r.core.Step(mempool.CertificateReceived{Certificate: r.Add(round, a)}); err != nil {
			r.t.Fatal(err)
		}
	}
	return r.ready()
}

// votes returns the votes that a Ready sends.
func votes(ready mempool.Ready) []*remora.Vote {
	var sent []*remora.Vote
	for _, o := range ready.Send {
		if o.Vote != nil {
			sent = append(sent, o.Vote)
		}
	}
	return sent
}

// proposal returns the header that a Ready broadcasts, nil if there is none.
func proposal(ready mempool.Ready) *remora.Header {
	for _, o := range ready.Send {
		if o.Header != nil && o.Broadcast {
			return o.Header
		}
	}
	return nil
}

// events returns the events of one type.
func events[E mempool.Event](ready mempool.Ready) []E {
	var found []E
	for _, e := range ready.Events {
		if e, ok := e.(E); ok {
			found = append(found, e)
		}
	}
	return found
}

// later returns a copy of a header made a millisecond later: another header of the same author and round.
func (r *rig) later(h *remora.Header) *remora.Header {
	other := *h
	other.CreatedAt++
	mempooltest.Sign(r.Committee, &other)
	return &other
}

// subDAG returns the certificates of the rounds (above, leader] with the leader's last, as one sub-DAG.
func (r *rig) subDAG(above, leader remora.Round, skip ...remora.Authority) remora.SubDAG {
	var sub remora.SubDAG
	skipped := map[remora.Authority]bool{}
	for _, a := range skip {
		skipped[a] = true
	}
	for round := above + 1; round < leader; round++ {
		for _, c := range r.Layer(round) {
			if !skipped[c.Author()] {
				sub.Headers = append(sub.Headers, &c.Header)
			}
		}
	}
	sub.Headers = append(sub.Headers, &r.Certificate(leader, 1).Header)
	return sub
}
